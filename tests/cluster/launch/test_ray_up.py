"""`ray up` finds on its machines what it starts: secrets, programs, GPUs, and a cloud to ask."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import ray
import yaml
from ray._private.ray_constants import DEFAULT_OBJECT_STORE_MEMORY_PROPORTION
from ray.autoscaler._private.util import prepare_config, validate_config

from cluster.launch import render as launch
from cluster.launch.render import read_values, render

LAUNCH = Path(launch.__file__).parent
ROOT = LAUNCH.parents[1]
AUTOSCALER = Path(ray.__file__).parent / "autoscaler"
MODULES = {"aws": "aws", "gcp": "gcp", "azure": "_azure"}
SECRETS = "RAGFLEET_DATABASE_URL='postgresql+psycopg://a:b@c/d?x=1&y=2'\nRAY_AUTH_TOKEN=token\n"


@pytest.fixture(scope="module", params=list(MODULES))
def cloud(request):
    return request.param


@pytest.fixture(scope="module")
def config(cloud):
    """As Ray has it, after its own defaults for what ours leaves out."""
    ours = yaml.safe_load(render(read_values(LAUNCH / "values.yaml"))[f"ray_up/{cloud}.yaml"])
    prepared = prepare_config(ours)
    validate_config(prepared)
    return prepared


def test_nothing_is_left_of_rays_own_commands(config, cloud):
    """What ours does not name comes from its defaults, a `pip install` of another Ray too."""
    head, worker = config["head_setup_commands"], config["worker_setup_commands"]
    setup = "cd ~/ragfleet && sh cluster/launch/ray_up/setup.sh"
    assert head == [f"{setup} cluster/launch/ray_up/{cloud}.txt"]
    assert worker == [setup]
    assert config["initialization_commands"] == []
    for command in (*config["head_start_ray_commands"], *config["worker_start_ray_commands"]):
        assert command.startswith("cd ~/ragfleet && . cluster/launch/ray_up/node.sh && ")


@pytest.mark.parametrize("kind", ["on-demand", "spot"])
def test_the_autoscaler_knows_what_a_machine_has_before_it_is_there(config, cloud, kind):
    """Ray asks EC2 for the machines of a type; of Google's it finds TPUs, of Azure's nothing."""
    resources = config["available_node_types"][kind]["resources"]
    if cloud == "aws":
        assert resources == {}
        return
    values, key = read_values(LAUNCH / "values.yaml"), kind.replace("-", "_")
    taken = int(values[f"{key}_memory"].removesuffix("Gi")) * 2**30
    assert resources == {
        "CPU": values[f"{key}_cpus"], "GPU": values[f"{key}_gpus"],
        "memory": int(taken * (1 - DEFAULT_OBJECT_STORE_MEMORY_PROPORTION)),
    }  # fmt: skip


def test_a_machine_has_a_disk_for_vllm_and_weights(config, cloud):
    for node in config["available_node_types"].values():
        told = json.dumps(node["node_config"])
        pattern = {"aws": r'"VolumeSize": (\d+)', "gcp": r'"diskSizeGb": (\d+)',
                   "azure": r'"osDiskSize": (\d+)'}[cloud]  # fmt: skip
        assert [int(one) for one in re.findall(pattern, told)] == [200]


def test_azure_takes_every_argument_of_a_machine():
    template = json.loads(
        (AUTOSCALER / "_private" / "_azure" / "azure-vm-template.json").read_text()
    )
    text = render(read_values(LAUNCH / "values.yaml"))["ray_up/azure.yaml"]
    for node in yaml.safe_load(text)["available_node_types"].values():
        assert node["node_config"]["azure_arm_parameters"].keys() <= template["parameters"].keys()


def test_no_key_is_asked_for_that_may_not_be_there(config):
    assert config["auth"] == {"ssh_user": "ubuntu"}  # so Ray makes one


def test_google_gets_one_scheduling_and_a_driver():
    text = render(read_values(LAUNCH / "values.yaml"))["ray_up/gcp.yaml"]
    types = yaml.safe_load(text)["available_node_types"]
    for kind in ("on-demand", "spot"):
        node = types[kind]["node_config"]
        assert node["metadata"] == {"items": [{"key": "install-nvidia-driver", "value": "True"}]}
        assert (
            node["scheduling"]["onHostMaintenance"] == "TERMINATE"
        )  # which machines with GPUs want
    assert types["spot"]["node_config"]["scheduling"]["provisioningModel"] == "SPOT"


def pins(text):
    return dict(re.findall(r"([a-z][\w-]+)(?:==|>=)([\w.]+)", text))


def test_the_head_has_what_rays_own_defaults_install(cloud):
    ours = pins((LAUNCH / "ray_up" / f"{cloud}.txt").read_text())
    defaults = yaml.safe_load((AUTOSCALER / cloud / "defaults.yaml").read_text())
    theirs = pins(" ".join(defaults["head_setup_commands"]))
    assert theirs
    assert theirs.keys() <= ours.keys()
    if cloud == "azure":  # where newer versions lack classes that Ray imports
        assert ours == theirs


def test_rays_provider_can_be_imported_with_it(cloud):
    folders = [one for path in sys.path if (one := Path(path) / "clouds" / "boto3").is_dir()]
    if not folders:
        pytest.skip("`make test-launch` installs what clouds want")
    paths = os.pathsep.join([str(folders[0].parent), str(ROOT)])
    module = f"ray.autoscaler._private.{MODULES[cloud]}"
    code = f"import {module}.config, {module}.node_provider"
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": paths})


@pytest.fixture
def machine(tmp_path):
    """A home with the repository, whose programs write down how they were called; gives a run."""
    home, calls = tmp_path / "home", tmp_path / "calls"
    for name in ("ray_up/node.sh", "ray_up/setup.sh"):
        (home / "ragfleet/cluster/launch" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(LAUNCH / name, home / "ragfleet/cluster/launch" / name)
    shutil.copy(ROOT / "cluster/node.env", home / "ragfleet/cluster/node.env")
    stub = f'#!/bin/sh\necho "$(basename $0) $*; $RAY_AUTH_TOKEN $OMP_NUM_THREADS" >> {calls}\n'
    for name in ("bin/python3", ".local/bin/uv", *(f"ragfleet/.venv/bin/{one}" for one in
                                                    ("python", "pip", "ray"))):  # fmt: skip
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(stub)
        (home / name).chmod(0o755)

    def run(command, **env):
        env = {"HOME": str(home), "PATH": f"{home}/bin:/usr/bin:/bin", "PCI": str(tmp_path / "pci"),
               "OMP_NUM_THREADS": "1", "RAY_HEAD_IP": "10.0.0.1", **env}  # fmt: skip
        # As ray/autoscaler/_private/command_runner.py runs it, but for the reading of ~/.bashrc.
        ended = subprocess.run(
            ["bash", "-c", f"({command})"], env=env, check=False, capture_output=True, text=True
        )
        told = calls.read_text().splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return ended.returncode, told, ended.stderr

    run.home = home
    return run


@pytest.mark.parametrize(
    ("secrets", "told"),
    [
        (None, "~/ragfleet.env is not here, or empty: see cluster/launch/README.md"),
        ("", "~/ragfleet.env is not here, or empty"),
        (SECRETS.splitlines()[0], "~/ragfleet.env has no RAY_AUTH_TOKEN"),
        ("RAY_AUTH_TOKEN=x\n", "~/ragfleet.env has no RAGFLEET_DATABASE_URL"),
    ],
)
def test_nothing_is_installed_or_started_without_secrets(machine, config, secrets, told):
    if secrets is not None:
        (machine.home / "ragfleet.env").write_text(secrets)
    for name in ("head_setup_commands", "head_start_ray_commands", "worker_setup_commands",
                 "worker_start_ray_commands"):  # fmt: skip
        for command in config[name]:
            status, calls, said = machine(command)
            assert (status, calls) == (1, [])
            assert told in said


def test_ray_starts_with_the_token_and_with_threads_for_its_cpus(machine, config):
    (machine.home / "ragfleet.env").write_text(SECRETS)
    status, calls, _ = machine(config["head_start_ray_commands"][0])
    assert status == 0
    assert calls[0] == "ray stop; token "  # OMP_NUM_THREADS is unset
    assert calls[1].startswith("ray start --head --port=6379 --num-cpus=0 --autoscaling-config=")
    status, calls, _ = machine(config["worker_start_ray_commands"][0])
    assert (status, calls[1]) == (0, "ray start --address=10.0.0.1:6379; token ")


def test_what_starts_ray_up_is_held_to_the_same_file(machine):
    command = f"cd {ROOT} && . cluster/launch/ray_up/node.sh"
    assert machine(command)[0] == 1
    (machine.home / "ragfleet.env").write_text(SECRETS)
    assert machine(command)[0] == 0


def test_a_machine_is_set_up_twice_as_once(machine, config, cloud):
    (machine.home / "ragfleet.env").write_text(SECRETS)
    (machine.home / "ragfleet/.venv/bin/python").rename(machine.home / "kept")
    _, calls, _ = machine(config["head_setup_commands"][0])
    assert [one.split(";")[0] for one in calls] == [
        "python3 -m pip install -q --user uv", "uv venv -q --python 3.11 --seed .venv",
        "pip install -q -c constraints.txt -e .[gpu]",
        f"pip install -q -r cluster/launch/ray_up/{cloud}.txt",
    ]  # fmt: skip
    (machine.home / "kept").rename(machine.home / "ragfleet/.venv/bin/python")
    status, calls, _ = machine(config["worker_setup_commands"][0])
    assert status == 0
    assert [one.split()[0] for one in calls] == [
        "python3",
        "pip",
    ]  # uv refuses a .venv that is there


def test_a_gpu_without_a_driver_ends_it(machine, config, tmp_path):
    (machine.home / "ragfleet.env").write_text(SECRETS)
    (tmp_path / "pci/devices/0/").mkdir(parents=True)
    (tmp_path / "pci/devices/0/vendor").write_text("0x10de\n")
    status, calls, said = machine(config["worker_setup_commands"][0], DRIVER_S="0.1")
    assert (status, calls) == (1, [])
    assert "a GPU of Nvidia, and no driver" in said
    (machine.home / "bin/nvidia-smi").write_text("#!/bin/sh\n")
    (machine.home / "bin/nvidia-smi").chmod(0o755)
    assert machine(config["worker_setup_commands"][0], DRIVER_S="5")[0] == 0
