"""Work that waits or takes long does what its key allows by then: batches, background responses."""

import asyncio
import time

import pytest
from sqlalchemy import update

from graphs.access.callers import FreshAsker, asker
from graphs.api.batches.turns import Turns
from graphs.caller import Caller
from graphs.config import GatewayConfig
from graphs.errors import StageUnavailableError
from graphs.settings import AuthSettings, BatchSettings, ResponseSettings
from index.catalog.keys import tables
from index.catalog.keys.records import KeyGrant
from tests.graphs.api.batches.conftest import line
from tests.graphs.fake_services import FakeCorpora

ASK = {"model": "local/generator", "messages": [{"role": "user", "content": "Where?"}]}


@pytest.fixture
def api_config(api_config):
    settings = {
        "auth": AuthSettings(keys=True, fresh_s=0.01),
        "batches": BatchSettings(lease_s=3, poll_s=0.05, quiet_s=0.01, max_running=1),
        "responses": ResponseSettings(lease_s=3, poll_s=0.05),
    }
    return GatewayConfig(**{**vars(api_config), **settings})


@pytest.fixture
def key(api_catalog):
    return api_catalog.create_key(KeyGrant(tenant="acme", scopes=frozenset({"query", "ingest"})))


@pytest.fixture
def call(api_http, api_catalog):
    """Sends with a key; after that is revoked, one that sees all of the tenant looks."""
    admin = api_catalog.create_key(
        KeyGrant(tenant="acme", scopes=frozenset({"query", "ingest", "admin"}))
    )

    async def call(method, path, token=admin.token, **options):
        headers = {"authorization": f"Bearer {token}"}
        return await api_http.request(method, path, headers=headers, **options)

    return call


async def ended(call, path):
    async with asyncio.timeout(20):
        while True:
            told = (await call("GET", path)).json()
            if told["status"] in {"completed", "failed", "expired", "cancelled"}:
                return told
            await asyncio.sleep(0.02)


async def test_a_key_that_is_over_gives_queued_work_no_rights(api_catalog):
    soon = int(time.time()) + 60
    scopes = frozenset({"query"})
    keys = [
        api_catalog.create_key(KeyGrant(scopes=scopes, expires_at=soon)).record.id for _ in range(3)
    ]
    api_catalog.revoke_key(None, keys[1])
    expire(api_catalog, keys[2])
    corpus = FakeCorpora(api_catalog).of(Caller())
    found = [await asker(corpus, "default", one) for one in (*keys, "0" * 16)]
    assert [one.may("query") for one in found] == [True, False, False, False]


def expire(catalog, key_id):
    """Lets the time of a key be over."""
    with catalog._engine.begin() as connection:
        keys = tables.api_keys
        connection.execute(update(keys).where(keys.c.id == key_id).values(expires_at=1))


async def test_long_work_asks_for_its_key_again_when_that_is_old_and_not_more_often(
    api_catalog, key
):
    now, asked, corpus = 0.0, [], FakeCorpora(api_catalog).of(Caller())

    class Keys:
        async def get_key(self, tenant, key_id):
            asked.append((tenant, key_id))
            await asyncio.sleep(0.01)
            if now == 6.0:
                raise StageUnavailableError("away")
            return await corpus.get_key(tenant, key_id)

    fresh = FreshAsker(Keys(), ("acme", key.record.id), lambda: 3.0, lambda: now)
    both = await asyncio.gather(fresh(), fresh())
    assert [one.may("query") for one in both] == [True, True]
    api_catalog.revoke_key(None, key.record.id)
    now = 2.9
    assert (await fresh()).may("query")
    now = 3.0
    assert not (await fresh()).may("query")
    assert asked == [("acme", key.record.id)] * 2
    now = 6.0
    with pytest.raises(StageUnavailableError):
        await fresh()


@pytest.fixture
def held(api_pipeline):
    """Every answer waits for the event."""
    go_on = asyncio.Event()
    answer = api_pipeline.answer

    async def holding(request):
        async for event in answer(request):
            await go_on.wait()
            yield event

    api_pipeline.answer = holding
    return go_on


async def test_the_lines_of_a_batch_end_with_its_key(call, api_catalog, api_pipeline, held, key):
    text = "\n".join(line(f"{number}", ASK) for number in range(4))
    files = {"file": ("in.jsonl", text.encode())}
    sent = await call("POST", "/v1/files", key.token, data={"purpose": "batch"}, files=files)
    body = {
        "input_file_id": sent.json()["id"], "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }  # fmt: skip
    batch = (await call("POST", "/v1/batches", key.token, json=body)).json()
    async with asyncio.timeout(20):
        await api_pipeline.opened.wait()
    api_catalog.revoke_key(None, key.record.id)
    await asyncio.sleep(0.02)
    held.set()
    done = await ended(call, f"/v1/batches/{batch['id']}")
    assert done["request_counts"] == {"total": 4, "completed": 1, "failed": 3}
    assert len(api_pipeline.requests) == 1
    errors = (await call("GET", f"/v1/files/{done['error_file_id']}/content")).text
    assert errors.count("insufficient_scope") == 3


async def test_a_line_waits_while_nobody_can_say_what_its_key_allows(call, monkeypatch, key):
    known, calls = FreshAsker.__call__, []

    async def away_at_first(self):
        calls.append(self)
        if 1 < len(calls) < 4:
            raise StageUnavailableError("away")
        return await known(self)

    monkeypatch.setattr(FreshAsker, "__call__", away_at_first)
    monkeypatch.setattr(Turns, "pause", lambda _self: None)
    files = {"file": ("in.jsonl", line("a", ASK).encode())}
    sent = await call("POST", "/v1/files", key.token, data={"purpose": "batch"}, files=files)
    body = {
        "input_file_id": sent.json()["id"], "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }  # fmt: skip
    batch = (await call("POST", "/v1/batches", key.token, json=body)).json()
    done = await ended(call, f"/v1/batches/{batch['id']}")
    assert (done["request_counts"]["completed"], len(calls)) == (1, 4)


async def test_a_queued_response_of_a_revoked_key_is_not_answered(
    call, api_app, api_services, api_catalog, api_pipeline, key
):
    await api_app.state.runs.stop()  # nobody works on it meanwhile
    body = {"model": "local/generator", "input": "Where?", "background": True}
    queued = (await call("POST", "/v1/responses", key.token, json=body)).json()
    assert queued["status"] == "queued"
    api_catalog.revoke_key(None, key.record.id)
    api_app.state.runs = type(api_app.state.runs)(lambda: api_services)
    api_app.state.runs.start()
    done = await ended(call, f"/v1/responses/{queued['id']}")
    assert (done["status"], done["output"], api_pipeline.requests) == ("failed", [], [])
    assert done["error"]["message"] == "The API key does not allow this request any more."
