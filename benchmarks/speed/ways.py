"""How the streams of `streams` are written: over HTTP, in process, by bare Ray Serve."""

import json
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import aiohttp

from benchmarks.overhead import QUESTIONS
from models.generation import GenerationRequest, Message, Sampling
from models.generator import Generator

BARE_PATH = "/bare"
SAMPLINGS: dict[str, dict[str, Any]] = {
    "likeliest": {"temperature": 0.0},
    "drawn": {"temperature": 1.0},
    "nucleus": {"temperature": 1.0, "top_p": 0.9},
}
# Of a number, a sampling and how many tokens: how many came, and seconds to the first one.
Write = Callable[[int, str, int], Awaitable[tuple[int, float]]]


def over_http(session: aiohttp.ClientSession) -> Write:
    """Writes answers as a client of the server."""

    async def write(number: int, sampling: str, tokens: int) -> tuple[int, float]:
        body = {
            "model": "generator",
            "messages": [{"role": "user", "content": _question(number)}],
            "max_tokens": tokens, "seed": number, "ignore_eos": True, "stream": True,
            "stream_options": {"include_usage": True}, **SAMPLINGS[sampling],
        }  # fmt: skip
        began, first_s, written = time.perf_counter(), 0.0, 0
        async with session.post("/v1/chat/completions", json=body) as reply:
            reply.raise_for_status()
            async for line in reply.content:
                if not first_s and b'"content":"' in line and b'"content":""' not in line:
                    first_s = time.perf_counter() - began
                if b'"usage":{' in line:
                    written = json.loads(line[len(b"data: ") :])["usage"]["completion_tokens"]
        return written, first_s

    return write


def bare(session: aiohttp.ClientSession) -> Write:
    """Streams words from the application that does nothing."""

    async def write(number: int, sampling: str, tokens: int) -> tuple[int, float]:
        began, first_s, written = time.perf_counter(), 0.0, 0
        asked = {"num": f"{tokens}", "pause_s": "0"}
        async with session.post(f"{BARE_PATH}/", params=asked) as reply:
            reply.raise_for_status()
            async for line in reply.content:
                written += line.startswith(b"data: ")
                first_s = first_s or time.perf_counter() - began
        return written, first_s

    return write


def in_process(generator: Generator) -> Write:
    """Writes answers with an engine of this process."""

    async def write(number: int, sampling: str, tokens: int) -> tuple[int, float]:
        asked = GenerationRequest(
            request_id=f"{number}",
            messages=(Message(role="user", content=_question(number)),),
            sampling=Sampling(
                seed=number, max_tokens=tokens, ignore_eos=True, **SAMPLINGS[sampling]
            ),
        )
        began, first_s, written = time.perf_counter(), 0.0, 0
        async with aclosing(generator.stream(asked)) as chunks:
            async for chunk in chunks:
                written += len(chunk.token_ids)
                if not first_s and chunk.text:
                    first_s = time.perf_counter() - began
        return written, first_s

    return write


def _question(number: int) -> str:
    return QUESTIONS[number % len(QUESTIONS)]
