"""`prompt_cache_key`: from the body of a request to the replica of the generator."""

import asyncio
import json
import logging
from dataclasses import replace
from types import SimpleNamespace

import pytest

from deployments.prefix_router import by_rank
from graphs.caller import Caller
from tests.graphs.fake_stages import FakeStages, events_of

KEY = "agent-7:2f6c"
REPLICAS = [SimpleNamespace(replica_id=SimpleNamespace(unique_id=f"r{n}")) for n in range(8)]
QUESTIONS = [f"Where do requests of the kind {number} wait?" for number in range(5)]
PATHS = {
    "/v1/chat/completions": lambda text: {"messages": [{"role": "user", "content": text}]},
    "/openai/deployments/rag/chat/completions?api-version=2024-10-21": lambda text: {
        "messages": [{"role": "user", "content": text}]
    },
    "/v1/responses": lambda text: {"input": text},
}


async def asked(api_http, api_pipeline, path, text, **fields):
    """Gives what the pipeline is asked."""
    body = {"model": "rag"} | PATHS[path](text) | fields
    reply = await api_http.post(path, json=body)
    assert reply.status_code == 200, reply.text
    return api_pipeline.requests[-1]


async def chat_of(request):
    """Gives how the generator knows the chat of a request."""
    stages = FakeStages()
    await events_of(stages, request)
    return stages.prompts[-1].chat


def replica_of(chat):
    return by_rank(REPLICAS, chat)[0].replica_id.unique_id


@pytest.mark.parametrize("path", PATHS)
async def test_requests_that_begin_otherwise_meet_one_replica_by_their_key(
    api_http, api_pipeline, path
):
    async def replicas(**fields):
        requests = [await asked(api_http, api_pipeline, path, one, **fields) for one in QUESTIONS]
        return {replica_of(await chat_of(one)) for one in requests}

    assert len(await replicas(prompt_cache_key=KEY)) == 1
    for nothing in ({}, {"prompt_cache_key": None}, {"prompt_cache_key": ""}):
        assert len(await replicas(**nothing)) > 1


@pytest.mark.parametrize("path", PATHS)
async def test_the_same_key_of_two_tenants_is_two(api_http, api_pipeline, path):
    request = await asked(api_http, api_pipeline, path, QUESTIONS[0], prompt_cache_key=KEY)
    callers = [Caller(tenant=tenant, key_id=key) for tenant in "ab" for key in "kl"]
    chats = [await chat_of(replace(request, caller=caller)) for caller in callers]
    assert (len(set(chats[:2])), len(set(chats[2:])), len(set(chats))) == (1, 1, 2)


@pytest.mark.parametrize("options", [{"stream": True}, {"n": 3}, {"prompt_cache_retention": "24h"}])
async def test_a_chat_has_it_however_it_is_answered(api_http, api_pipeline, options):
    path = "/v1/chat/completions"
    request = await asked(
        api_http, api_pipeline, path, QUESTIONS[0], prompt_cache_key=KEY, **options
    )
    assert request.cache_key == KEY


@pytest.mark.parametrize("options", [{"background": True}, {"stream": True}, {"store": False}])
async def test_a_response_has_it_whoever_works_on_it(api_app, api_http, api_pipeline, options):
    async with api_app.router.lifespan_context(api_app):
        body = {"model": "rag", "input": QUESTIONS[0], "prompt_cache_key": KEY} | options
        assert (await api_http.post("/v1/responses", json=body)).status_code == 200
        async with asyncio.timeout(30):
            await api_pipeline.opened.wait()
    assert api_pipeline.requests[-1].cache_key == KEY


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("wrong", [5, ["k"], {"k": 1}, True, "k" * 1025])
async def test_what_is_no_key_is_refused_by_name(api_http, api_pipeline, path, wrong):
    body = {"model": "rag"} | PATHS[path](QUESTIONS[0]) | {"prompt_cache_key": wrong}
    reply = await api_http.post(path, json=body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "prompt_cache_key")
    assert api_pipeline.requests == []


async def test_a_key_longer_than_openai_takes_is_one(api_http, api_pipeline):
    request = await asked(
        api_http, api_pipeline, "/v1/responses", QUESTIONS[0], prompt_cache_key="k" * 1024
    )
    assert request.cache_key == "k" * 1024


async def test_no_log_line_and_no_reply_of_a_chat_has_it(api_http, api_pipeline, caplog):
    caplog.set_level(logging.DEBUG)
    path = "/v1/chat/completions"
    body = {"model": "rag"} | PATHS[path](QUESTIONS[0]) | {"prompt_cache_key": KEY}
    reply = await api_http.post(path, json=body)
    await chat_of(api_pipeline.requests[-1])
    assert "request" in caplog.text
    assert KEY not in caplog.text + json.dumps(reply.json())
