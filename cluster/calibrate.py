"""Measures what one replica of each model of a running system does, for `python -m cluster.plan`.

    python -m cluster.calibrate http://127.0.0.1:8000

Ask a system that is idle and has one replica of each model; it takes about a minute. Each call is
measured without what HTTP itself takes. `RAGFLEET_API_KEY` is sent where the server wants keys.
"""

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from cluster.planning.calibration import write_calibration
from cluster.planning.wanted import Calibration
from deployments.state import state_folder

_CALLS = 12
_WORDS = "the backup of the second server runs every night at three and takes about an hour "
_TIMEOUT_S = 300.0
_LEAST_S = 1e-4  # what is less than the noise of HTTP


@dataclass(frozen=True, kw_only=True)
class _Stream:
    """One streamed answer: seconds to its first and last token, and the tokens counted there."""

    first_s: float
    last_s: float
    prompt_tokens: int
    answer_tokens: int

    @property
    def step_s(self) -> float:
        """Seconds of a decoding step."""
        return (self.last_s - self.first_s) / max(1, self.answer_tokens - 1)


class NotMeasuredError(Exception):
    """The server did not answer as one of this repository does."""


async def measure(
    client: httpx.AsyncClient, *, slots: int, candidates: int, answer_tokens: int
) -> Calibration:
    """Measures all models.

    Args:
        client: of the server.
        slots: answers that a generator decodes at once.
        candidates: passages that a question has reranked.
        answer_tokens: of each measured answer.

    Raises:
        NotMeasuredError: a call fails.
    """
    http_s = await _alone_s(lambda: _get(client, "/v1/models"))
    calls: Mapping[str, Callable[[], Awaitable[object]]] = {
        "Embedder": lambda: _post(client, "/v1/embeddings", model="embedder", input=_words(1)),
        "Reranker": lambda: _post(
            client, "/v1/rerank", model="reranker", query="When does the backup run?",
            documents=[f"{number}: {_words(4)}" for number in range(candidates)],
        ),
        "SafetyFilter": lambda: _post(client, "/v1/moderations", model="safety", input=_words(2)),
    }  # fmt: skip
    service_s = {name: max(_LEAST_S, await _alone_s(call) - http_s) for name, call in calls.items()}
    short = await _stream(client, _words(2), answer_tokens)
    long = await _stream(client, _words(12), answer_tokens)
    together = await asyncio.gather(
        *(_stream(client, f"{number} {_words(2)}", answer_tokens) for number in range(slots))
    )
    alone_s = max(short.step_s, _LEAST_S)
    step_s = statistics.median(one.step_s for one in together)
    more_tokens, more_s = long.prompt_tokens - short.prompt_tokens, long.first_s - short.first_s
    return Calibration(
        service_s=service_s,
        prefill_tokens_per_s=more_tokens / max(more_s, _LEAST_S),
        step_s=alone_s,
        step_s_per_answer=max(0.0, step_s - alone_s) / max(1, slots - 1),
        slots=slots,
    )


def _words(times: int) -> str:
    return (_WORDS * times).strip()


async def _alone_s(call: Callable[[], Awaitable[object]]) -> float:
    """The median of some calls, one after the other; the first is not counted."""
    await call()
    spent = []
    for _ in range(_CALLS):
        start = time.perf_counter()
        await call()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


async def _get(client: httpx.AsyncClient, path: str) -> Any:
    return _json(await _answered(client.get(path)), path)


async def _post(client: httpx.AsyncClient, path: str, **body: Any) -> Any:
    return _json(await _answered(client.post(path, json=body)), path)


async def _answered(call: Awaitable[httpx.Response]) -> httpx.Response:
    try:
        return await call
    except httpx.HTTPError as err:
        raise NotMeasuredError(f"no answer: {type(err).__name__}: {err}") from err


def _json(response: httpx.Response, path: str) -> Any:
    if response.status_code != httpx.codes.OK:
        raise NotMeasuredError(f"{path}: status {response.status_code}: {response.text[:200]}")
    return response.json()


async def _stream(client: httpx.AsyncClient, prompt: str, answer_tokens: int) -> _Stream:
    """Streams one answer of a fixed length from the bare generator."""
    body = {
        "model": "generator", "messages": [{"role": "user", "content": prompt}],
        "max_tokens": answer_tokens, "min_tokens": answer_tokens, "ignore_eos": True,
        "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    start, times, usage = time.perf_counter(), [], None
    try:
        async with client.stream("POST", "/v1/chat/completions", json=body) as response:
            if response.status_code != httpx.codes.OK:
                text = (await response.aread()).decode(errors="replace")
                raise NotMeasuredError(
                    f"/v1/chat/completions: status {response.status_code}: {text[:200]}"
                )
            async for line in response.aiter_lines():
                if '"usage":{' in line.replace(" ", ""):
                    usage = httpx.Response(200, text=line.removeprefix("data:")).json()["usage"]
                if '"content":"' in line.replace(" ", "") and '"content":""' not in line:
                    times.append(time.perf_counter() - start)
    except httpx.HTTPError as err:
        raise NotMeasuredError(f"no answer: {type(err).__name__}: {err}") from err
    if usage is None or len(times) < 2:
        raise NotMeasuredError("the generator streamed no answer with its usage")
    return _Stream(
        first_s=times[0], last_s=times[-1], prompt_tokens=usage["prompt_tokens"],
        answer_tokens=usage["completion_tokens"],
    )  # fmt: skip


async def _measured(options: argparse.Namespace) -> Calibration:
    key = os.environ.get("RAGFLEET_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=options.url.rstrip("/").removesuffix("/v1"), headers=headers, limits=limits,
        timeout=_TIMEOUT_S,
    ) as client:  # fmt: skip
        return await measure(
            client, slots=options.slots, candidates=options.candidates,
            answer_tokens=options.answer,
        )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and keeps the figures; gives 1 when the server does not answer."""
    parser = argparse.ArgumentParser(
        prog="python -m cluster.calibrate", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    option = parser.add_argument
    option("url", metavar="URL", help="of the server, such as http://127.0.0.1:8000")
    option("--slots", type=int, default=16, help="max_concurrent_requests (%(default)s)")
    option("--candidates", type=int, default=20, help="num_candidates (%(default)s)")
    option("--answer", type=int, default=64, metavar="TOKENS", help="measured (%(default)s)")
    option("--out", type=Path, default=state_folder() / "calibration.json", metavar="FILE",
           help="(%(default)s)")  # fmt: skip
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        found = asyncio.run(_measured(options))
    except NotMeasuredError as err:
        console.print(f"{options.url}: {err}", style="red")
        return 1
    write_calibration(options.out, found)
    for name, spent in found.service_s.items():
        console.print(f"{name}: {spent * 1000:.1f} ms a question")
    console.print(
        f"Generator: {found.prefill_tokens_per_s:.0f} prompt tokens/s; a step of "
        f"{found.step_s * 1000:.1f} ms, {found.step_s_per_answer * 1000:.2f} ms more an answer"
    )
    console.print(f"kept in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
