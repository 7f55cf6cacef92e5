"""A batch of questions that runs at a server while something else is measured there."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

_BEGUN_S, _ENDED_S = 60.0, 120.0
_RUNNING = ("validating", "in_progress", "cancelling")


@asynccontextmanager
async def running_batch(client: httpx.AsyncClient, num_lines: int) -> AsyncIterator[dict[str, int]]:
    """Runs a batch as long as the block does.

    Args:
        client: of the server.
        num_lines: questions to the model `rag`, each another one.

    Yields:
        What became of the lines: `completed` and `failed`, filled when the block has ended.

    Raises:
        httpx.HTTPError: the server refuses the batch, or does not answer.
        TimeoutError: the batch does not begin or end.
    """
    file = {"file": ("lines.jsonl", _lines(num_lines))}
    uploaded = await _json(client.post("/v1/files", files=file, data={"purpose": "batch"}))
    asked = {
        "input_file_id": uploaded["id"],
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
    }
    batch = await _json(client.post("/v1/batches", json=asked))
    url = f"/v1/batches/{batch['id']}"
    await _until(client, url, lambda one: one["status"] != "validating", _BEGUN_S)
    counts: dict[str, int] = {}
    try:
        yield counts
    finally:
        told = await _json(client.get(url))
        if told["status"] in _RUNNING:
            await client.post(f"{url}/cancel")
        told = await _until(client, url, lambda one: one["status"] not in _RUNNING, _ENDED_S)
        counts |= {name: told["request_counts"][name] for name in ("completed", "failed")}
        await client.delete(f"/v1/files/{uploaded['id']}")


def _lines(num_lines: int) -> bytes:
    lines = []
    for number in range(num_lines):
        question = f"How large may file {number} be, and where does it lie?"
        body = {"model": "rag", "messages": [{"role": "user", "content": question}]}
        line = {"method": "POST", "url": "/v1/chat/completions", "body": body}
        lines.append(json.dumps({"custom_id": f"line-{number}", **line}))
    return "\n".join(lines).encode()


async def _until(
    client: httpx.AsyncClient, url: str, is_done: Callable[[dict[str, Any]], bool], seconds: float
) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        while not is_done(batch := await _json(client.get(url))):  # noqa: ASYNC110  # it is elsewhere
            await asyncio.sleep(0.2)
        return batch


async def _json(asking: Awaitable[httpx.Response]) -> dict[str, Any]:
    reply = await asking
    reply.raise_for_status()
    told: dict[str, Any] = reply.json()
    return told
