"""What the packing tells is what Ray does: actors on real nodes with logical CPUs and GPUs."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cluster.planning.nodes import Machines, NodeType, running_machines
from cluster.planning.packing import Demand, pack
from tests.ray_environment import ROOT, ray_environment

pytestmark = [pytest.mark.ray, pytest.mark.systems]

SPOT = {"ray.io/market-type": "spot"}
ON_DEMAND = {"ray.io/market-type": "on-demand"}
TYPES = {
    "a": NodeType(cpus=6, gpus=2, labels=ON_DEMAND),
    "b": NodeType(nodes=2, cpus=4, gpus=2, labels=SPOT),
}
SHARES = (0.25, 0.3, 0.4, 0.5, 0.6, 1.0, 2.0)
NUM_CASES = 4


def case_of(seed):
    chance = random.Random(seed)
    return [
        {
            "name": name,
            "count": chance.randint(1, 3),
            "gpu": chance.choice(SHARES),
            "selectors": [ON_DEMAND] if chance.random() < 0.3 else [ON_DEMAND, SPOT],
        }
        for name in ("x", "y", "z")
    ]


@pytest.fixture(scope="module")
def on_ray():
    """What a real cluster of these nodes made of all cases."""
    nodes = [[n.cpus, n.gpus, dict(n.labels)] for _, n in Machines(node_types=TYPES).nodes()]
    given = {"nodes": nodes, "cases": [case_of(seed) for seed in range(NUM_CASES)]}
    with TemporaryDirectory(prefix="p", dir="/tmp") as folder:
        ended = subprocess.run(
            [sys.executable, Path(__file__).parent / "placed_by_ray.py"],
            env=os.environ | ray_environment(Path(folder)), input=json.dumps(given), cwd=ROOT,
            capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    return json.loads(ended.stdout.splitlines()[-1])


def test_a_running_cluster_is_read_as_its_node_types(on_ray):
    found = running_machines(on_ray["nodes"])
    counts = sorted((one.cpus, one.gpus, one.nodes) for one in found.node_types.values())
    assert counts == [(0.0, 0, 1), (4.0, 2, 2), (6.0, 2, 1)]


@pytest.mark.parametrize("seed", range(NUM_CASES))
def test_what_is_said_to_fit_fits_and_nothing_more(on_ray, seed):
    case = case_of(seed)
    demands = {
        one["name"]: Demand(
            name=one["name"], resources={"CPU": 1.0, "GPU": one["gpu"]},
            selectors=tuple(one["selectors"]),
        )
        for one in case
    }  # fmt: skip
    counts = {one["name"]: one["count"] for one in case}
    packing = pack(counts, demands, running_machines(on_ray["nodes"]))
    for name, placed in on_ray["placed"][seed].items():
        fewest, most = packing.fits(name)
        assert fewest <= placed <= most, case
