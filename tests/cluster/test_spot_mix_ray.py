"""Spot machines that come and go, with Ray's own autoscaler: it starts and ends real nodes here."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from chaos import processes
from cluster.ports import free_port
from graphs.serve_config.places import MARKET
from tests.ray_environment import BIN, ROOT, ray_environment

pytestmark = [pytest.mark.ray, pytest.mark.systems]

HEAD_ID = "f" * 51 + "00000"  # Ray's provider of local nodes counts from it
WAIT_S = 90.0
ASKING = """
import json, sys
from cluster.drain import living_nodes
from graphs.serve_config.places import MARKET
kinds = {"spot": [], "on-demand": []}
for one in living_nodes(sys.argv[1]):
    if one.labels.get(MARKET) in kinds and not one.is_draining:
        kinds[one.labels[MARKET]].append(one.node_id)
print(json.dumps(kinds))
"""


def autoscaling(address):
    """Two kinds of machines, at most three of each."""
    machine = {"resources": {"CPU": 1, "GPU": 1}, "node_config": {}, "max_workers": 3}
    commands = ("setup", "head_setup", "worker_setup", "initialization", "head_start_ray",
                "worker_start_ray")  # fmt: skip
    provider = "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider"
    return {
        "cluster_name": "mix", "max_workers": 6, "idle_timeout_minutes": 60,
        "provider": {
            "type": "external", "module": provider, "launch_multiple": True,
            "head_node_id": HEAD_ID, "gcs_address": address,
        },
        "auth": {}, "docker": {}, "file_mounts": {}, "cluster_synced_files": [],
        **{f"{name}_commands": [] for name in commands}, "head_node_type": "ray.head.default",
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "spot": machine | {"labels": {MARKET: "spot"}},
            "base": machine | {"labels": {MARKET: "on-demand"}},
        },
    }  # fmt: skip


@pytest.fixture(scope="module")
def cluster():
    with TemporaryDirectory(prefix="mix-", dir="/tmp") as name:
        folder = Path(name)
        address = f"127.0.0.1:{free_port()}"
        config = folder / "autoscaling.json"
        config.write_text(json.dumps(autoscaling(address)))
        environment = os.environ | ray_environment(folder) | {
            "AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1",
            "RAY_enable_autoscaler_v2": "1", "RAY_CLOUD_INSTANCE_ID": HEAD_ID,
            "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID,
        }  # fmt: skip
        try:
            subprocess.run(
                [BIN / "ray", "start", "--head", "--num-cpus=0", "--node-ip-address=127.0.0.1",
                 f"--port={address.rpartition(':')[2]}", "--include-dashboard=false",
                 f"--autoscaling-config={config}"],
                env=environment, check=True, capture_output=True, timeout=120,
            )  # fmt: skip
            yield address, environment
        finally:
            processes.kill([], also=processes.with_environment(f"RAY_TMPDIR={folder}"))


@pytest.fixture(scope="module")
def keeper(cluster):
    """The command, on two machines."""
    address, environment = cluster
    log = Path(environment["RAY_TMPDIR"]) / "mix.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, "-m", "cluster.spot_mix", "--address", address, "--shape", "GPU=1",
             "--target", "2", "--settle-s", "5", "--poll-s", "0.5"],
            env=environment, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT,
        )  # fmt: skip
    yield child, log
    child.kill()
    child.wait()


def machines(cluster):
    """The ids of the machines of each kind, asked by a process that has the cluster's token.

    None: GCS does not answer yet.
    """
    address, environment = cluster
    asked = subprocess.run(
        [sys.executable, "-c", ASKING, address], env=environment, cwd=ROOT, check=False,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    if "GcsUnreachableError" in asked.stderr:
        return None
    assert asked.returncode == 0, asked.stderr
    return json.loads(asked.stdout.splitlines()[-1])


def until(wanted, cluster, log):
    """Waits until so many machines of each kind are there; gives their ids."""
    ends_at, found = time.monotonic() + WAIT_S, None
    while time.monotonic() < ends_at:
        found = machines(cluster)
        if found and {kind: len(ids) for kind, ids in found.items()} == wanted:
            return found
        time.sleep(0.5)
    pytest.fail(f"{found} for {wanted}:\n{log.read_text(errors='replace')[-3000:]}")


def until_logged(words, log):
    ends_at = time.monotonic() + WAIT_S
    while words not in (text := log.read_text(errors="replace")):
        assert time.monotonic() < ends_at, f"no {words!r}:\n{text[-3000:]}"
        time.sleep(0.5)


def test_machines_on_demand_stand_in_for_spot_and_leave_when_it_is_there(cluster, keeper):
    child, log = keeper
    until_logged("letting go of", log)  # there were some, before spot was ready
    lost = until({"spot": 2, "on-demand": 0}, cluster, log)["spot"][0]
    own = processes.with_environment(f"RAY_TMPDIR={cluster[1]['RAY_TMPDIR']}")
    processes.kill([], also=own & processes.with_argument(f"--node_id={lost}"))
    until({"spot": 3, "on-demand": 0}, cluster, log)  # one more: the loss is reckoned with
    assert "on demand 0 of 1" in log.read_text()
    child.terminate()
    assert child.wait(timeout=30) == 0
