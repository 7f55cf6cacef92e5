"""Measures what one replica of each model of a running system does, for `python -m cluster.plan`.

    python -m cluster.calibrate http://127.0.0.1:8000 --config local.yaml

Ask a system that is idle and has one replica of each model; it takes about a minute. Each call is
measured without what HTTP itself takes. `OPENAI_API_KEY` is sent where the server wants keys.
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
from graphs.errors import ConfigError
from graphs.serve_config.reader import read_serve_config
from graphs.settings import ServedNames

_CALLS = 12
_WORDS = "the backup of the second server runs every night at three and takes about an hour "
_TIMEOUT_S = 300.0
_LEAST_S = 1e-4  # what is less than the noise of HTTP
_SHORT_ANSWERS = 3


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """One answer: the seconds that it took, and the tokens that the server counted."""

    total_s: float
    prompt_tokens: int
    answer_tokens: int


class NotMeasuredError(Exception):
    """The server did not answer as one of this repository does."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is measured.

    Attributes:
        names: of the models.
        slots: answers that a generator decodes at once.
        candidates: passages that a question has reranked.
        answer_tokens: of each measured answer.
    """

    names: ServedNames
    slots: int
    candidates: int
    answer_tokens: int


async def measure(client: httpx.AsyncClient, asked: Asked) -> Calibration:
    """Measures all models.

    Args:
        client: of the server.
        asked: of it.

    Raises:
        NotMeasuredError: a call fails.
    """
    names = asked.names
    # The least, not the median: a pause of the machine is no part of every call's way to a model.
    http_s = min(await _alone_s(lambda: _get(client, "/v1/models")))
    calls: Mapping[str, Callable[[], Awaitable[object]]] = {
        "Embedder": lambda: _post(client, "/v1/embeddings", model=names.embedder, input=_words(1)),
        "Reranker": lambda: _post(
            client, "/v1/rerank", model=names.reranker, query="When does the backup run?",
            documents=[f"{number}: {_words(4)}" for number in range(asked.candidates)],
        ),
        "SafetyFilter": lambda: _post(
            client, "/v1/moderations", model=names.safety, input=_words(2)
        ),
    }  # fmt: skip
    service_s = {
        name: max(_LEAST_S, statistics.median(await _alone_s(call)) - http_s)
        for name, call in calls.items()
    }
    return await _generator(client, asked, service_s)


async def _generator(
    client: httpx.AsyncClient, asked: Asked, service_s: Mapping[str, float]
) -> Calibration:
    """From whole answers: the safety filter lets tokens out in pieces, so single ones tell nothing.

    One of three times the length tells a step, one of a longer prompt the reading of prompts. Of
    the short ones, which both are compared with, the fastest counts: a pause of the machine in it
    would make the others look cheap.
    """
    num, slots = asked.answer_tokens, asked.slots
    await _answer(client, asked, _words(2), num)
    shorts = [await _answer(client, asked, _words(2), num) for _ in range(_SHORT_ANSWERS)]
    short = min(shorts, key=lambda one: one.total_s)
    longer = await _answer(client, asked, _words(2), 3 * num)
    read = await _answer(client, asked, _words(14), num)
    more_tokens = longer.answer_tokens - short.answer_tokens
    step_s = max(_LEAST_S, (longer.total_s - short.total_s) / max(1, more_tokens))
    more_read = max(1, read.prompt_tokens - short.prompt_tokens)
    per_s = more_read / max(_LEAST_S, read.total_s - short.total_s)
    together = await asyncio.gather(
        *(_answer(client, asked, f"{number} {_words(2)}", num) for number in range(slots))
    )
    # What is neither a step nor the reading of the others' prompts takes as long as it does alone.
    rest_s = short.total_s - short.answer_tokens * step_s
    reading_s = sum(one.prompt_tokens for one in together[1:]) / per_s
    spent_s = statistics.median(one.total_s for one in together) - rest_s - reading_s
    steps = max(1.0, statistics.median(one.answer_tokens for one in together))
    return Calibration(
        service_s=service_s, prefill_tokens_per_s=per_s, step_s=step_s, slots=slots,
        step_s_per_answer=max(0.0, spent_s / steps - step_s) / max(1, slots - 1),
    )  # fmt: skip


def _words(times: int) -> str:
    return (_WORDS * times).strip()


async def _alone_s(call: Callable[[], Awaitable[object]]) -> list[float]:
    """The times of some calls, one after the other; the first is not counted."""
    await call()
    spent = []
    for _ in range(_CALLS):
        start = time.perf_counter()
        await call()
        spent.append(time.perf_counter() - start)
    return spent


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


async def _answer(client: httpx.AsyncClient, asked: Asked, prompt: str, num: int) -> _Answer:
    """Asks the bare generator for an answer of a fixed length."""
    start = time.perf_counter()
    reply = await _post(
        client, "/v1/chat/completions", model=asked.names.generator,
        messages=[{"role": "user", "content": prompt}], max_tokens=num, min_tokens=num,
        ignore_eos=True,
    )  # fmt: skip
    usage = reply.get("usage") or {}
    if not usage.get("completion_tokens"):
        raise NotMeasuredError("/v1/chat/completions: the generator wrote nothing")
    return _Answer(
        total_s=time.perf_counter() - start, prompt_tokens=usage["prompt_tokens"],
        answer_tokens=usage["completion_tokens"],
    )  # fmt: skip


async def _measured(options: argparse.Namespace) -> Calibration:
    key = os.environ.get("OPENAI_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=options.url.rstrip("/").removesuffix("/v1"), headers=headers, limits=limits,
        timeout=_TIMEOUT_S,
    ) as client:  # fmt: skip
        return await measure(client, _asked(options))


def _asked(options: argparse.Namespace) -> Asked:
    """Names and sizes of the Serve config.

    Raises:
        ConfigError: it has faults.
    """
    config = read_serve_config(options.config)
    slots = config.blocks["Generator"].deployment.max_ongoing_requests
    return Asked(
        names=config.gateway.served_names, slots=int(slots), answer_tokens=options.answer,
        candidates=config.gateway.retrieval.num_candidates,
    )  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and keeps the figures; gives 1 when the server does not answer."""
    parser = argparse.ArgumentParser(
        prog="python -m cluster.calibrate", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    option = parser.add_argument
    option("url", metavar="URL", help="of the server, such as http://127.0.0.1:8000")
    option("--config", type=Path, required=True, metavar="FILE", help="what it serves")
    option("--answer", type=int, default=32, metavar="TOKENS", help="measured (%(default)s)")
    option("--out", type=Path, default=state_folder() / "calibration.json", metavar="FILE",
           help="(%(default)s)")  # fmt: skip
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        found = asyncio.run(_measured(options))
    except (NotMeasuredError, ConfigError) as err:
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
