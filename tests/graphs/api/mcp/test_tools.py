"""The tools of `/mcp`, called by the official client over real HTTP."""

import asyncio

import pytest
from mcp import Client
from mcp.shared.exceptions import MCPError

from graphs.errors import OverloadedError
from graphs.pipeline.events import Finished, Retrieved, TextDelta, Usage
from index.errors import UnknownStoreError


async def test_tools_are_listed_with_schemas_and_only_read(client):
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"search", "ask"}
    assert tools["search"].input_schema["required"] == ["query"]
    assert tools["ask"].input_schema["required"] == ["question"]
    assert all(tool.annotations.read_only_hint for tool in tools.values())


async def test_a_search_gives_passages_and_where_their_files_are(client, store):
    called = await client.call_tool("search", {"query": "bounded queue", "store": "handbook"})
    assert not called.is_error
    best = called.structured_content["results"][0]
    assert best["filename"] == "queues.md"
    assert "Requests wait in a bounded queue." in called.content[0].text
    read = await client.read_resource(best["uri"])
    assert "Requests wait in a bounded queue." in read.contents[0].text


async def test_a_search_keeps_to_its_options(client, store):
    only_b = {"type": "eq", "key": "lang", "value": "b"}
    for sent, names in (
        ({"top_k": 1}, ["queues.md"]),
        ({"filters": only_b}, ["b.txt"]),
        ({"store": store.id, "filters": only_b}, ["b.txt"]),
    ):
        called = await client.call_tool("search", {"query": "bounded queue", **sent})
        found = called.structured_content["results"]
        assert [one["filename"] for one in found] == names


async def test_an_answer_comes_with_the_passages_that_it_stands_on(client, api_pipeline, mcp_url):
    question = {"question": "Where do requests wait?", "store": "handbook"}
    called = await client.call_tool("ask", question)
    answer = called.structured_content
    assert answer["answer"] == "Requests wait in a bounded queue. [1]"
    (cited,) = answer["citations"]
    base = mcp_url.removesuffix("/mcp")
    assert (cited["marker"], cited["title"]) == ("[1]", "Queues > Bounds")
    assert cited["url"] == f"{base}/v1/files/file-1/content#chunk=7"
    assert called.content[0].text.endswith(f"[1] Queues > Bounds - {cited['url']}")
    asked = api_pipeline.requests[-1]
    assert (asked.messages[0].content, asked.stores) == (question["question"], ("handbook",))


@pytest.mark.parametrize("default", [None, "manuals"])
async def test_without_a_store_the_one_of_the_settings_is_meant(
    mcp_url, api_app, api_services, api_pipeline, default
):
    services = api_services
    http = services.config.http.model_copy(update={"default_store": default})
    config = services.config.model_copy(update={"http": http})
    object.__setattr__(services, "config", config)
    async with Client(mcp_url) as client:
        await client.call_tool("ask", {"question": "Which port?"})
    assert api_pipeline.requests[-1].stores == (None if default is None else (default,))


@pytest.mark.parametrize(
    ("name", "sent", "told"),
    [
        ("search", {}, "query"),
        ("search", {"query": " "}, "must not be blank"),
        ("search", {"query": "x", "top_k": 51}, "less than or equal to 50"),
        ("search", {"query": "x", "top_k": "5"}, "top_k"),
        ("search", {"query": "x", "limit": 3}, "limit"),
        ("search", {"query": "x", "filters": {"type": "like"}}, "filters"),
        ("search", {"query": "x", "store": "gone"}, "'gone'"),
        ("ask", {"question": 5}, "question"),
    ],
)
async def test_a_bad_argument_is_told_to_the_model(client, name, sent, told):
    called = await client.call_tool(name, sent)
    assert called.is_error
    assert told in called.content[0].text


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OverloadedError("all slots are taken"), "all slots are taken"),
        (UnknownStoreError("no vector store has the id or name 'x'"), "'x'"),
        (RuntimeError("/secret/path"), "The server failed to answer."),
    ],
)
async def test_a_failure_is_told_as_everywhere_else(client, api_pipeline, error, told):
    api_pipeline.script = [error]
    called = await client.call_tool("ask", {"question": "Which port?"})
    assert called.is_error
    assert told in called.content[0].text
    assert "secret" not in called.content[0].text


async def test_a_refusal_of_the_safety_filter_is_no_answer(client, api_pipeline):
    usage = Usage(num_prompt_tokens=0, num_completion_tokens=0)
    api_pipeline.script = [
        Retrieved(passages=(), search_query=None, timings=()),
        Finished(finish_reason="content_filter", usage=usage, refusal="This was refused."),
    ]
    called = await client.call_tool("ask", {"question": "How do I hurt somebody?"})
    assert (called.is_error, called.content[0].text) == (True, "This was refused.")


async def test_an_unknown_tool_is_an_error_that_names_the_tools(client):
    with pytest.raises(MCPError, match="'search' and 'ask', got 'delete'"):
        await client.call_tool("delete", {})


async def test_an_answer_ends_when_its_client_leaves(mcp_url, api_pipeline):
    api_pipeline.script = [
        Retrieved(passages=(), search_query=None, timings=()), TextDelta(text="a"), 60,
    ]  # fmt: skip
    for mode in ("auto", "legacy"):
        api_pipeline.opened.clear()
        api_pipeline.closed.clear()
        async with Client(mcp_url, mode=mode) as client:
            asking = asyncio.create_task(client.call_tool("ask", {"question": "Which port?"}))
            await asyncio.wait_for(api_pipeline.opened.wait(), 10)
            asking.cancel()
        await asyncio.wait_for(api_pipeline.closed.wait(), 10)
        assert api_pipeline.num_open == 0


async def test_many_ask_at_once(client, store):
    calls = [client.call_tool("search", {"query": "bounded queue"}) for _ in range(20)]
    assert not any(called.is_error for called in await asyncio.gather(*calls))
