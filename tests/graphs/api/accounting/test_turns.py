import asyncio
import codecs
import json
from dataclasses import replace

import pytest

from graphs.accounts.settings import ClassSettings
from graphs.accounts.weight import LEAST, weight
from graphs.settings import AuthSettings

CHAT = {"model": "rag", "messages": [{"role": "user", "content": "Where do requests wait?"}]}


@pytest.fixture
def classes(api_app):
    def change(**values):
        services = api_app.state.services
        config = services.config.model_copy(update={"classes": ClassSettings(**values)})
        api_app.state.services = replace(services, config=config)

    yield change
    assert api_app.state.turnstile.num_running == 0


@pytest.fixture
def own_class(monkeypatch, caller):
    def change(service_class):
        own = replace(caller, service_class=service_class)
        monkeypatch.setattr("graphs.api.border.request_caller.DEFAULT_CALLER", own)

    return change


async def test_more_than_may_run_wait_and_more_than_may_wait_are_refused(
    api_http, api_pipeline, classes
):
    classes(at_once=1, max_waiting=1)
    refusal = asyncio.Event()
    api_pipeline.script.insert(1, refusal)
    asked = [asyncio.create_task(api_http.post("/v1/chat/completions", json=CHAT))]
    await api_pipeline.opened.wait()
    asked += [
        asyncio.create_task(api_http.post("/v1/chat/completions", json=CHAT)) for _ in range(2)
    ]
    done, _ = await asyncio.wait(asked, timeout=20, return_when=asyncio.FIRST_COMPLETED)
    assert [one.result().status_code for one in done] == [503]
    refusal.set()
    replies = await asyncio.gather(*asked)
    assert sorted(reply.status_code for reply in replies) == [200, 200, 503]
    refused = max(replies, key=lambda reply: reply.status_code)
    assert refused.json()["error"]["code"] == "overloaded"
    assert refused.headers["retry-after"] == "1"
    assert (await api_http.get("/v1/models")).status_code == 200


async def test_a_response_is_cancelled_without_a_turn(api_http, api_pipeline, classes):
    classes(at_once=1, max_waiting=1)
    api_pipeline.script.insert(1, 30.0)
    asked = asyncio.create_task(api_http.post("/v1/chat/completions", json=CHAT))
    await api_pipeline.opened.wait()
    async with asyncio.timeout(5):
        reply = await api_http.post("/v1/responses/resp_none/cancel")
    assert reply.status_code == 404
    asked.cancel()
    await asyncio.wait([asked])


async def test_who_is_not_let_in_takes_no_room_from_batches(api_app, api_http, limits):
    limits(requests_per_min=1)
    assert (await api_http.post("/v1/chat/completions", json=CHAT)).status_code == 200
    ended_at = api_app.state.traffic.ended_at
    assert (await api_http.post("/v1/chat/completions", json=CHAT)).status_code == 429
    services = api_app.state.services
    config = services.config.model_copy(update={"auth": AuthSettings(keys=True)})
    api_app.state.services = replace(services, config=config)
    assert (await api_http.post("/v1/chat/completions", json=CHAT)).status_code == 401
    assert api_app.state.traffic.ended_at == ended_at


async def test_who_waits_for_a_turn_is_one_who_waits(api_app, api_http, api_pipeline, classes):
    classes(at_once=1, max_waiting=1)
    api_pipeline.script.insert(1, 30.0)
    traffic = api_app.state.traffic
    asked = [
        asyncio.create_task(api_http.post("/v1/chat/completions", json=CHAT)) for _ in range(2)
    ]
    async with asyncio.timeout(5):
        while traffic.num_waiting < 2:
            await traffic.change()
    num_refused = traffic.num_refused
    assert (await api_http.post("/v1/chat/completions", json=CHAT)).status_code == 503
    assert traffic.num_refused == num_refused + 1
    for one in asked:
        one.cancel()
    await asyncio.wait(asked)


async def test_a_request_that_fails_or_whose_client_leaves_makes_room(
    api_http, api_pipeline, classes
):
    classes(at_once=1, max_waiting=1)
    for _ in range(3):
        assert (await api_http.post("/v1/chat/completions", json={})).status_code == 400
    api_pipeline.script.insert(1, 30.0)
    asked = asyncio.create_task(api_http.post("/v1/chat/completions", json=CHAT))
    await api_pipeline.opened.wait()
    asked.cancel()
    await asyncio.wait([asked])
    api_pipeline.script.remove(30.0)
    assert (await api_http.post("/v1/chat/completions", json=CHAT)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/v1/chat/completions", "/openai/deployments/rag/chat/completions"]
)
@pytest.mark.parametrize(
    ("own", "asked", "served"),
    [
        ("default", "flex", "flex"),
        ("default", "priority", "default"),
        ("default", "auto", "default"),
        ("priority", "auto", "priority"),
        ("priority", "default", "default"),
        ("priority", "fast", "priority"),
        ("flex", "scale", "flex"),
    ],
)
async def test_a_reply_tells_the_class_that_was_asked_for_within_that_of_the_key(
    api_http, own_class, path, own, asked, served
):
    own_class(own)
    for stream in (False, True):
        reply = await api_http.post(path, json=CHAT | {"service_tier": asked, "stream": stream})
        assert reply.status_code == 200, reply.text
        assert f'"service_tier":"{served}"' in reply.text
    assert "service_tier" not in (await api_http.post(path, json=CHAT)).text


async def test_a_response_tells_the_class_that_it_was_served_in(api_http, own_class):
    own_class("priority")
    body = {"model": "rag", "input": "Where do requests wait?"}
    for asked, served in [({}, "priority"), ({"service_tier": "flex"}, "flex")]:
        reply = await api_http.post("/v1/responses", json=body | asked)
        assert reply.json()["service_tier"] == served


async def test_a_request_waits_in_the_class_that_it_asks_for(
    api_app, api_http, api_pipeline, classes
):
    classes(at_once=1)
    all_wait = asyncio.Event()
    api_pipeline.script.insert(1, all_wait)
    queues, ended = api_app.state.turnstile._waiting.values(), []

    async def ask(name, **fields):
        await api_http.post("/v1/chat/completions", json=CHAT | fields)
        ended.append(name)

    asked = [asyncio.create_task(ask("first"))]
    await api_pipeline.opened.wait()
    for name, fields in [("flex", {"service_tier": "flex"}), ("default", {})] * 3:
        asked.append(asyncio.create_task(ask(name, **fields)))
        async with asyncio.timeout(20):
            while True:
                if sum(map(len, queues)) == len(asked) - 1:
                    break
                await asyncio.sleep(0.001)
    all_wait.set()
    await asyncio.gather(*asked)
    assert ended.index("default") == 1
    assert ended[-2:] == ["flex", "flex"]


@pytest.mark.parametrize(
    ("content", "code"),
    [(b'{"service_tier": ', 400), (b'["service_tier"]', 400), (b"x" * 2**21, 413)],
)
async def test_a_body_that_cannot_be_read_takes_no_turn(api_http, classes, content, code):
    classes(at_once=1, max_waiting=1)

    async def pieces():
        yield content

    headers = {"content-type": "application/json"}
    for _ in range(3):
        reply = await api_http.post("/v1/chat/completions", content=pieces(), headers=headers)
        assert (reply.status_code, set(reply.json())) == (code, {"error"})


async def test_a_body_with_a_byte_order_mark_asks_for_its_class_too(api_http):
    content = codecs.BOM_UTF8 + json.dumps(CHAT | {"service_tier": "flex"}).encode()
    headers = {"content-type": "application/json"}
    reply = await api_http.post("/v1/chat/completions", content=content, headers=headers)
    assert reply.json()["service_tier"] == "flex"


def chats(**fields):
    return "/v1/chat/completions", CHAT | fields


def responses(**fields):
    return "/v1/responses", {"model": "rag", "input": "Where do requests wait?"} | fields


@pytest.fixture
def weights(api_pipeline, monkeypatch):
    """What the calls of models weigh that answers ask for."""
    seen, answered = asyncio.Queue(), api_pipeline.answer

    async def answer(request):
        seen.put_nowait(weight())
        async for event in answered(request):
            yield event

    monkeypatch.setattr(api_pipeline, "answer", answer)
    return seen


@pytest.mark.parametrize(
    ("asked", "service_class", "told"),
    [
        (chats(), "priority", 8.0),
        (chats(stream=True), "default", 4.0),
        (chats(service_tier="default"), "priority", 4.0),
        (chats(), "flex", LEAST),
        (responses(), "priority", 8.0),
        (responses(stream=True), "priority", 8.0),
        (responses(background=True), "priority", LEAST),  # nobody waits for it
    ],
)
async def test_the_models_are_told_how_much_the_class_weighs(
    api_http, own_class, weights, asked, service_class, told
):
    own_class(service_class)
    path, body = asked
    reply = await api_http.post(path, json=body)
    assert reply.status_code == 200, reply.text
    async with asyncio.timeout(20):
        assert await weights.get() == told
    assert weight() == LEAST
