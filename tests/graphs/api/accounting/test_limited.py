import asyncio
import time

import openai
import pytest

CHAT = {"model": "rag", "messages": [{"role": "user", "content": "Where do requests wait?"}]}


async def test_what_is_over_the_limit_is_told_when_to_come_again(
    api_http, api_catalog, limits, monkeypatch
):
    now = time.time()
    monkeypatch.setattr(api_catalog, "_clock", lambda: now)  # a second more would be told
    limits(requests_per_min=2)
    for left in ("1", "0"):
        reply = await api_http.post("/v1/chat/completions", json=CHAT)
        assert reply.status_code == 200
        assert reply.headers["x-ratelimit-limit-requests"] == "2"
        assert reply.headers["x-ratelimit-remaining-requests"] == left
        assert reply.headers["x-ratelimit-reset-requests"] == "1m1s"
    refused = await api_http.post("/v1/chat/completions", json=CHAT)
    assert refused.status_code == 429
    assert refused.json()["error"] == {
        "message": "The limit of 2 requests a minute of this key is reached. Try again in 1m1s.",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert 59 <= int(refused.headers["retry-after"]) <= 61
    assert 58_000 < int(refused.headers["retry-after-ms"]) <= 61_000
    assert refused.headers["x-ratelimit-remaining-requests"] == "0"
    assert (await api_http.get("/v1/models")).status_code == 200  # reads are not counted


async def test_other_dialects_are_told_in_their_words(api_http, limits):
    limits(requests_per_min=1)
    body = {"model": "rag", "messages": CHAT["messages"]}
    assert (await api_http.post("/v2/chat", json=body)).status_code == 200
    refused = await api_http.post("/v2/chat", json=body)
    assert refused.status_code == 429
    assert refused.json()["message"].startswith("The limit of 1 requests")


async def test_the_openai_client_raises_its_error(api_openai, limits):
    limits(requests_per_min=1)
    await api_openai.chat.completions.create(**CHAT)
    with pytest.raises(openai.RateLimitError, match="requests a minute"):
        await api_openai.chat.completions.create(**CHAT)


async def test_tokens_of_embeddings_count(api_http, limits):
    limits(tokens_per_min=300)
    body = {"model": "bundled:embedder", "input": ["word " * 90] * 4}
    reply = await api_http.post("/v1/embeddings", json=body)
    assert reply.json()["usage"]["total_tokens"] == 360
    assert reply.headers["x-ratelimit-limit-tokens"] == "300"
    refused = await api_http.post("/v1/embeddings", json=body)
    assert refused.status_code == 429
    assert "300 tokens a minute of this key" in refused.json()["error"]["message"]


async def test_a_month_that_is_used_up_is_not_worth_a_retry(api_http, limits):
    limits(of="tenant", tokens_per_month=10)
    body = {"model": "bundled:embedder", "input": "word " * 90}
    assert (await api_http.post("/v1/embeddings", json=body)).status_code == 200
    refused = await api_http.post("/v1/embeddings", json=body)
    assert refused.status_code == 429
    assert refused.headers["x-should-retry"] == "false"
    assert "10 tokens a calendar month of this tenant" in refused.json()["error"]["message"]


async def test_streams_at_once_are_bounded_and_a_client_that_leaves_makes_room(
    api_http, api_pipeline, limits
):
    limits(max_concurrent=1)
    api_pipeline.script.insert(1, 30.0)
    first = asyncio.create_task(api_http.post("/v1/chat/completions", json=CHAT))
    await api_pipeline.opened.wait()
    refused = await api_http.post("/v1/chat/completions", json=CHAT)
    assert refused.status_code == 429
    assert "1 requests at once" in refused.json()["error"]["message"]
    assert refused.headers["retry-after"] == "1"
    first.cancel()
    await asyncio.wait([first])
    api_pipeline.script.remove(30.0)
    assert (await api_http.post("/v1/chat/completions", json=CHAT)).status_code == 200


async def test_a_stream_that_is_read_counts_among_those_at_once_and_as_no_request(
    api_http, api_app, limits
):
    limits(max_concurrent=1, requests_per_min=2)
    body = {"model": "rag", "input": "Where?", "background": True}  # which nobody works on here
    path = f"/v1/responses/{(await api_http.post('/v1/responses', json=body)).json()['id']}"
    first = asyncio.create_task(api_http.get(path, params={"stream": True}))
    async with asyncio.timeout(30):
        while not api_app.state.accounts.holds._open["key:acme/k1"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    refused = await api_http.get(path, params={"stream": True})
    assert refused.status_code == 429
    assert "1 requests at once" in refused.json()["error"]["message"]
    assert refused.headers["retry-after"] == "1"
    assert (await api_http.get(path)).status_code == 200
    first.cancel()
    await asyncio.wait([first])
    assert (await api_http.post(f"{path}/cancel")).status_code == 200
    for _ in range(2):
        assert (await api_http.get(path, params={"stream": True})).status_code == 200


async def test_a_request_that_fails_gives_its_tokens_back(api_http, limits):
    limits(tokens_per_min=400)
    for _ in range(5):
        assert (await api_http.post("/v1/chat/completions", json={})).status_code == 400


async def test_without_limits_no_header_speaks_of_them(api_http):
    reply = await api_http.post("/v1/chat/completions", json=CHAT)
    assert not [name for name in reply.headers if name.startswith("x-ratelimit")]
