"""More to search with than the question: other wordings of it, or an answer as it might stand.

    multi_query  RAG-Fusion (arXiv 2402.03367): each wording is searched for, the rankings are fused
    hyde         (arXiv 2212.10496) the vector of an imagined answer joins that of the question

Both need a generator that can write; when it is slow or lost, the question is searched for alone.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from graphs.errors import OverloadedError, StageUnavailableError
from graphs.pipeline.prompt import hypothesis_messages, wordings_messages
from graphs.pipeline.stages import Progress, Stages
from models.errors import EngineStoppedError
from models.generation import GenerationRequest, Message, Sampling

Expand = Literal["off", "multi_query", "hyde"]

_NUM_WORDINGS = 3
_MAX_TOKENS = 160
_LIST_MARKS = " -*\t0123456789.)"


@dataclass(frozen=True, kw_only=True)
class Query:
    """One thing to search for.

    Attributes:
        vector: float32, (dim,), unit L2 norm.
        fingerprint: of the embedder that made it.
        others: the text's vectors by the other embedders that are served, by their fingerprints;
            an imagined answer is no part of them.
    """

    text: str
    vector: npt.NDArray[np.float32]
    fingerprint: str
    others: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)


class Expansion:
    """Turns a question into what is searched for."""

    def __init__(self, stages: Stages, *, timeout_s: float) -> None:
        self._stages = stages
        self._timeout_s = timeout_s

    async def queries(
        self, question: str, expand: Expand, request_id: str, progress: Progress
    ) -> tuple[Query, ...]:
        """Gives the question itself first, then what was made of it.

        Raises:
            StageUnavailableError: the embedder does not answer.
        """
        written = ""
        if expand != "off":
            with progress.stage("expand"):
                written = await self._write(question, expand, request_id, progress)
        with progress.stage("embed"):
            if expand == "hyde" and written:
                return (await self._with_hypothesis(question, written),)
            texts = [question, *(_wordings(written, question) if expand == "multi_query" else ())]
            embeddings = await self._stages.embedder.embed(texts, kind="query")
        return tuple(
            Query(
                text=text,
                vector=embeddings.vectors[number],
                fingerprint=embeddings.fingerprint,
                others=embeddings.others_of(number),
            )
            for number, text in enumerate(texts)
        )

    async def _write(
        self, question: str, expand: Expand, request_id: str, progress: Progress
    ) -> str:
        """Lets the generator write; gives nothing when it does not in time."""
        make = hypothesis_messages if expand == "hyde" else wordings_messages
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._generate(make(question, _NUM_WORDINGS), request_id)
        except (StageUnavailableError, OverloadedError, EngineStoppedError, TimeoutError):
            progress.degrade("expand")
            return ""

    async def _generate(self, messages: Sequence[Message], request_id: str) -> str:
        asked = GenerationRequest(
            request_id=request_id,
            messages=tuple(messages),
            sampling=Sampling(max_tokens=_MAX_TOKENS, temperature=0.0),
        )
        async with aclosing(self._stages.generator.stream(asked)) as chunks:
            return "".join([chunk.text async for chunk in chunks]).strip()

    async def _with_hypothesis(self, question: str, hypothesis: str) -> Query:
        asked, imagined = await asyncio.gather(
            self._stages.embedder.embed([question], kind="query"),
            self._stages.embedder.embed([hypothesis], kind="document"),
        )
        middle = asked.vectors[0] + imagined.vectors[0]
        unit = middle / max(float(np.linalg.norm(middle)), 1e-12)
        return Query(
            text=question,
            vector=unit.astype(np.float32),
            fingerprint=asked.fingerprint,
            others=asked.others_of(0),
        )


def _wordings(written: str, question: str) -> tuple[str, ...]:
    """Reads a list of questions, one a line, whatever marks stand before them."""
    lines = [line.strip().lstrip(_LIST_MARKS).strip() for line in written.splitlines()]
    new = [line for line in dict.fromkeys(lines) if line and line != question]
    return tuple(new[:_NUM_WORDINGS])
