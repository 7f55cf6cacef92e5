"""The Gateway deployment: HTTP in front of the pipeline, which runs inside it."""

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from deployments.observing.logs import join_serve_logs
from deployments.observing.metrics import Meter
from deployments.replica import ReplicaDescription, describe_replica
from deployments.user_config import parse_config
from graphs.api.accounting.billing import account
from graphs.api.services import Services
from graphs.choosing.begun import Begun
from graphs.choosing.canary import Canary, CanaryStatus
from graphs.choosing.generators import Generators
from graphs.choosing.router import Router
from graphs.clients import (
    DeploymentClient,
    EmbedderClient,
    JudgeClient,
    RerankerClient,
    RetrieverClient,
    SafetyClient,
)
from graphs.config import GatewayConfig
from graphs.corpus_client import CorpusClient
from graphs.errors import StageUnavailableError
from graphs.failover import ResumingGenerator, Retries
from graphs.generator_client import TokenCounters
from graphs.model_reports import ModelReports
from graphs.observing.answers import RecentAnswers
from graphs.observing.at_work import AllWork, AtWork, OwnWork
from graphs.observing.moves import RecentMoves
from graphs.observing.observer import Observer
from graphs.observing.quality_log import QualityLog, logged
from graphs.observing.span_texts import SpanTexts
from graphs.observing.versions import versions_of
from graphs.pipeline.events import ChatRequest, Event
from graphs.pipeline.rag import RagPipeline
from graphs.pipeline.relevance import ScoredHit
from graphs.pipeline.retrieval import Scope
from graphs.pipeline.stages import SearchStage, Stages
from graphs.pipeline.trace import Trace
from graphs.replicas import has_running, queues_of
from graphs.settings import CanarySettings
from graphs.shards import ShardedRetriever
from graphs.system import SystemView

Client = TypeVar("Client", bound=DeploymentClient)


@dataclass(kw_only=True)
class Kept:
    """What outlives the settings of a Gateway.

    Attributes:
        counters: count tokens as the generator does.
        second_counters: the same of its second version.
        system: what the controller tells.
        moves: which answers have moved.
        canary: the judge of the second version.
        begun: which generator began which answers.
    """

    counters: TokenCounters = field(default_factory=TokenCounters)
    second_counters: TokenCounters = field(default_factory=TokenCounters)
    begun: Begun = field(default_factory=Begun)
    moves: RecentMoves = field(default_factory=RecentMoves)
    system: SystemView = field(default_factory=SystemView)
    canary: Canary = field(default_factory=lambda: Canary(CanarySettings()))


class Graph:
    """The pipeline and the clients of one configuration.

    A `router` decides in the place of the configured one, to be measured.
    """

    def __init__(
        self,
        config: GatewayConfig,
        handles: Mapping[str, Sequence[DeploymentHandle]],
        observe: Callable[[Trace], None],
        kept: Kept,
        router: Router | None = None,
    ) -> None:
        self.config, self._system = config, kept.system
        of_log = config.observing.quality_log
        self._quality_log = None if of_log is None else QualityLog(of_log, versions_of(config))
        kept.canary = self._canary = kept.canary.changed(config.canary)
        timeouts, retries = config.timeouts, Retries(config.failover)

        def client(
            client_class: type[Client], handle: DeploymentHandle, timeout_s: float
        ) -> Client:
            stage = handle.deployment_name
            return client_class(handle, stage=stage, timeout_s=timeout_s, retries=retries)

        self.embedder = client(EmbedderClient, handles["embedder"][0], timeouts.model_s)
        self.reranker = client(RerankerClient, handles["reranker"][0], timeouts.model_s)
        judge = client(JudgeClient, handles["reranker"][0], timeouts.model_s)
        self.safety = client(SafetyClient, handles["safety_filter"][0], timeouts.model_s)
        shards = [client(RetrieverClient, one, timeouts.corpus_s) for one in handles["retriever"]]
        names = (handle.deployment_name for handle in handles["retriever"])
        self.retrievers = dict(zip(names, shards, strict=True))  # one, or its shards
        self.retriever: SearchStage = shards[0] if len(shards) == 1 else ShardedRetriever(shards)
        self.corpus = client(CorpusClient, handles["ingester"][0], timeouts.corpus_s)
        self._generators = Generators(config, handles, kept.begun, retries, router)
        self.generator = self._generators.client(handles["generator"][0], kept.counters)
        second = self._generators.client(handles["generator"][-1], kept.second_counters)
        self._handles, self._counters = handles, kept.counters
        self.reports = self._reports()
        first = ResumingGenerator(self.generator, config.failover)
        stages = Stages(
            embedder=self.embedder, retriever=self.retriever, reranker=self.reranker,
            judge=judge, safety=self.safety, generator=first,
            choose=self._generators.chooser(handles["generator"][0], first),
        )  # fmt: skip
        told = (observe, kept.moves.add, SpanTexts(config.observing.span_texts))
        self.pipeline = RagPipeline(config, stages, *told)
        # Of the same stages but the generator; nobody else writes what is thrown away.
        generator = ResumingGenerator(second, config.failover)
        choose = self._generators.chooser(handles["generator"][-1], generator)
        of_second = replace(stages, generator=generator, choose=choose)
        self._second = RagPipeline(config, of_second, *told)
        self._shadow = RagPipeline(config, replace(of_second, choose=None), _ignore)

    def _reports(self) -> ModelReports:
        clients: Mapping[str, DeploymentClient] = {
            "generator": self.generator,
            "embedder": self.embedder,
            "reranker": self.reranker,
            "safety_filter": self.safety,
        }
        ready_s = self.config.timeouts.ready_s
        ask = {role: partial(client.describe, ready_s) for role, client in clients.items()}
        return ModelReports(ask, self.runs, resume_s=self.config.failover.resume_s)

    def answer(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Answers a chat; see `graphs.pipeline.rag.RagPipeline`."""
        if self._quality_log is not None and self._quality_log.wants(request):
            return logged(self._answer(request), request, self._quality_log)
        return self._answer(request)

    def _answer(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        generators = self._handles["generator"]
        if len(generators) == 1:
            return self.pipeline.answer(request)
        # In shadow the second version answers who comes back for an answer that it began.
        in_shadow = self.config.canary.shadow and request.identity is None
        second = self._shadow if in_shadow else self._second
        answer = second.answer if has_running(generators[1]) else None
        others = self._generators.others
        return self._canary.answer(request, self.pipeline.answer, answer, others)

    async def search(self, queries: Sequence[str], scope: Scope, trace: Trace) -> list[ScoredHit]:
        """Finds passages; see `graphs.pipeline.rag.RagPipeline`."""
        return await self.pipeline.search(queries, scope, trace)

    def runs(self) -> Mapping[str, bool]:
        """Says for each deployment whether a replica of it runs, as Serve's router knows."""
        main = {role: handles[0] for role, handles in self._handles.items()}
        main.pop("small_generator", None)  # the large one writes what it does not
        self._generators.any_runs()  # but its router has to learn as well, before it is needed
        shards = self._handles["retriever"]
        if len(shards) > 1:
            del main["retriever"]
            main |= {shard.deployment_name.lower(): shard for shard in shards}
        return {name: has_running(handle) for name, handle in main.items()}

    async def ready(self) -> Mapping[str, bool]:
        """Says for each deployment whether it answers; a generator may be busy with its slots.

        One that is scaled to zero on purpose counts as ready: the next question wakes it.
        """
        asked: Mapping[str, DeploymentClient] = {
            "embedder": self.embedder,
            **{name.lower(): shard for name, shard in self.retrievers.items()},
            "reranker": self.reranker,
            "safety_filter": self.safety,
            "ingester": self.corpus,
        }

        running = self.runs()
        asleep = set() if all(running.values()) else await self._asleep()

        async def is_ready(name: str, runs: bool) -> bool:
            if not runs and name == "generator" and self._generators.has_fallback:
                return self._counters.are_known or name in asleep
            if not runs or name not in asked:
                return runs or name in asleep
            return await asked[name].answers(self.config.timeouts.ready_s)

        answers = await asyncio.gather(*(is_ready(*one) for one in running.items()))
        return dict(zip(running, answers, strict=True))

    async def _asleep(self) -> set[str]:
        """The deployments that may have no replica, as far as the controller tells."""
        try:
            deployments = (await self._system.look()).deployments
        except StageUnavailableError:
            return set()
        names = {one.name for one in deployments if one.may_sleep}
        roles = {role: handles[0].deployment_name for role, handles in self._handles.items()}
        return {role for role, name in roles.items() if name in names}


def _ignore(_trace: Trace) -> None:
    """What nobody gets is on nobody's account."""


@serve.deployment
@serve.ingress()
class Gateway:
    """Serves HTTP.

    Duties: hand the graph of `user_config` to the HTTP application, without a restart a new one.
    """

    def __init__(self, handles: Mapping[str, Sequence[DeploymentHandle]]) -> None:
        self._handles = handles
        join_serve_logs()
        self._meter = Meter()
        self._app: FastAPI | None = None
        self._recent = RecentAnswers()
        moves = RecentMoves()
        queues = partial(queues_of, tuple(itertools.chain(*handles.values())))
        self._work = OwnWork(self._recent, queues, moves)
        self._kept = Kept(system=SystemView(AllWork(self._work.now)), moves=moves)
        self._warming: asyncio.Task[None] | None = None
        self._services = self._build(GatewayConfig())

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Takes over new settings; running requests keep the old ones.

        Serve calls this with unchanged settings too, when a replica's rank changes.
        """
        config = parse_config(GatewayConfig, user_config)
        if config != self._services.config:
            self._services = self._build(config)
            if self._app is not None:
                self._app.state.services = self._services
        self._graph.runs()  # lets the routers of all handles learn who runs
        if self._warming is None:
            # A generator whose slots are all taken would let the first question wait for it.
            self._warming = asyncio.create_task(self._warm())

    async def _warm(self) -> None:
        await self._kept.counters.warm()
        await self._graph.reports.fresh()  # its load time is compared with `resume_s`

    async def canary(self) -> CanaryStatus:
        """Tells how the second version of the generator fares here."""
        return self._kept.canary.status()

    async def at_work(self) -> AtWork:
        """Tells what this Gateway does, so that any of them can tell of all."""
        return self._work.now()

    async def describe(self) -> ReplicaDescription:
        """Tells where the Gateway runs."""
        return describe_replica("gateway")

    def __serve_build_asgi_app__(self) -> FastAPI:  # the name that Serve calls
        """Builds the HTTP application, once a replica."""
        # Here, since every start imports this module a first time to learn the deployments.
        from graphs.api.app import build_app

        self._app = build_app(self._services, echo_request_id=False)
        return self._app

    def _account(self, trace: Trace) -> None:
        if self._app is not None:
            account(self._app.state.accounts, self._services.config.served_names.generator, trace)

    def _build(self, config: GatewayConfig) -> Services:
        replica = describe_replica("gateway")
        name, others = f"{replica.node_id}/{replica.pid}", (self._recent.add, self._account)
        observer = Observer(config.observing, self._meter, name, *others)
        graph = self._graph = Graph(config, self._handles, observer, self._kept)
        return Services(
            config=config,
            pipeline=graph,
            embedder=graph.embedder,
            reranker=graph.reranker,
            safety=graph.safety,
            retriever=graph.retriever,
            corpus=graph.corpus,
            tokens=graph.generator,
            reports=graph.reports,
            recent=observer.recent,
            system=self._kept.system,
        )
