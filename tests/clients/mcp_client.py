"""`mcp`: the corpus as tools and resources."""

import pytest
from conftest import ANSWER, QUESTION
from mcp import Client


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_corpus_by_mcp(url, handbook, mode):
    async with Client(f"{url}/mcp", mode=mode) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {"search", "ask"}
        found = await client.call_tool("search", {"query": QUESTION, "store": "handbook"})
        best = found.structured_content["results"][0]
        text = (await client.read_resource(best["uri"])).contents[0].text
        assert ANSWER.split()[0] in text
        uris = {one.uri for one in (await client.list_resources()).resources}
        assert {best["uri"], f"ragfleet://stores/{handbook}"} <= uris


@pytest.mark.quote
async def test_an_answer_by_mcp_is_cited(url):
    async with Client(f"{url}/mcp") as client:
        asked = await client.call_tool("ask", {"question": QUESTION, "store": "handbook"})
    answer = asked.structured_content
    assert ANSWER in answer["answer"]
    assert answer["citations"][0]["filename"] == "documents.md"
    assert answer["citations"][0]["url"].startswith(f"{url}/v1/files/")
