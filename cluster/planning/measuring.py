"""What a running system tells of the work of its models, question by question."""

import asyncio
import math
import statistics
import time
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx

from cluster.planning.wanted import Calibration, Writing
from graphs.settings import ServedNames

_QUESTIONS = 16  # that are made of passages
_WORDS = "the backup of the second server runs every night at three and takes about an hour "
TIMEOUT_S = 300.0  # of a call
_LEAST_S = 1e-4  # what is less than the noise of HTTP
_SAME_ANSWERS = 3
_FEW_TOKENS = 8  # of an answer that is asked for what comes before it
# Stages of a question by the deployment that works in them. The filter's are single calls.
_STAGES: Mapping[str, tuple[str, ...]] = {
    "Embedder": ("embed", "meaning"),
    "Retriever": ("retrieve",),
    "Reranker": ("rerank", "focus", "judge"),
}
_CHECKS = ("check_question", "check_answer")


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
        writes: whether the generator writes; else it only quotes.
        slots: answers that a generator decodes at once.
        answer_tokens: of each measured answer.
        store: whose passages are asked about; None: no one is named.
        questions: that are asked; none: they are made of the store's passages.
    """

    names: ServedNames
    writes: bool
    slots: int
    answer_tokens: int
    store: str | None
    questions: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was found.

    Attributes:
        calibration: what a plan reads.
        prompt_tokens: of a question with its passages, half of them have fewer; 0: none was
            answered.
    """

    calibration: Calibration
    prompt_tokens: int


async def measure(client: httpx.AsyncClient, asked: Asked) -> Measured:
    """Measures all models.

    Args:
        client: of the server.
        asked: of it.

    Raises:
        NotMeasuredError: a call fails, or nothing is found that could be asked about.
    """
    load_s = _load_s(await _get(client, "/v1/models"), asked.names)
    questions = asked.questions or await made_questions(client, asked)
    await _spent(client, asked, questions[0])
    work_s: dict[str, list[float]] = {}
    prompts = []
    for question in questions:
        spans, generated = await _spent(client, asked, question)
        for name, times in _by_deployment(spans, asked).items():
            work_s.setdefault(name, []).extend(times)
        prompts += [int(one["prompt_tokens"]) for one in generated]
    if missing := [name for name in _expected(asked) if name not in work_s]:
        raise NotMeasuredError(
            f"no question reached {', '.join(missing)}: give --questions that the documents answer"
        )
    calibration = Calibration(
        work_s={name: tuple(times) for name, times in work_s.items()}, load_s=load_s,
        writing=await _writing(client, asked) if asked.writes else None,
    )  # fmt: skip
    prompt_tokens = round(statistics.median(prompts)) if prompts else 0
    return Measured(calibration=calibration, prompt_tokens=prompt_tokens)


async def made_questions(client: httpx.AsyncClient, asked: Asked) -> tuple[str, ...]:
    """Questions whose answers stand in the store."""
    if asked.store is None:
        raise NotMeasuredError("`rag` searches every store: give --questions, or --store")
    store = await _store_id(client, asked.store)
    path = f"/v1/vector_stores/{quote(store, safe='')}/search"
    found = await _post(client, path, query="what is to be known", max_num_results=_QUESTIONS)
    passages = [" ".join(one["content"][0]["text"].split()[:12]) for one in found.get("data", ())]
    if not passages:
        raise NotMeasuredError(f"the store {asked.store!r} has no passage: give --questions")
    return tuple(f"What is said about: {words}?" for words in passages)


async def _store_id(client: httpx.AsyncClient, name: str) -> str:
    """The id of the store with that name or id."""
    after: dict[str, str] = {}
    while True:
        page = await _get(client, "/v1/vector_stores", limit="100", **after)
        for one in page["data"]:
            if name in (one["id"], one["name"]):
                return str(one["id"])
        if not page["has_more"]:
            raise NotMeasuredError(f"there is no store {name!r}: give --questions, or --store")
        after = {"after": page["last_id"]}


async def _spent(client: httpx.AsyncClient, asked: Asked, question: str) -> tuple[Any, Any]:
    """The stages of a question, and what was generated for it."""
    few = {"max_tokens": _FEW_TOKENS} if asked.writes else {}  # a quote is whole at once
    reply = await _post(
        client, "/v1/chat/completions", model="rag", rag={"debug": True},
        messages=[{"role": "user", "content": question}], **few,
    )  # fmt: skip
    told = reply.get("rag") or {}
    if not told.get("spans"):
        raise NotMeasuredError("/v1/chat/completions: the reply tells no stages (`rag.debug`)")
    failed = [one["stage"] for one in told["spans"] if one.get("error")]
    if without := [*failed, *(reply.get("degraded") or ())]:
        raise NotMeasuredError(f"{question!r} was answered without {', '.join(without)}")
    return told["spans"], told.get("generated") or ()


def _expected(asked: Asked) -> tuple[str, ...]:
    """Deployments that a question needs; a filter or a reranker may be switched off."""
    return ("Embedder", "Retriever") if asked.writes else ("Embedder", "Retriever", "Generator")


def _by_deployment(spans: Any, asked: Asked) -> dict[str, list[float]]:
    """Deployment -> seconds in which it worked on a question.

    Parts of one question are worked on at once, where each waits for the others on the replica.
    """
    stages = dict(_STAGES) if asked.writes else {**_STAGES, "Generator": ("generate",)}
    found = {
        name: [max(_LEAST_S, covered_ms(its) / 1000)]
        for name, own in stages.items()
        if (its := [one for one in spans if one["stage"] in own])
    }
    checks = [max(_LEAST_S, one["latency_ms"] / 1000) for one in spans if one["stage"] in _CHECKS]
    return {**found, "SafetyFilter": checks} if checks else found


def covered_ms(spans: Sequence[Mapping[str, float]]) -> float:
    """Milliseconds in which at least one of the spans was under way."""
    covered, until = 0.0, -math.inf
    for one in sorted(spans, key=lambda span: span["start_ms"]):
        end = one["start_ms"] + one["latency_ms"]
        covered += max(0.0, end - max(until, one["start_ms"]))
        until = max(until, end)
    return covered


def _load_s(models: Any, names: ServedNames) -> dict[str, float]:
    """Deployment -> what its replica says that its model took to load, and to warm up."""
    deployments = {
        names.embedder: "Embedder", names.reranker: "Reranker", names.safety: "SafetyFilter",
        names.generator: "Generator",
    }  # fmt: skip
    told = {one.get("id"): one.get("served") or {} for one in models.get("data", ())}
    found = {
        name: told[model].get("load_s") for model, name in deployments.items() if model in told
    }
    return {name: float(value) for name, value in found.items() if value}


async def _writing(client: httpx.AsyncClient, asked: Asked) -> Writing:
    """From whole answers: the safety filter lets tokens out in pieces, so single ones tell nothing.

    One of three times the length tells a step, one of a longer prompt the reading of prompts. Of
    a few of each the fastest counts: a pause of the machine is no part of a step.
    """
    num, slots = asked.answer_tokens, asked.slots
    await _answer(client, asked, _words(2), num)
    short = await _fastest(client, asked, _words(2), num)
    longer = await _fastest(client, asked, _words(2), 3 * num)
    read = await _fastest(client, asked, _words(14), num)
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
    return Writing(
        prefill_tokens_per_s=per_s, step_s=step_s, slots=slots,
        step_s_per_answer=max(0.0, spent_s / steps - step_s) / max(1, slots - 1),
    )  # fmt: skip


def _words(times: int) -> str:
    return (_WORDS * times).strip()


async def _get(client: httpx.AsyncClient, path: str, **asked: str) -> Any:
    return _json(await _answered(client.get(path, params=asked)), path)


async def _post(client: httpx.AsyncClient, path: str, **body: Any) -> Any:
    return _json(await _answered(client.post(path, json=body)), path)


async def _answered(call: Awaitable[httpx.Response]) -> httpx.Response:
    try:
        return await call
    except (httpx.HTTPError, httpx.InvalidURL) as err:
        raise NotMeasuredError(f"no answer: {type(err).__name__}: {err}") from err


def _json(response: httpx.Response, path: str) -> Any:
    if response.status_code != httpx.codes.OK:
        raise NotMeasuredError(f"{path}: status {response.status_code}: {response.text[:200]}")
    try:
        return response.json()
    except ValueError as err:
        raise NotMeasuredError(f"{path}: no JSON: {response.text[:200]}") from err


async def _fastest(client: httpx.AsyncClient, asked: Asked, prompt: str, num: int) -> _Answer:
    answers = [await _answer(client, asked, prompt, num) for _ in range(_SAME_ANSWERS)]
    return min(answers, key=lambda one: one.total_s)


async def _answer(client: httpx.AsyncClient, asked: Asked, prompt: str, num: int) -> _Answer:
    """Asks the bare generator for an answer of a fixed length."""
    start = time.perf_counter()
    reply = await _post(
        client, "/v1/chat/completions", model=asked.names.generator,
        messages=[{"role": "user", "content": prompt}], max_tokens=num, ignore_eos=True,
        temperature=0,
    )  # fmt: skip
    usage = reply.get("usage") or {}
    if not usage.get("completion_tokens"):
        raise NotMeasuredError("/v1/chat/completions: the generator wrote nothing")
    return _Answer(
        total_s=time.perf_counter() - start, prompt_tokens=usage["prompt_tokens"],
        answer_tokens=usage["completion_tokens"],
    )  # fmt: skip
