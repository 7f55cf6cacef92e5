"""Nothing of another tenant, and nothing that a list hides, leaves a served system by any path.

World and requests are those of tests/graphs/api/test_isolation.py; here they go over HTTP to two
Gateways and two Retrievers. `--served-requests 10000` sends more than CI does.
"""

import asyncio
import time
from collections import Counter
from contextlib import contextmanager

import httpx
import pytest
import yaml

from chaos.fleet import SIMULATED, Fleet
from index.catalog.catalog import Catalog
from tests.graphs.isolation import add_tokens, dice_of, jwt_settings, make_world
from tests.graphs.isolation_requests import LeakError, check_tried, run
from tests.graphs.token_issuer import TokenIssuer

pytestmark = [pytest.mark.ray, pytest.mark.systems]

NUM_CLIENTS = 4
TWO = {"autoscaling_config": {"min_replicas": 2, "max_replicas": 2}, "max_replicas_per_node": 2}
ONE = {"autoscaling_config": {"min_replicas": 1, "max_replicas": 1}}
SLOW = 60  # seconds: nothing is refused for the machine's sake


def changes(issuer):
    return {
        **dict.fromkeys(("Embedder", "Reranker", "SafetyFilter", "Generator"), ONE),
        "Retriever": TWO,
        "Gateway": {
            **TWO,
            "user_config": {
                "auth": {"keys": True, "jwt": jwt_settings(issuer)},
                "limits": {"failures_per_min": None},
                # Batches do not wait for a moment without requests, of which there is none.
                "batches": {"yields_to": 1000, "quiet_s": 0, "poll_s": 0.5},
                "retrieval": {"num_candidates": 50, "rerank_threshold": 0},
                "safety": {"segment_chars": 2000, "window_chars": 4000},
                "timeouts": {"slot_s": SLOW, "first_token_s": SLOW, "next_token_s": SLOW},
            },
        },
    }


@pytest.fixture
def serve(tmp_path):
    """Serves the application that a builder of telling_app.py makes, and fills it."""

    @contextmanager
    def start(builder):
        config = yaml.safe_load(SIMULATED.read_text())
        config["applications"][0]["import_path"] = f"tests.end_to_end.telling_app:{builder}"
        path = tmp_path / "telling.yaml"
        path.write_text(yaml.safe_dump(config))
        with (
            TokenIssuer() as issuer,
            Fleet(num_spot=0, config=path, changes=changes(issuer)) as fleet,
        ):
            catalog = Catalog(fleet.database_url)
            world = make_world(catalog, lambda: wait_until_indexed(catalog), dice_of(7))
            add_tokens(world, issuer)
            yield fleet, world
            catalog.close()

    return start


def wait_until_indexed(catalog, timeout_s=120):
    deadline = time.monotonic() + timeout_s
    while (backlog := catalog.backlog()).num_jobs:
        assert time.monotonic() < deadline, backlog
        time.sleep(0.2)
    assert backlog.num_files["failed"] == 0
    assert backlog.num_files["completed"] > 0


async def ask(url, world, number):
    """So many requests by several clients at once, each with dice of its own."""
    async with httpx.AsyncClient(base_url=url, timeout=120) as http, asyncio.TaskGroup() as clients:
        tasks = [
            clients.create_task(run(http, world, number // NUM_CLIENTS, seed=seed))
            for seed in range(NUM_CLIENTS)
        ]
    statuses, marks = zip(*(task.result() for task in tasks), strict=True)
    return sum(statuses, Counter()), set().union(*marks)


async def test_no_foreign_id_or_text_leaves_a_served_system(serve, request):
    number = request.config.getoption("--served-requests")
    with serve("build") as (fleet, world):
        told = await ask(fleet.url, world, number)
    check_tried(*told, world)


async def test_without_the_filter_of_the_retrievers_something_leaves(serve):
    with serve("build_opened") as (fleet, world), pytest.raises(ExceptionGroup) as leaks:
        await ask(fleet.url, world, 400)
    assert leaks.group_contains(LeakError)
