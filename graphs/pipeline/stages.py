"""The stages of the graph: what the pipeline asks of each, and how long each took."""

import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from graphs.pipeline.events import StageTime
from index.searching.request import Hit, SearchRequest
from models.embedder import Embeddings, TextKind
from models.generation import GenerationChunk, GenerationRequest, TokenCounts
from models.reranker import RerankScores
from models.safety import Verdict


class EmbedStage(Protocol):
    """Texts to vectors."""

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: TextKind = "document",
        dimensions: int | None = None,
    ) -> Embeddings:
        """Embeds texts: one unit vector a text, in the same order, cut to `dimensions`."""
        ...


class SearchStage(Protocol):
    """Finds passages."""

    async def search(self, request: SearchRequest) -> tuple[Hit, ...]:
        """Finds passages, best first."""
        ...


class RerankStage(Protocol):
    """Orders passages."""

    async def rerank(self, query: str, documents: Sequence[str]) -> RerankScores:
        """Scores every document against the query, in the same order."""
        ...


class SafetyStage(Protocol):
    """Judges texts."""

    async def classify(self, texts: Sequence[str]) -> tuple[Verdict, ...]:
        """Judges every text, in the same order."""
        ...


class GenerateStage(Protocol):
    """Writes answers."""

    async def count_tokens(self, texts: Sequence[str]) -> TokenCounts:
        """Counts the tokens of every text, in the same order."""
        ...

    def stream(self, request: GenerationRequest) -> AsyncGenerator[GenerationChunk, None]:
        """Streams an answer; closing the iterator frees the slot."""
        ...


@dataclass(frozen=True, kw_only=True)
class Stages:
    """One client a deployment."""

    embedder: EmbedStage
    retriever: SearchStage
    reranker: RerankStage
    safety: SafetyStage
    generator: GenerateStage


class Progress:
    """What is known of one request so far: stage times, and the stages that were left out."""

    def __init__(self) -> None:
        self._times: dict[str, float] = {}
        self._degraded: list[str] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times what is inside, also when it fails; a stage that runs again adds to its time."""
        start = time.perf_counter()
        try:
            yield
        finally:
            latency_ms = 1000 * (time.perf_counter() - start)
            self._times[name] = self._times.get(name, 0.0) + latency_ms

    def degrade(self, stage: str) -> None:
        """Notes that a stage failed and was left out."""
        self._degraded.append(stage)

    @property
    def times(self) -> tuple[StageTime, ...]:
        """The stages that ended, in the order of their first ends; they may overlap."""
        return tuple(
            StageTime(stage=stage, latency_ms=round(latency_ms, 2))
            for stage, latency_ms in self._times.items()
        )

    @property
    def degraded(self) -> tuple[str, ...]:
        """The stages that were left out."""
        return tuple(self._degraded)
