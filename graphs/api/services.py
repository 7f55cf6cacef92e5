"""What the HTTP layer needs from the rest: a Protocol for everything that it calls.

The layer holds no model, no index and no queue of its own; whoever builds the app hands these in.
"""

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from fastapi import Depends, Request

from graphs.config import GatewayConfig
from graphs.corpus import Corpus
from graphs.pipeline.events import ChatRequest, Event
from index.searching.request import Hit, SearchRequest
from models.embedder import Embeddings, TextKind
from models.reranker import RerankScores
from models.safety import Verdict

__all__ = [
    "Corpus",
    "Embedder",
    "InjectedServices",
    "Pipeline",
    "Reranker",
    "Retriever",
    "Safety",
    "Services",
]


class Pipeline(Protocol):
    """Answers a chat. Closing the generator frees all that the answer holds."""

    def answer(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Gives Retrieved first, Finished last."""

    async def ready(self) -> Mapping[str, bool]:
        """Says for each stage whether it can answer."""


class Embedder(Protocol):
    """Texts to vectors."""

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: TextKind = "document",
        dimensions: int | None = None,
    ) -> Embeddings:
        """Gives one unit vector a text, in the same order, cut to `dimensions`."""


class Reranker(Protocol):
    """Relevance of documents to a query."""

    async def rerank(self, query: str, documents: Sequence[str]) -> RerankScores:
        """Gives one score a document, in the same order."""


class Safety(Protocol):
    """Harm in texts."""

    async def classify(self, texts: Sequence[str]) -> tuple[Verdict, ...]:
        """Gives one verdict a text, in the same order."""


class Retriever(Protocol):
    """Search in vector stores."""

    async def search(self, request: SearchRequest) -> tuple[Hit, ...]:
        """Gives the best passages, best first."""


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything that the routes call, and the settings that bound what clients may send.

    They are read anew for every request from `app.state.services`, which may be replaced.
    """

    config: GatewayConfig
    pipeline: Pipeline
    embedder: Embedder
    reranker: Reranker
    safety: Safety
    retriever: Retriever
    corpus: Corpus
    started_at: int = field(default_factory=lambda: int(time.time()))


async def _services_of(request: Request) -> Services:
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


InjectedServices = Annotated[Services, Depends(_services_of)]
