"""The Gateway deployment: HTTP in front of the pipeline, which runs inside it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, TypeVar, cast

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle
from ray.serve.metrics import Counter

from deployments.replica import ReplicaDescription, describe_replica
from deployments.user_config import parse_config
from graphs.api.services import Services
from graphs.clients import (
    CorpusClient,
    DeploymentClient,
    EmbedderClient,
    GeneratorClient,
    RerankerClient,
    RetrieverClient,
    SafetyClient,
)
from graphs.config import GatewayConfig
from graphs.corpus import Corpus
from graphs.errors import GraphError
from graphs.failover import ResumingGenerator, Retries
from graphs.pipeline.events import ChatRequest, Event
from graphs.pipeline.rag import RagPipeline
from graphs.pipeline.stages import SearchStage, Stages
from graphs.shards import ShardedRetriever

Client = TypeVar("Client", bound=DeploymentClient)


class Graph:
    """The pipeline and the clients of one configuration."""

    def __init__(
        self,
        config: GatewayConfig,
        handles: Mapping[str, Sequence[DeploymentHandle]],
        on_migration: Callable[[], None],
    ) -> None:
        self.config = config
        timeouts, retries = config.timeouts, Retries(config.failover)

        def client(
            client_class: type[Client], handle: DeploymentHandle, timeout_s: float
        ) -> Client:
            stage = handle.deployment_name
            return client_class(handle, stage=stage, timeout_s=timeout_s, retries=retries)

        self.embedder = client(EmbedderClient, handles["embedder"][0], timeouts.model_s)
        self.reranker = client(RerankerClient, handles["reranker"][0], timeouts.model_s)
        self.safety = client(SafetyClient, handles["safety_filter"][0], timeouts.model_s)
        self.retrievers = {  # one, or its shards
            handle.deployment_name: client(RetrieverClient, handle, timeouts.corpus_s)
            for handle in handles["retriever"]
        }
        shards = list(self.retrievers.values())
        self.retriever: SearchStage = shards[0] if len(shards) == 1 else ShardedRetriever(shards)
        self.corpus = client(CorpusClient, handles["ingester"][0], timeouts.corpus_s)
        # Further generators are bound and scaled, but nothing routes to them yet.
        self.generator = GeneratorClient(
            handles["generator"][0], timeouts=timeouts, retries=retries
        )
        self.pipeline = RagPipeline(
            config,
            Stages(
                embedder=self.embedder,
                retriever=self.retriever,
                reranker=self.reranker,
                safety=self.safety,
                generator=ResumingGenerator(self.generator, config.failover, on_migration),
            ),
        )

    def answer(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Answers a chat; see `graphs.pipeline.rag.RagPipeline`."""
        return self.pipeline.answer(request)

    async def ready(self) -> Mapping[str, bool]:
        """Asks every deployment whether a replica answers."""
        clients: Mapping[str, DeploymentClient] = {
            "embedder": self.embedder,
            **{name.lower(): shard for name, shard in self.retrievers.items()},
            "reranker": self.reranker,
            "safety_filter": self.safety,
            "generator": self.generator,
            "ingester": self.corpus,
        }
        answers = await asyncio.gather(*(self._answers(client) for client in clients.values()))
        return dict(zip(clients, answers, strict=True))

    async def _answers(self, client: DeploymentClient) -> bool:
        try:
            await client.describe(self.config.timeouts.ready_s)
        except GraphError:
            return False
        return True


@serve.deployment
@serve.ingress()
class Gateway:
    """Serves HTTP.

    Duties: build the graph of `user_config` over the handles, hand it to the HTTP application, take
    over new settings without a restart.
    """

    def __init__(self, handles: Mapping[str, Sequence[DeploymentHandle]]) -> None:
        self._handles = handles
        self._migrations = Counter(
            "ragfleet_migrations", description="answers that went on at another generator replica"
        )
        self._app: FastAPI | None = None
        self._services = self._build(GatewayConfig())

    def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Takes over new settings; running requests keep the old ones."""
        self._services = self._build(parse_config(GatewayConfig, user_config))
        if self._app is not None:
            self._app.state.services = self._services

    async def describe(self) -> ReplicaDescription:
        """Tells where the Gateway runs."""
        return describe_replica("gateway")

    def __serve_build_asgi_app__(self) -> FastAPI:  # the name that Serve calls
        """Builds the HTTP application, once a replica."""
        # Here, since every start imports this module a first time to learn the deployments.
        from graphs.api.app import build_app

        self._app = build_app(self._services, echo_request_id=False)
        return self._app

    def _build(self, config: GatewayConfig) -> Services:
        graph = Graph(config, self._handles, self._migrations.inc)
        return Services(
            config=config,
            pipeline=graph,
            embedder=graph.embedder,
            reranker=graph.reranker,
            safety=graph.safety,
            retriever=graph.retriever,
            corpus=cast("Corpus", graph.corpus),
        )
