"""The launch files say what their programs take, and keep what they promise."""

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import ray
import yaml

from cluster.launch.render import main, read_values, render
from cluster.plan import main as plan
from graphs.errors import ConfigError
from graphs.serve_config.reader import parse_serve_config, read_serve_config

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "cluster" / "launch"
# Handed to developers of this repository beside it; nothing of them is kept here.
SCHEMAS = Path(os.environ.get("RAGFLEET_SCHEMAS", ROOT.parent / "shared" / "schemas"))


@pytest.fixture(scope="module")
def rendered():
    return {
        name: list(yaml.safe_load_all(text))
        for name, text in render(read_values(LAUNCH / "values.yaml")).items()
    }


def strict(schema):
    """The schema with no key allowed that it does not name, as `kubectl` is strict."""
    if isinstance(schema, dict):
        found = {key: strict(value) for key, value in schema.items()}
        if isinstance(found.get("properties"), dict) and "x-kubernetes-preserve" not in str(
            [*found]
        ):
            found.setdefault("additionalProperties", False)
        return found
    return [strict(one) for one in schema] if isinstance(schema, list) else schema


def kuberay_schema():
    path = SCHEMAS / "ray.io_rayservices.yaml"
    if not path.is_file():
        pytest.skip(f"{path} is not here; RAGFLEET_SCHEMAS names the folder of KubeRay's CRDs")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # it has a megabyte
    versions = yaml.load(path.read_text(), loader)["spec"]["versions"]
    (v1,) = [one for one in versions if one["name"] == "v1"]
    schema = strict(v1["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}
    return schema


def faults(schema, value):
    found = jsonschema.Draft202012Validator(schema).iter_errors(value)
    return [f"{'.'.join(map(str, one.path))}: {one.message[:120]}" for one in found]


def test_the_ray_service_is_what_kuberay_takes(rendered):
    (service,) = rendered["kuberay/rayservice.yaml"]
    schema = kuberay_schema()
    assert faults(schema, service) == []
    service = copy.deepcopy(service)
    service["spec"]["rayClusterConfig"]["headGroupSpec"]["rayStartParam"] = {}
    assert faults(schema, service) != []


def test_what_is_served_is_cluster_yaml_on_another_host_with_keys(rendered):
    (service,) = rendered["kuberay/rayservice.yaml"]
    text = service["spec"]["serveConfigV2"]
    assert rendered["serve.yaml"] == [yaml.safe_load(text)]
    assert parse_serve_config(text, "rendered").gateway.auth.keys
    served = yaml.safe_load(text)
    assert served["http_options"].pop("host") == "0.0.0.0"
    (gateway,) = [
        one for one in served["applications"][0]["deployments"] if one["name"] == "Gateway"
    ]
    assert gateway["user_config"].pop("auth") == {"keys": True}
    expected = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    del expected["http_options"]["host"]
    assert served == expected


def test_what_would_be_refused_is_not_rendered():
    values = read_values(LAUNCH / "values.yaml") | {"keys": False}
    with pytest.raises(ConfigError, match=r"host '0\.0\.0\.0' can be reached by other machines"):
        render(values)
    assert render(values | {"host": "127.0.0.1"})


def test_the_state_of_ray_outlives_its_head_and_is_not_shared_by_two_clusters(rendered):
    (service,) = rendered["kuberay/rayservice.yaml"]
    options = service["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"]
    assert options["redisAddress"]
    assert "externalStorageNamespace" not in options  # ray-project/kuberay issue 1296


def test_every_container_of_ray_has_the_token_that_kuberay_reads(rendered):
    (service,) = rendered["kuberay/rayservice.yaml"]
    options = service["spec"]["rayClusterConfig"]["authOptions"]
    assert options == {"mode": "token", "secretName": "ragfleet"}
    for pod in pods(rendered):
        for container in containers(pod):
            own = {one["name"]: one for one in container["env"] if "AUTH" in one["name"]}
            if container["name"] == "spot-watcher":  # the one that KubeRay does not know
                secret = own["RAY_AUTH_TOKEN"]["valueFrom"]["secretKeyRef"]
                assert secret == {"name": options["secretName"], "key": "auth_token"}
                assert own["RAY_AUTH_MODE"]["value"] == "token"
            else:
                assert own == {}


def pods(rendered):
    (service,) = rendered["kuberay/rayservice.yaml"]
    cluster = service["spec"]["rayClusterConfig"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def containers(pod):
    return [*pod.get("initContainers", ()), *pod["containers"]]


def test_no_container_is_root_or_writes_its_image(rendered):
    for pod in pods(rendered):
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_the_sidecar_that_scales_passes_the_restricted_standard(rendered):
    (service,) = rendered["kuberay/rayservice.yaml"]
    cluster = service["spec"]["rayClusterConfig"]
    own = cluster["autoscalerOptions"]["securityContext"]
    assert own == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod = cluster["headGroupSpec"]["template"]["spec"]["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}


def test_the_figures_of_spot_watchers_can_be_scraped(rendered):
    (policy,) = [one for one in rendered["kuberay/around.yaml"] if one["kind"] == "NetworkPolicy"]
    ports = [{one["port"] for one in rule.get("ports", ())} for rule in policy["spec"]["ingress"]]
    assert {8080, 9465} in ports
    watcher = pods(rendered)[-1]["initContainers"][0]["command"][2]
    (config,) = rendered["ray_up/aws.yaml"]
    for command in (watcher, config["worker_start_ray_commands"][-1]):
        assert "cluster.spot" in command
        assert "--metrics-host 0.0.0.0" in command


def test_no_secret_is_written_down(rendered):
    for pod in pods(rendered):
        for container in containers(pod):
            for one in container["env"]:
                if re.search(r"TOKEN|PASSWORD|DATABASE", one["name"]):
                    assert "secretKeyRef" in one["valueFrom"]


SECRET = [".env", "cluster/launch/.env", "cluster/launch/terraform/aws/terraform.tfstate.backup",
          "cluster/launch/terraform/gcp/my.tfvars", "terraform/.terraform/one"]  # fmt: skip


@pytest.fixture
def folder_with_secrets(tmp_path):
    for name in [*SECRET, "cluster/launch/env.example"]:
        (tmp_path / "from" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "from" / name).write_text("x")
    return tmp_path / "from"


def test_no_secret_gets_into_git(folder_with_secrets):
    shutil.copy(ROOT / ".gitignore", folder_with_secrets)
    subprocess.run(["git", "init", "-q", folder_with_secrets], check=True)
    told = subprocess.run(
        ["git", "-C", folder_with_secrets, "check-ignore", *SECRET, "cluster/launch/env.example"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert told.stdout.split() == SECRET


@pytest.mark.skipif(shutil.which("rsync") is None, reason="`ray up` copies with rsync")
def test_no_secret_gets_onto_a_machine(rendered, folder_with_secrets, tmp_path):
    (config,) = rendered["ray_up/aws.yaml"]
    options = [word for one in config["rsync_exclude"] for word in ("--exclude", one)]
    command = ["rsync", "-a", *options, f"{folder_with_secrets}/", tmp_path / "to"]
    subprocess.run(command, check=True)
    found = [one for one in (tmp_path / "to").rglob("*") if one.is_file()]
    assert found == [tmp_path / "to" / "cluster/launch/env.example"]


def test_no_secret_gets_into_an_image(rendered):
    (config,) = rendered["ray_up/aws.yaml"]
    lines = (LAUNCH / "Dockerfile.dockerignore").read_text().splitlines()
    secret = {one for one in config["rsync_exclude"] if one.startswith("**/")}
    assert secret == {"**/.env", "**/*.tfstate*", "**/.terraform", "**/*.tfvars"}
    assert secret <= set(lines)


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
def test_a_ray_up_file_is_what_ray_takes(rendered, cloud):
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    (config,) = rendered[f"ray_up/{cloud}.yaml"]
    assert faults(schema, config) == []
    spot = config["available_node_types"]["spot"]
    assert spot["labels"] == {"ray.io/market-type": "spot"}
    assert re.search("spot", json.dumps(spot["node_config"]), re.IGNORECASE)
    assert config["available_node_types"]["head"]["resources"] == {"CPU": 0}


def test_the_start_commands_are_shell(rendered):
    (config,) = rendered["ray_up/aws.yaml"]
    commands = config["head_start_ray_commands"] + config["worker_start_ray_commands"]
    assert "$RAY_HEAD_IP" in " ".join(commands)
    for command in [*commands, *config["head_setup_commands"], *config["worker_setup_commands"]]:
        subprocess.run(["sh", "-n", "-c", command], check=True)


def test_the_repository_lies_where_the_user_of_ray_up_may_write(rendered):
    (config,) = rendered["ray_up/aws.yaml"]
    assert config["file_mounts"] == {"~/ragfleet": ".", "~/ragfleet.env": "~/ragfleet.env"}
    commands = [
        command
        for name in config
        if name.endswith(("_setup_commands", "_start_ray_commands"))
        for command in config[name]
    ]
    assert len(commands) == 5
    assert all(command.startswith("cd ~/ragfleet && ") for command in commands)


def test_every_other_way_to_start_ray_reads_the_variables_of_a_node(rendered):
    (up,), (sky,) = rendered["ray_up/aws.yaml"], rendered["skypilot.yaml"]
    starts = [*up["head_start_ray_commands"], *up["worker_start_ray_commands"]]
    node = (LAUNCH / "ray_up" / "node.sh").read_text()
    assert all(". cluster/launch/ray_up/node.sh" in command for command in starts)
    for command in (node, sky["run"]):
        assert ". cluster/node.env" in command
    subprocess.run(["sh", "-n", "-c", sky["run"]], check=True)


def test_no_start_counts_on_the_python_of_an_image(rendered):
    (sky,) = rendered["skypilot.yaml"]
    for setup in ((LAUNCH / "ray_up" / "setup.sh").read_text(), sky["setup"]):
        assert "uv venv -q --python 3.11 --seed .venv" in setup
        assert "python3.11" not in setup
    assert sky["secrets"] == {"RAGFLEET_DATABASE_URL": None}
    assert "envs" not in sky  # which `sky` and its dashboard show


def test_one_gpu_holds_all_models(capsys, tmp_path):
    read_serve_config(LAUNCH / "one-gpu.yaml")
    nodes = tmp_path / "nodes.yaml"
    card = {"cpus": 9, "gpus": 1, "gpu_memory_gb": 24.0, "memory_gb": 32.0}
    nodes.write_text(yaml.safe_dump({"node_types": {"card": card}}))
    assert plan([str(LAUNCH / "one-gpu.yaml"), "--nodes", str(nodes), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["deployments"]
    assert sum(one["resources"]["GPU"] for one in found.values()) <= 1
    assert all(one["share_bytes"] for one in found.values() if one["resources"]["GPU"])
    nodes.write_text(yaml.safe_dump({"node_types": {"card": card | {"gpu_memory_gb": 12.0}}}))
    assert plan([str(LAUNCH / "one-gpu.yaml"), "--nodes", str(nodes)]) == 3


def test_a_release_ends_at_its_first_gate(tmp_path):
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text((ROOT / "cluster.yaml").read_text().replace("top_k: 8 ", "topk: 8 "))
    ended = subprocess.run(
        [LAUNCH / "release.sh"], cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHON": sys.executable, "CONFIG": str(wrong)},
    )  # fmt: skip
    assert ended.returncode == 1
    assert "did you mean 'top_k'" in ended.stdout + ended.stderr


def test_a_value_that_no_template_knows_is_refused(tmp_path, capsys):
    path = tmp_path / "values.yaml"
    path.write_text("imge: x\n")
    assert main(["--values", str(path), "--out", str(tmp_path)]) == 1
    assert "did you mean 'image'?" in capsys.readouterr().out
    path.write_text("image: mine:1\n")
    assert main(["--values", str(path), "--out", str(tmp_path / "out")]) == 0
    assert "image: mine:1" in (tmp_path / "out" / "kuberay" / "rayservice.yaml").read_text()
    path.write_text("[]")
    with pytest.raises(ConfigError, match="must be a mapping"):
        read_values(path)
