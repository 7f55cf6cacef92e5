"""The command line, and the real process on a real Ray cluster."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from chaos import processes
from cluster import spot
from cluster.ports import free_port
from tests.ray_environment import BIN, ROOT, ray_environment

WAIT_S = 120  # the machines that run this are shared


def command(*options):
    return [sys.executable, "-m", "cluster.spot", *options]


def end_of_main(monkeypatch, *options):
    """Gives the exit status of a command line that cannot start."""
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(sys, "argv", ["spot", *options])
    with pytest.raises(SystemExit) as ended:
        spot.main()
    return ended.value.code


def test_help_names_the_environment_and_every_option(monkeypatch, capsys):
    assert end_of_main(monkeypatch, "--help") == 0
    said = capsys.readouterr().out
    for word in ("RAY_AUTH_MODE", "--metadata-url", "--margin-s", "--sigterm-notice-s"):
        assert word in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--address"),
        (("--address=h:1", "--cloud=ibm"), "invalid choice"),
        (("--address=h:1", "--poll-s=-1"), "must be 0 s or more"),
        (("--address=h:1", "--margin-s=nan"), "must be 0 s or more"),
        (("--address=head",), "host:port"),
        (("--address=127.0.0.1:1", "--join-timeout-s=0"), "no GCS at 127.0.0.1:1"),
    ],
)
def test_a_wrong_command_line_ends_with_status_2(options, said, monkeypatch, capsys, caplog):
    assert end_of_main(monkeypatch, *options) == 2
    assert said in capsys.readouterr().err + caplog.text


# From here on: the real process, a real Ray cluster, the fake metadata service as a process.


_NODES = """
import json, sys, ray
ray.init(address=sys.argv[1], log_to_driver=False)
for line in sys.stdin:
    print("\\nNODES " + json.dumps(ray.nodes()), flush=True)
"""


@dataclass
class RayCluster:
    """A head without work for anyone, and a driver that lists the nodes."""

    address: str
    environment: dict
    driver: subprocess.Popen

    def nodes(self):
        self.driver.stdin.write("\n")
        self.driver.stdin.flush()
        for line in self.driver.stdout:  # Ray itself prints there, too
            if line.startswith("NODES "):
                return {node["NodeID"]: node for node in json.loads(line.removeprefix("NODES "))}
        pytest.fail("the driver has ended")

    def alive(self):
        return {node_id for node_id, node in self.nodes().items() if node["Alive"]}

    def add_node(self):
        before = self.alive()
        ray_start(self.environment, f"--address={self.address}", "--num-cpus=1")
        added, *_ = wait_for(lambda: self.alive() - before)
        return added


def ray_start(environment, *options):
    """Starts a node, again if need be: on a busy machine Ray gives up on its raylet after 30 s."""
    for last in (False, False, True):
        done = subprocess.run(
            [BIN / "ray", "start", "--object-store-memory=80000000", *options], env=environment,
            check=False, capture_output=True, text=True, timeout=180, cwd=ROOT,
        )  # fmt: skip
        if done.returncode == 0:
            return
        assert not last, done.stderr[-3000:]


def wait_for(condition, seconds=WAIT_S):
    deadline = time.monotonic() + seconds
    while True:
        if found := condition():
            return found
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def ray_cluster():
    with tempfile.TemporaryDirectory(prefix="rf", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), free_port()
        environment, address = {**os.environ, **ray_environment(folder)}, f"127.0.0.1:{port}"
        try:
            ray_start(environment, "--head", f"--port={port}", "--num-cpus=0",
                      "--include-dashboard=false", f"--dashboard-port={free_port()}")  # fmt: skip
            with subprocess.Popen(
                [sys.executable, "-c", _NODES, address], env=environment, cwd=ROOT, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            ) as driver:  # fmt: skip
                yield RayCluster(address, environment, driver)
        finally:
            own = processes.with_environment(f"RAY_TMPDIR={folder}")
            processes.kill([], also=own.union(*map(processes.descendants, own)))


@pytest.fixture
def metadata_url():
    """The fake metadata service as a process of its own."""
    program = [sys.executable, "-m", "cluster.fake_metadata", "--port", "0"]
    with subprocess.Popen(program, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        yield process.stdout.readline().split()[-1]
        process.send_signal(signal.SIGINT)
        try:
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()


class SpotProcess:
    """`python -m cluster.spot` and its log."""

    def __init__(self, cluster, log, *options):
        self.log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                command(f"--address={cluster.address}", "--poll-s=0.1", "--margin-s=2",
                        "--metrics-port=0", *options),
                cwd=ROOT, env=cluster.environment, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def text(self):
        return self.log.read_text()

    def wait_until_watching(self):
        found = wait_for(lambda: re.search(r"metrics_port=(\d+)", self.text()) or self.ended())
        assert not self.ended(), self.text()
        self.metrics_url = f"http://127.0.0.1:{found[1]}/metrics"

    def ended(self):
        return self.process.poll() is not None

    def metrics(self):
        lines = httpx.get(self.metrics_url, timeout=10).text.splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(number) for name, number in pairs}

    def close(self):
        self.process.kill()
        self.process.wait(timeout=30)


@pytest.fixture
def start_spot(ray_cluster, tmp_path):
    started = []

    def start(*options, watching=True):
        made = SpotProcess(ray_cluster, tmp_path / f"spot{len(started)}.log", *options)
        started.append(made)
        if watching:
            made.wait_until_watching()
        return made

    yield start
    for made in started:
        made.close()


def post(url, **change):
    httpx.post(f"{url}/_control", json=change, timeout=10).raise_for_status()
    return time.time() + change.get("in_s", 30)


@pytest.mark.ray
@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
def test_a_notice_empties_the_node_before_the_deadline(
    cloud, ray_cluster, metadata_url, start_spot
):
    node_id = ray_cluster.add_node()
    watcher = start_spot(f"--node-id={node_id}", f"--cloud={cloud}",
                         f"--metadata-url={metadata_url}")  # fmt: skip
    assert node_id in ray_cluster.alive()
    deadline_s = post(metadata_url, cloud=cloud, kind="terminate", in_s=30)
    wait_for(lambda: node_id not in ray_cluster.alive())
    assert time.time() < deadline_s - 2
    assert f"spot notice from {cloud}" in ray_cluster.nodes()[node_id]["DeathReasonMessage"]
    wait_for(lambda: watcher.metrics()["spot_node_drained"] == 1)
    seen = watcher.metrics()
    assert seen[f'spot_notices_total{{kind="terminate",source="{cloud}"}}'] == 1
    assert seen['spot_drain_attempts_total{outcome="accepted"}'] == 1
    assert seen["spot_notice_to_drain_seconds_count"] == 1
    assert seen["spot_drained_before_deadline_seconds"] > 2


@pytest.mark.ray
def test_sigterm_empties_the_node_and_ends_the_watcher(ray_cluster, metadata_url, start_spot):
    node_id = ray_cluster.add_node()
    watcher = start_spot(f"--node-id={node_id}", f"--metadata-url={metadata_url}",
                         "--sigterm-notice-s=120")  # fmt: skip
    watcher.process.send_signal(signal.SIGTERM)
    assert watcher.process.wait(timeout=115) == 0, watcher.text()
    assert node_id not in ray_cluster.alive()
    assert "sigterm" in ray_cluster.nodes()[node_id]["DeathReasonMessage"]


@pytest.mark.ray
def test_ctrl_c_leaves_the_node_alone(ray_cluster, metadata_url, start_spot):
    (head, *_) = ray_cluster.alive()
    watcher = start_spot(f"--node-id={head}", f"--metadata-url={metadata_url}")
    watcher.process.send_signal(signal.SIGINT)
    assert watcher.process.wait(timeout=60) == 0, watcher.text()
    assert "Traceback" not in watcher.text()
    assert head in ray_cluster.alive()


@pytest.mark.ray
@pytest.mark.parametrize("node_id", ["ab" * 28, "nonsense"])
def test_a_wrong_node_id_fails_loudly(node_id, start_spot):
    watcher = start_spot(f"--node-id={node_id}", "--join-timeout-s=1", watching=False)
    assert watcher.process.wait(timeout=WAIT_S) == 2
    assert f"no living node '{node_id}'" in watcher.text()


@pytest.mark.ray
def test_two_nodes_on_one_machine_need_a_node_id(ray_cluster, start_spot):
    if len(ray_cluster.alive()) < 2:
        ray_cluster.add_node()
    watcher = start_spot(watching=False)
    assert watcher.process.wait(timeout=WAIT_S) == 2
    assert "--node-id" in watcher.text()


@pytest.mark.ray
def test_a_wrong_token_fails_loudly(ray_cluster, tmp_path):
    wrong = RayCluster(
        ray_cluster.address, {**ray_cluster.environment, "RAY_AUTH_MODE": "disabled"}, None
    )
    watcher = SpotProcess(wrong, tmp_path / "spot.log", "--join-timeout-s=0")
    try:
        assert watcher.process.wait(timeout=WAIT_S) == 2
        assert "token" in watcher.text()
    finally:
        watcher.close()
