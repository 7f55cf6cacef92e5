"""The `mcp` client over real HTTP."""

import asyncio

import pytest
from mcp import Client

from tests.graphs.serving import serving


@pytest.fixture
async def mcp_url(api_app):
    async with serving(api_app) as url:
        yield url.removesuffix("/v1") + "/mcp"


@pytest.fixture(params=["auto", "legacy"])
async def client(request, mcp_url):
    """The client of the newest revision, and as it speaks to servers with sessions."""
    opened, is_over = asyncio.get_running_loop().create_future(), asyncio.Event()

    async def hold():  # it has to be closed by the task that opened it
        async with Client(mcp_url, mode=request.param) as connected:
            opened.set_result(connected)
            await is_over.wait()

    holding = asyncio.create_task(hold())
    yield await opened
    is_over.set()
    await holding


@pytest.fixture
def store(api_catalog, api_ingest):
    """A vector store of two files."""
    store = api_catalog.create_store(name="handbook")
    texts = {"queues.md": b"# Queues\n\nRequests wait in a bounded queue.", "b.txt": b"Bees hum."}
    for name, text in texts.items():
        file = api_catalog.create_file(filename=name, purpose="assistants", data=text)
        api_catalog.attach_file(store.id, file.id, attributes={"lang": name[:1]})
    api_ingest()
    return store
