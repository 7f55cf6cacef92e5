"""The head of compose.yaml and its Redis: no process shows the password to others."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from ray._private import services

from chaos import processes
from cluster.launch import head
from cluster.ports import free_port
from tests.ray_environment import ROOT, ray_environment

SECRET = "a 'b\" of\\ c"
COMPOSE = yaml.safe_load((ROOT / "cluster" / "launch" / "compose.yaml").read_text())["services"]
ASK = """
import ray
ray.init(address="auto", log_to_driver=False)
told = ray.remote(lambda: open("/proc/self/cmdline").read())
print(ray.get(told.remote()))
"""


@pytest.fixture
def started(monkeypatch):
    """What would be started, by processes' types; Ray's own functions are put back later."""
    commands = {}

    def start(command, process_type, fate_share=False, env_updates=None, **_):
        commands[process_type] = (command, env_updates)

    def raylet(redis_password=None):
        commands["raylet"] = ([redis_password], None)

    monkeypatch.setattr(services, "start_ray_process", start)
    monkeypatch.setattr(services, "start_raylet", raylet)
    monkeypatch.setattr(services, "start_gcs_server", services.start_gcs_server)
    return commands


def start_gcs():
    services.start_gcs_server(
        "127.0.0.1:6379", log_dir="logs", stdout_filepath=None, stderr_filepath=None,
        session_name="s", redis_password=SECRET, config={}, gcs_server_port=1,
        metrics_agent_port=2, node_ip_address="127.0.0.1", session_dir="/tmp", node_id="n",
    )  # fmt: skip


def test_ray_itself_would_show_the_password(started):
    """When this fails, Ray has mended it, and head.py is needed no more."""
    start_gcs()
    assert f"--redis_password={SECRET}" in started["gcs_server"][0]


def test_the_gcs_reads_the_password_from_its_environment_and_a_raylet_gets_none(started):
    head.hide(SECRET)
    start_gcs()
    command, environment = started["gcs_server"]
    assert "--redis_address=127.0.0.1" in command
    assert "--fromenv=redis_password" in command
    assert SECRET not in str(command)
    assert environment == {"FLAGS_redis_password": SECRET}
    services.start_raylet(redis_password=SECRET)
    assert started["raylet"][0] == [None]


def test_a_ray_that_would_show_it_is_not_started(started, monkeypatch):
    monkeypatch.setattr(services, "start_raylet", lambda **_: None)
    with pytest.raises(head.UnsupportedRayError, match="start_raylet has no redis_password"):
        head.hide(SECRET)


@pytest.fixture
def redis(tmp_path):
    """Redis as compose.yaml starts it, on a port of its own; gives the port."""
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not here: apt-get install redis-server")
    port = free_port()
    mine = f"redis-server --port {port} --bind 127.0.0.1 --dir {tmp_path} --appendonly"
    text = COMPOSE["redis"]["command"][-1].replace("redis-server --appendonly", mine)
    env = {**os.environ, "REDIS_PASSWORD": SECRET}
    with subprocess.Popen(["sh", "-c", text.replace("$$", "$")], env=env) as process:
        deadline = time.monotonic() + 30
        while not is_well(port, SECRET):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield port
        process.send_signal(signal.SIGTERM)


def is_well(port, password):
    text = COMPOSE["redis"]["healthcheck"]["test"][-1].replace("redis-cli", f"redis-cli -p {port}")
    env = {**os.environ, "REDIS_PASSWORD": password}
    done = subprocess.run(["sh", "-c", text.replace("$$", "$")], env=env, check=False)
    return done.returncode == 0


@pytest.fixture
def ray_head(redis, tmp_path_factory):
    """A head as compose.yaml starts it, whose state lies in that Redis; gives its environment."""
    folder = Path(tmp_path_factory.mktemp("h", numbered=True))
    short = Path(f"/tmp/rfh{os.getpid()}")  # for the paths of Ray's sockets
    short.symlink_to(folder)
    environment = {
        **os.environ, **ray_environment(short), "RAY_REDIS_ADDRESS": f"127.0.0.1:{redis}",
        "RAY_REDIS_PASSWORD": SECRET,
    }  # fmt: skip
    options = (f"--port={free_port()}", "--num-cpus=1", "--include-dashboard=false")
    memory = "--object-store-memory=100000000"
    try:
        subprocess.run(
            [sys.executable, "-m", "cluster.launch.head", *options, memory], env=environment,
            check=True, cwd=ROOT, timeout=120, capture_output=True,
        )  # fmt: skip
        yield environment
    finally:
        own = processes.with_environment(f"RAY_TMPDIR={short}")
        processes.kill([], also=own.union(*map(processes.descendants, own)))
        short.unlink()


@pytest.mark.ray
def test_no_process_and_no_log_of_a_real_head_shows_the_password(ray_head, redis):
    asked = subprocess.run(
        [sys.executable, "-c", ASK], env=ray_head, check=True, cwd=ROOT, timeout=120,
        capture_output=True, text=True,
    ).stdout  # fmt: skip
    folder = Path(ray_head["RAY_TMPDIR"])
    own = processes.with_environment(f"RAY_TMPDIR={folder}")
    own = own.union(*map(processes.descendants, own))
    shown = [Path(f"/proc/{pid}/cmdline").read_text() for pid in own]
    assert any("gcs_server" in one and "--redis_port" in one for one in shown)
    assert any("raylet" in one for one in shown)
    logs = [one.read_bytes() for one in folder.resolve().glob("**/logs/**/*") if one.is_file()]
    told = [*shown, asked, *(one.decode(errors="replace") for one in logs)]
    assert not [one for one in told if SECRET in one or json.dumps(SECRET)[1:-1] in one]
    # It did log in: the state of the cluster lies there, and nobody gets in with another password.
    env = {**os.environ, "REDISCLI_AUTH": SECRET}
    command = ["redis-cli", "-p", str(redis), "dbsize"]
    size = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
    assert int(size) > 0
    assert not is_well(redis, "another")
