"""The stages of the graph: what the pipeline asks of each."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Protocol

from graphs.pipeline.events import ChatRequest, Passage
from index.searching.request import Hit, SearchRequest
from models.embedder import Embeddings, TextKind
from models.generation import GenerationChunk, GenerationRequest
from models.reranker import RerankScores
from models.safety import Verdict
from models.token_counter import TokenCounter


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


class AnswerStage(Protocol):
    """Writes answers."""

    def stream(self, request: GenerationRequest) -> AsyncGenerator[GenerationChunk, None]:
        """Streams an answer; closing the iterator frees the slot."""
        ...


class GenerateStage(AnswerStage, Protocol):
    """Writes answers, and tells how it counts."""

    async def tokens(self) -> TokenCounter:
        """Gives what counts tokens as the generator does; asks it only when its model is new."""
        ...


class ChooseStage(Protocol):
    """Chooses among generators: `graphs.choosing.chooser.Chooser`."""

    def chosen(
        self, request: ChatRequest, passages: Sequence[Passage], *, is_reranked: bool
    ) -> AnswerStage:
        """Gives what writes the answer to a question from these passages, as they are scored."""
        ...


@dataclass(frozen=True, kw_only=True)
class Stages:
    """One client a deployment, and one more of the reranker's.

    Attributes:
        judge: scores single sentences by whether they answer.
        generator: counts tokens, and writes what is optional.
        choose: who writes an answer; None: the generator writes them all.
    """

    embedder: EmbedStage
    retriever: SearchStage
    reranker: RerankStage
    judge: RerankStage
    safety: SafetyStage
    generator: GenerateStage
    choose: ChooseStage | None = None
