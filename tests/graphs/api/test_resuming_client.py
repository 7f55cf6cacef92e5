"""The client of examples/ against a real HTTP server that breaks its connections."""

import asyncio
import importlib.util
from pathlib import Path

import httpx
import pytest

from tests.graphs.serving import serving

BODY = {"model": "rag", "messages": [{"role": "user", "content": "Where?"}], "seed": 1}


@pytest.fixture(scope="module")
def client():
    path = Path(__file__).parents[3] / "examples" / "resuming_client.py"
    spec = importlib.util.spec_from_file_location("resuming_client", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Breaking:
    """Breaks a connection after so many frames, once for each number in `cuts`."""

    def __init__(self, app):
        self.app = app
        self.cuts = []
        self.num_requests = 0

    async def __call__(self, scope, receive, send):
        self.num_requests += scope["type"] == "http"
        left = self.cuts.pop(0) if self.cuts else None

        async def cutting_send(message):
            nonlocal left
            if left is not None and message["type"] == "http.response.body":
                if left == 0:
                    raise ConnectionAbortedError
                left -= 1
            await send(message)

        await self.app(scope, receive, cutting_send)


@pytest.fixture
async def server(api_app):
    breaking = Breaking(api_app)
    async with serving(breaking) as breaking.url:
        yield breaking


async def read(client, server, **options):
    return await asyncio.to_thread(lambda: list(client.stream_chat(server.url, BODY, **options)))


def without_id(chunks):
    return [{k: v for k, v in chunk.items() if k not in {"id", "created"}} for chunk in chunks]


@pytest.mark.parametrize("cuts", [[0], [1], [3], [5], [2, 0, 1, 1]])
async def test_a_broken_connection_leaves_no_trace_in_the_answer(client, server, cuts):
    whole = await read(client, server)
    server.cuts, server.num_requests = list(cuts), 0
    broken = await read(client, server)
    assert without_id(broken) == without_id(whole)
    assert len({chunk["id"] for chunk in broken}) == 1
    assert server.num_requests == len(cuts) + 1


async def test_it_gives_up_after_its_reconnections(client, server):
    server.cuts = [0] * 5
    with pytest.raises(client.StreamError, match="2 reconnections"):
        await read(client, server, max_reconnects=2)
    assert server.num_requests == 3


async def test_a_refused_request_is_not_repeated(client, server):
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        await asyncio.to_thread(lambda: list(client.stream_chat(f"{server.url}/no", BODY)))
    assert server.num_requests == 1


async def test_an_error_in_the_stream_is_raised(client, server, api_pipeline):
    api_pipeline.script[2] = ValueError("broken")
    with pytest.raises(client.StreamError, match="failed to answer"):
        await read(client, server)
