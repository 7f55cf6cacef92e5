import asyncio
from dataclasses import replace

import pytest

from graphs.accounts.settings import ClassSettings

CHAT = {"model": "rag", "messages": [{"role": "user", "content": "Where do requests wait?"}]}


@pytest.fixture
def classes(api_app):
    def change(**values):
        services = api_app.state.services
        config = services.config.model_copy(update={"classes": ClassSettings(**values)})
        api_app.state.services = replace(services, config=config)

    yield change
    assert api_app.state.turnstile.num_running == 0


async def test_more_than_may_run_wait_and_more_than_may_wait_are_refused(
    api_http, api_pipeline, classes
):
    classes(at_once=1, max_waiting=1)
    api_pipeline.script.insert(1, 0.5)
    asked = [asyncio.create_task(api_http.post("/v1/chat/completions", json=CHAT))]
    await api_pipeline.opened.wait()
    asked += [
        asyncio.create_task(api_http.post("/v1/chat/completions", json=CHAT)) for _ in range(2)
    ]
    replies = await asyncio.gather(*asked)
    assert sorted(reply.status_code for reply in replies) == [200, 200, 503]
    refused = max(replies, key=lambda reply: reply.status_code)
    assert refused.json()["error"]["code"] == "overloaded"
    assert refused.headers["retry-after"] == "1"
    assert (await api_http.get("/v1/models")).status_code == 200


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
