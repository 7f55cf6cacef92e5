"""What the HTTP layer calls: the pipeline, single stages of it, and the corpus.

The layer holds no model, no index and no queue of its own; whoever builds the app hands these in.
"""

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Protocol

from fastapi import Depends, Request

from graphs.caller import Caller
from graphs.config import GatewayConfig
from graphs.corpus.protocols import Corpora, Corpus
from graphs.model_reports import NoReports, Reports
from graphs.observing.record import RecentRequests
from graphs.observing_settings import ObservingSettings
from graphs.pipeline.events import ChatRequest, Event
from graphs.pipeline.relevance import ScoredHit
from graphs.pipeline.retrieval import Scope
from graphs.pipeline.stages import EmbedStage, RerankStage, SafetyStage, SearchStage
from graphs.pipeline.trace import Trace
from graphs.system import RunningConfig, SystemState
from models.token_counter import TokenCounter


class Pipeline(Protocol):
    """Answers a chat. Closing the generator frees all that the answer holds."""

    def answer(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Gives Retrieved first, Finished last."""

    async def search(self, queries: Sequence[str], scope: Scope, trace: Trace) -> list[ScoredHit]:
        """Gives the best passages for any of the queries, best first."""

    async def ready(self) -> Mapping[str, bool]:
        """Says for each deployment whether it answers."""


class TokenSource(Protocol):
    """Knows how the generator cuts texts to tokens."""

    async def tokens(self) -> TokenCounter:
        """Gives what counts as the generator does."""
        ...


class SystemSource(Protocol):
    """Knows the running system."""

    async def look(self) -> SystemState:
        """Tells the state of now."""
        ...

    async def running(self) -> RunningConfig:
        """Tells the config of what runs."""
        ...


class NoSystem:
    """Where there is none but this process."""

    async def look(self) -> SystemState:
        """Tells nothing."""
        return SystemState()

    async def running(self) -> RunningConfig:
        """Tells nothing."""
        return RunningConfig(name="default", value={})


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything that the routes call, and the settings that bound what clients may send.

    They are read anew for every request from `app.state.services`, which may be replaced.
    """

    config: GatewayConfig
    pipeline: Pipeline
    embedder: EmbedStage
    reranker: RerankStage
    safety: SafetyStage
    retriever: SearchStage
    corpus: Corpora
    tokens: TokenSource | None = None
    reports: Reports = field(default_factory=NoReports)
    recent: RecentRequests = field(default_factory=lambda: RecentRequests(ObservingSettings()))
    system: SystemSource = field(default_factory=NoSystem)
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
