"""The search index in two shards, served: simulated models on a head and one node."""

import asyncio
import time

import httpx
import pytest
import yaml
from rich.console import Console

from cluster.chaos import processes
from cluster.chaos.arena import Arena, Size
from cluster.chaos.corpus_scenarios import retriever_kill
from cluster.chaos.fleet import SIMULATED, Fleet
from cluster.chaos.runner import Runner
from cluster.chaos.scenarios import Scenario
from cluster.chaos.searches import fill_store, name_of
from tests.sharded_config import sharded

pytestmark = pytest.mark.ray
ONE = {"autoscaling_config": {"min_replicas": 1, "max_replicas": 1}}
CHANGES = {
    **dict.fromkeys(("Embedder", "Reranker", "SafetyFilter", "Generator"), ONE),
    "Gateway": {**ONE, "user_config": {"timeouts": {"corpus_s": 8}}},
}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "sharded.yaml"
    path.write_text(yaml.safe_dump(sharded(yaml.safe_load(SIMULATED.read_text()), 2)))
    return path


@pytest.fixture(scope="module")
def fleet(config):
    """Two replicas of each shard."""
    with Fleet(num_spot=1, config=config, changes=CHANGES) as made:
        yield made


@pytest.fixture(scope="module")
def store_id(fleet):
    return asyncio.run(fill_store(fleet.url, 60, lambda *_: None))


def search(fleet, store_id, passage):
    body = {"query": name_of(passage), "ranking_options": {"ranker": "none"}}
    return httpx.post(f"{fleet.url}/v1/vector_stores/{store_id}/search", json=body, timeout=60)


def test_every_shard_must_be_ready(fleet):
    checks = httpx.get(f"{fleet.url}/readyz", timeout=10).json()["checks"]
    assert {"retriever0", "retriever1"} < set(checks)
    assert "retriever" not in checks
    assert all(len(fleet.system.replicas(f"Retriever{number}")) == 2 for number in (0, 1))


def test_passages_of_both_shards_are_found(fleet, store_id):
    for passage in range(0, 60, 7):
        first = search(fleet, store_id, passage).json()["data"][0]
        assert name_of(passage) in first["content"][0]["text"].split()


def test_no_search_fails_while_every_replica_of_every_shard_is_killed_in_turn(fleet):
    runner = Runner(fleet.system, fleet, Console())
    size = Size(num_requests=60, rate=2, max_tokens=1, num_passages=300)
    arena = Arena(system=fleet.system, seed=7, keeper=fleet)
    report = runner.run("retriever-kill", Scenario(run=retriever_kill, size=size), arena)
    assert report.passed, report.summary()
    victims = {fault.target.split()[0] for fault in report.faults}
    assert (len(report.faults), victims) == (4, {"Retriever0", "Retriever1"})


def test_a_shard_that_does_not_answer_fails_the_search_and_is_named(fleet, store_id):
    fleet.wait_until_settled()
    pids = [one.pid for one in fleet.system.live_replicas("Retriever1")]
    for pid in pids:
        processes.freeze(pid)
    try:
        refused = search(fleet, store_id, 3)
        ready = httpx.get(f"{fleet.url}/readyz", timeout=30)
    finally:
        for pid in pids:
            processes.thaw(pid)
    assert refused.status_code == 503
    assert "Retriever1" in refused.json()["error"]["message"]
    assert int(refused.headers["retry-after"]) >= 1
    assert (ready.status_code, ready.json()["checks"]["retriever1"]) == (503, False)
    assert ready.json()["checks"]["retriever0"]


def test_a_block_of_a_shard_that_there_is_none_of_is_refused_by_name(fleet, config):
    """The last test: shards are asked for, but the block still has its old name."""
    served = yaml.safe_load(SIMULATED.read_text())
    served["applications"][0]["args"] = {"retriever_shards": 2}
    config.write_text(yaml.safe_dump(served))
    fleet.deploy(CHANGES)
    deadline = time.monotonic() + 120
    while "Deployment 'Retriever' does not exist" not in (said := message_of(fleet)):
        assert time.monotonic() < deadline, said
        time.sleep(0.5)
    assert "'Retriever0', 'Retriever1'" in said


def message_of(fleet):
    """What `serve status` tells of the application."""
    return fleet.system._get("/api/serve/applications/")["applications"]["ragfleet"]["message"]
