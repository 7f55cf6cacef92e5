"""Nothing of another tenant, of one that has ended, or that a list hides leaves a served system.

World and requests are those of tests/graphs/api/test_isolation.py; here they go over HTTP to two
Gateways and two Retrievers. `--served-requests 10000` sends more than CI does.
"""

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace

import httpx
import pytest
import yaml

from chaos.fleet import SIMULATED, Fleet
from index.catalog.catalog import Catalog
from index.catalog.keys.records import KeyGrant
from tests.end_to_end.isolation.belongings import Ask, leave, send
from tests.graphs.isolation.requests import LeakError, check_tried, run
from tests.graphs.isolation.world import World, add_tokens, dice_of, jwt_settings, make_world
from tests.graphs.token_issuer import TokenIssuer
from tests.ray_environment import ROOT

pytestmark = [pytest.mark.ray, pytest.mark.systems]

NUM_CLIENTS = 4
SO_OFTEN = 4  # so that every Gateway is asked
FRESH_S = 5  # at least `auth.fresh_s`
TWO = {"autoscaling_config": {"min_replicas": 2, "max_replicas": 2}, "max_replicas_per_node": 2}
ONE = {"autoscaling_config": {"min_replicas": 1, "max_replicas": 1}}
SLOW = 60  # seconds: nothing is refused for the machine's sake


@dataclass(frozen=True)
class Served:
    fleet: Fleet
    catalog: Catalog
    world: World


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


@contextmanager
def serving(builder, folder):
    """Serves the application that a builder of telling_app.py makes, with the world in it."""
    config = yaml.safe_load(SIMULATED.read_text())
    config["applications"][0]["import_path"] = f"tests.end_to_end.isolation.telling_app:{builder}"
    path = folder / "telling.yaml"
    path.write_text(yaml.safe_dump(config))
    with (
        TokenIssuer() as issuer,
        Fleet(num_spot=0, config=path, changes=changes(issuer)) as fleet,
    ):
        catalog = Catalog(fleet.database_url)
        world = make_world(catalog, lambda: wait_until_indexed(catalog), dice_of(7))
        add_tokens(world, issuer)
        yield Served(fleet, catalog, world)
        catalog.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serving("build", tmp_path_factory.mktemp("telling")) as made:
        yield made


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


@pytest.mark.timeout(3600)
async def test_no_foreign_id_or_text_leaves_a_served_system(served, request):
    number = request.config.getoption("--served-requests")
    told = await ask(served.fleet.url, served.world, number)
    check_tried(*told, served.world)


async def delete_by_command(http, fleet, asker):
    command = [sys.executable, "-m", "graphs.tenants", "delete", asker.tenant, "--yes"]
    env = {**os.environ, "RAGFLEET_DATABASE_URL": fleet.database_url}
    options = {"check": True, "cwd": ROOT, "env": env, "timeout": 120, "capture_output": True}
    await asyncio.to_thread(subprocess.run, command, **options)


async def delete_over_http(http, fleet, asker):
    one = Ask("DELETE", f"/admin/v1/tenants/{asker.tenant}")
    assert (await send(http, one, asker.token)).json()["deleted"] is True
    await asyncio.sleep(FRESH_S)  # for so long a Gateway knows the key that asked


@pytest.mark.parametrize(
    ("tenant", "delete"), [("acme", delete_by_command), ("cedar", delete_over_http)]
)
async def test_of_a_deleted_tenant_nothing_is_found(served, tenant, delete):
    """Nor by people of a tenant of the same name, to whom both Gateways answer."""
    world = served.world
    own = [one for one in world.askers if one.tenant == tenant]
    asker = next(one for one in own if one.is_admin)
    person = next(one for one in own if "." in one.token)
    async with httpx.AsyncClient(base_url=served.fleet.url, timeout=120) as http:
        left = await leave(http, world, asker)
        await check_told(http, left, asker.token)
        await delete(http, served.fleet, asker)
        for one in left.asks:
            assert (await send(http, one, asker.token)).status_code == 401, one
        grant = KeyGrant(
            tenant=tenant, groups=frozenset({"*"}), scopes=frozenset({"query", "ingest", "admin"})
        )
        for token in (served.catalog.create_key(grant).token, person.token):
            await check_nothing_is_told(http, left, token)
        others = [one for one in world.askers if one.tenant == "birch"]
        told = await run(http, replace(world, askers=others), 40)
    assert told[0][200] > 15
    assert told[1]


async def check_told(http, left, token):
    """Each request tells of something, at every Gateway."""
    for one in left.asks:
        for _ in range(SO_OFTEN):
            reply = await send(http, one, token)
            assert reply.status_code == 200, (one, reply.text)
            assert any(mark in reply.text for mark in left.marks), (one, reply.text)


async def check_nothing_is_told(http, left, token):
    for one in left.asks:
        for _ in range(SO_OFTEN):
            reply = await send(http, one, token)
            assert reply.status_code < 500, (one, reply.text)
            assert not one.leaks(reply.text, left.marks), (one, reply.text)


async def test_without_the_filter_of_the_retrievers_something_leaves(tmp_path):
    with serving("build_opened", tmp_path) as opened, pytest.raises(ExceptionGroup) as leaks:
        await ask(opened.fleet.url, opened.world, 400)
    assert leaks.group_contains(LeakError)
