"""What the corpus bears: short forms of `make durability`, on a head and one node."""

import json
from contextlib import contextmanager

import pytest
from rich.console import Console

from chaos.arena import Arena, Size
from chaos.fleet import Fleet
from chaos.runner import Runner
from chaos.scenarios.corpus_scenarios import corpus_kill, retriever_kill
from chaos.scenarios.scenarios import Scenario
from tests.index.postgres_server import HOW_TO_GET_IT, PostgresServer, find_programs


def replicas(number):
    return {"autoscaling_config": {"min_replicas": number, "max_replicas": number}}


# Of what is not attacked here, one replica is enough.
FEW = {name: replicas(1) for name in ("Embedder", "Reranker", "SafetyFilter", "Generator")}
CHANGES = {**FEW, "Ingester": replicas(2), "Retriever": replicas(2)}


@contextmanager
def database_of(kind):
    if kind == "sqlite":
        yield None  # the fleet's own
        return
    programs = find_programs()
    if programs is None:
        pytest.skip(HOW_TO_GET_IT)
    with PostgresServer(programs) as server:
        yield server.new_database()


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def fleet(request):
    with (
        database_of(request.param) as url,
        Fleet(num_spot=1, changes=CHANGES, database_url=url) as made,
    ):
        yield made


def attack(fleet, scenario, size):
    """Runs a scenario on a system that is whole, and gives a report in which all was seen."""
    fleet.wait_until_settled()
    runner = Runner(fleet.system, fleet, Console())
    arena = Arena(system=fleet.system, seed=7, keeper=fleet)
    report = runner.run(scenario.__name__, Scenario(run=scenario, size=size), arena)
    assert report.passed, json.dumps(report.summary(), indent=1)
    return report


@pytest.mark.chaos
def test_every_document_that_was_acknowledged_amid_kills_is_found_once(fleet):
    size = Size(num_requests=1, rate=4, max_tokens=1, num_faults=12)
    report = attack(fleet, corpus_kill, size)
    assert len({fault.proof for fault in report.faults}) == 12


@pytest.mark.chaos
def test_no_search_fails_while_every_retriever_is_killed_in_turn(fleet):
    size = Size(num_requests=120, rate=3, max_tokens=1, num_passages=2000)
    report = attack(fleet, retriever_kill, size)
    assert len(report.faults) == 2
