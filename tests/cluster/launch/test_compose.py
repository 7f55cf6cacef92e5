"""Compose itself reads compose.yaml; `make test-launch` brings it."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.launch import render

LAUNCH = Path(render.__file__).parent
FOLDERS = os.pathsep.join(f"{one}/bin" for one in sys.path)


@pytest.fixture(scope="module")
def program():
    found = shutil.which("docker-compose", path=FOLDERS)
    return found or pytest.skip("`make test-launch` installs Compose")


def read(program, *files, env=()):
    """What Compose makes of files: its status, their config, what it says."""
    given = [word for file in files for word in ("-f", file)]
    ended = subprocess.run(
        [program, "--env-file", os.devnull, *given, "config", "--format", "json"],
        capture_output=True, text=True, check=False, env={"PATH": os.environ["PATH"], **dict(env)},
    )  # fmt: skip
    return ended.returncode, json.loads(ended.stdout or "null"), ended.stderr


def filled():
    names = re.findall(r"^(\w+)=", (LAUNCH / "env.example").read_text(), re.MULTILINE)
    return {name: f"some-{name.lower()}" for name in names} | {"SERVE_CONFIG": "/etc/serve.yaml"}


def test_compose_takes_the_file_with_what_the_example_asks_for(program):
    status, config, told = read(program, LAUNCH / "compose.yaml", env=filled())
    assert (status, told) == (0, "")
    assert len(config["services"]) == 5
    ports = [port for one in config["services"].values() for port in one.get("ports", ())]
    assert len(ports) == 3
    assert {port["host_ip"] for port in ports} == {"127.0.0.1"}
    url = config["services"]["ragfleet"]["environment"]["RAGFLEET_DATABASE_URL"]
    assert url == "postgresql+psycopg://ragfleet:some-postgres_password@postgres/ragfleet"
    # Its shells read these, so Compose has to leave them as they are.
    assert 'printf %s "$$REDIS_PASSWORD"' in config["services"]["redis"]["command"][2]
    assert "#$$hash ~* &* +@all\nEND\n" in config["services"]["redis"]["command"][2]


def test_compose_reserves_a_gpu_for_the_image_that_wants_one(program):
    files = (LAUNCH / "compose.yaml", LAUNCH / "compose.gpu.yaml")
    status, config, told = read(program, *files, env=filled())
    assert (status, told) == (0, "")
    service = config["services"]["ragfleet"]
    assert (service["build"]["target"], service["image"]) == ("gpu", "ragfleet:gpu")
    assert service["build"]["dockerfile"] == "cluster/launch/Dockerfile"
    (device,) = service["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["count"], device["capabilities"]) == ("nvidia", 1, ["gpu"])
    assert service["read_only"] is True


@pytest.mark.parametrize("name", ["POSTGRES_PASSWORD", "REDIS_PASSWORD", "RAY_AUTH_TOKEN"])
def test_compose_starts_nothing_without_a_secret(program, name):
    env = {key: value for key, value in filled().items() if key != name}
    status, _, told = read(program, LAUNCH / "compose.yaml", env=env)
    assert status != 0
    assert f"required variable {name} is missing a value" in told


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("read_only: true", "readonly: true", "readonly"),
        ("{condition: service_healthy}", "{condition: healthy}", "condition"),
        ("      redis: {condition", "      reddis: {condition", "reddis"),
    ],
)
def test_compose_refuses_a_planted_mistake(program, tmp_path, old, new, told):
    text = (LAUNCH / "compose.yaml").read_text()
    assert old in text
    (tmp_path / "compose.yaml").write_text(text.replace(old, new, 1))
    status, _, said = read(program, tmp_path / "compose.yaml", env=filled())
    assert status != 0
    assert told in said
