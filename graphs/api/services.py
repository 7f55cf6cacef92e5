"""What the HTTP layer needs from the rest: a Protocol for everything that it calls.

The layer holds no model, no index and no queue of its own; whoever builds the app hands these in.
"""

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from fastapi import Depends, Request

from graphs.caller import Caller
from graphs.config import GatewayConfig
from graphs.corpus import Corpora, Corpus
from graphs.pipeline.events import ChatRequest, Event
from index.searching.request import Hit, SearchRequest
from models.embedder import Embeddings, TextKind
from models.reranker import RerankScores
from models.safety import Verdict

__all__ = [
    "Corpora",
    "Embedder",
    "HttpTimeouts",
    "InjectedCorpus",
    "InjectedServices",
    "Pipeline",
    "Reranker",
    "Retriever",
    "Safety",
    "Services",
]


@dataclass(frozen=True, kw_only=True)
class HttpTimeouts:
    """How long the HTTP layer waits for a client, in seconds.

    Attributes:
        body_s: a body that takes longer to arrive gets 408.
        heartbeat_s: longest silence on a stream before a comment is sent.
        write_s: a client that takes nothing of its stream for so long is dropped.
    """

    body_s: float = 60.0
    heartbeat_s: float = 10.0
    write_s: float = 30.0


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
    corpus: Corpora
    timeouts: HttpTimeouts = field(default_factory=HttpTimeouts)
    started_at: int = field(default_factory=lambda: int(time.time()))


async def _services_of(request: Request) -> Services:
    services = request.app.state.services
    assert isinstance(services, Services)
    return services


InjectedServices = Annotated[Services, Depends(_services_of)]


async def _corpus_of(request: Request, services: InjectedServices) -> Corpus:
    caller = request.state.caller
    assert isinstance(caller, Caller)
    return services.corpus.of(caller)


# The corpus as the caller of this request sees it.
InjectedCorpus = Annotated[Corpus, Depends(_corpus_of)]
