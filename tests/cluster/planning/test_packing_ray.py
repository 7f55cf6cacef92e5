"""What the packing tells is what Ray does: replicas on real nodes with logical CPUs and GPUs."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from cluster.planning.nodes import Machines, running_machines
from cluster.planning.packing import pack
from tests.cluster.planning.ray_cases import NODES, PIECES, cases, demand_of
from tests.ray_environment import ROOT, ray_environment

pytestmark = [pytest.mark.ray, pytest.mark.systems, pytest.mark.timeout(7200)]

_START_S, _CASE_S = 200, 30


@pytest.fixture(scope="module")
def on_ray(request):
    """The nodes as Ray tells them, and what it did with the replicas of each case."""
    number = request.config.getoption("--packings")
    limit_s = _START_S + _CASE_S * (len(PIECES) + number)
    with TemporaryDirectory(prefix="p", dir="/tmp") as folder:
        ended = subprocess.run(
            [sys.executable, Path(__file__).parent / "placed_by_ray.py", str(number)],
            env=os.environ | ray_environment(Path(folder)), cwd=ROOT,
            capture_output=True, text=True, timeout=limit_s, check=False,
        )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-2000:]
    nodes, *told = [json.loads(line) for line in ended.stdout.splitlines() if line[:1] in "[{"]
    assert len(told) == len(PIECES) + number
    return nodes, list(zip(cases(number), told, strict=True))


def test_a_running_cluster_is_read_as_its_node_types(on_ray):
    found = running_machines(on_ray[0])
    counts = Counter((one.cpus, one.gpus) for one in found.node_types.values())
    assert counts == Counter([(0.0, 0), *((one.cpus, one.gpus) for one in NODES.values())])


def test_every_replica_stands_or_waits_as_the_plan_says_after_those_before(on_ray):
    wrong = [
        (number, place, one["name"], fault)
        for number, (case, told) in enumerate(on_ray[1])
        for place, (one, fault) in enumerate(zip(case["wanted"], told["faults"], strict=True))
        if fault is not None or place in told["late"]
    ]
    assert wrong == []


def test_what_is_said_to_fit_fits_and_nothing_more(on_ray):
    num_fitting = 0
    for number, (case, told) in enumerate(on_ray[1]):
        counts = Counter(one["name"] for one in case["wanted"])
        demands = {one["name"]: demand_of(one) for one in case["wanted"]}
        machines = Machines(node_types={name: NODES[name] for name in case["nodes"]})
        packing = pack(counts, demands, machines)
        standing = Counter(
            one["name"] for one, at in zip(case["wanted"], told["placed"], strict=True) if at
        )
        num_fitting += all(packing.fits(name)[0] == counts[name] for name in counts)
        for name in counts:
            fewest, most = packing.fits(name)
            assert fewest <= standing[name] <= most, (number, name)
    if len(on_ray[1]) >= len(PIECES) + 8:  # both kinds of cases are there
        assert 0 < num_fitting < len(on_ray[1])
