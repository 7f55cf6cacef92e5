"""`mcp`: the corpus as tools and resources."""

import pytest
from conftest import ANSWER, QUESTION
from httpx2 import AsyncClient
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


@pytest.fixture
async def server(url, key):
    async with AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=120) as http:
        yield streamable_http_client(f"{url}/mcp", http_client=http)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_corpus_by_mcp(server, handbook, mode):
    async with Client(server, mode=mode) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {"search", "ask"}
        found = await client.call_tool("search", {"query": QUESTION, "store": "handbook"})
        best = found.structured_content["results"][0]
        text = (await client.read_resource(best["uri"])).contents[0].text
        assert ANSWER.split()[0] in text
        uris = {one.uri for one in (await client.list_resources()).resources}
        assert {best["uri"], f"ragfleet://stores/{handbook}"} <= uris


@pytest.mark.quote
async def test_an_answer_by_mcp_is_cited(url, server):
    async with Client(server) as client:
        asked = await client.call_tool("ask", {"question": QUESTION, "store": "handbook"})
    answer = asked.structured_content
    assert ANSWER in answer["answer"]
    assert answer["citations"][0]["filename"] == "documents.md"
    assert answer["citations"][0]["url"].startswith(f"{url}/v1/files/")
