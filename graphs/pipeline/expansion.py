"""More to search with than the question: other wordings of it, or an answer as it might stand.

    multi_query  RAG-Fusion (arXiv 2402.03367): each wording is searched for, the rankings are fused
    hyde         (arXiv 2212.10496) the vector of an imagined answer joins that of the question

Both need a generator that can write; when it is slow or lost, the question is searched for alone.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from graphs.config import Expand
from graphs.pipeline.prompt import hypothesis_messages, wordings_messages
from graphs.pipeline.stages import EmbedStage
from graphs.pipeline.trace import Trace
from graphs.pipeline.writing import Writer

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

    def __init__(self, embedder: EmbedStage, writer: Writer) -> None:
        self._embedder = embedder
        self._writer = writer

    async def queries(
        self, question: str, expand: Expand, trace: Trace, *, timeout_s: float
    ) -> tuple[Query, ...]:
        """Gives the question itself first, then what was made of it.

        Raises:
            StageUnavailableError: the embedder does not answer.
        """
        written = ""
        if expand != "off":
            make = hypothesis_messages if expand == "hyde" else wordings_messages
            messages = make(question, _NUM_WORDINGS)
            with trace.stage("expand"):
                written = await self._writer.write(
                    "expand", messages, trace, max_tokens=_MAX_TOKENS, timeout_s=timeout_s
                )
        if expand == "hyde" and written:
            with trace.stage("embed"):
                return (await self._with_hypothesis(question, written),)
        others = _wordings(written, question) if expand == "multi_query" else ()
        return await self.embedded([question, *others], trace)

    async def embedded(self, texts: Sequence[str], trace: Trace) -> tuple[Query, ...]:
        """Gives each text as it is, in the same order, by one call.

        Raises:
            StageUnavailableError: the embedder does not answer.
        """
        with trace.stage("embed"):
            embeddings = await self._embedder.embed(texts, kind="query")
        return tuple(
            Query(
                text=text,
                vector=embeddings.vectors[number],
                fingerprint=embeddings.fingerprint,
                others=embeddings.others_of(number),
            )
            for number, text in enumerate(texts)
        )

    async def _with_hypothesis(self, question: str, hypothesis: str) -> Query:
        asked, imagined = await asyncio.gather(
            self._embedder.embed([question], kind="query"),
            self._embedder.embed([hypothesis], kind="document"),
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
