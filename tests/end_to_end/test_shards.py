"""The search index in two shards, served: simulated models on a head and one node."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import yaml

from chaos import processes
from chaos.fleet import SIMULATED, Fleet
from chaos.searches import fill_store, name_of
from tests.sharded_config import sharded

pytestmark = [pytest.mark.ray, pytest.mark.systems]
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


def test_no_search_fails_while_a_replica_of_each_shard_is_killed(fleet, store_id):
    replies, ended = [], threading.Event()

    def search_on(first):
        passage = first
        while not ended.is_set():
            replies.append((passage, search(fleet, store_id, passage)))
            passage = (passage + 7) % 60

    with ThreadPoolExecutor(3) as pool:
        searches = [pool.submit(search_on, first) for first in range(3)]
        try:
            for name in ("Retriever0", "Retriever1"):
                victim = fleet.system.live_replicas(name)[0]
                before = len(replies)
                processes.kill([victim.pid])  # proves that it is gone
                while len(replies) < before + 20 and not any(one.done() for one in searches):
                    time.sleep(0.1)
        finally:
            ended.set()
    assert all(one.result() is None for one in searches)
    assert len(replies) >= 40
    assert {reply.status_code for _, reply in replies} == {200}
    assert all(name_of(passage) in reply.text for passage, reply in replies)


def test_a_shard_that_does_not_answer_fails_the_search_and_is_named(fleet, store_id):
    deadline = time.monotonic() + 120
    while len(pids := [one.pid for one in fleet.system.live_replicas("Retriever1")]) < 2:
        assert time.monotonic() < deadline, "the one that was killed did not come back"
        time.sleep(0.5)
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
