"""The Gateway deployment: HTTP in front of the pipeline, which runs inside it."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, TypeVar

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle
from ray.serve.metrics import Counter

from deployments.settings import ReplicaDescription, describe_replica
from graphs.api.services import Services
from graphs.clients import (
    DeploymentClient,
    EmbedderClient,
    GeneratorClient,
    RerankerClient,
    RetrieverClient,
    SafetyClient,
)
from graphs.config import GatewayConfig
from graphs.corpus_client import CorpusClient
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
        handles: Mapping[str, DeploymentHandle],
        on_migration: Callable[[], None],
    ) -> None:
        self.config = config
        timeouts, retries = config.timeouts, Retries(config.failover)

        def client(client_class: type[Client], stage: str, timeout_s: float) -> Client:
            return client_class(handles[stage], stage=stage, timeout_s=timeout_s, retries=retries)

        self.embedder = client(EmbedderClient, "Embedder", timeouts.model_s)
        self.reranker = client(RerankerClient, "Reranker", timeouts.model_s)
        self.safety = client(SafetyClient, "SafetyFilter", timeouts.model_s)
        self.retrievers = {
            name: client(RetrieverClient, name, timeouts.corpus_s)
            for name in handles
            if name.startswith("Retriever")  # one, or its shards
        }
        shards = list(self.retrievers.values())
        self.retriever: SearchStage = shards[0] if len(shards) == 1 else ShardedRetriever(shards)
        self.corpus = client(CorpusClient, "Ingester", timeouts.corpus_s)
        self.generator = GeneratorClient(handles["Generator"], timeouts=timeouts, retries=retries)
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

    def __init__(self, handles: Mapping[str, DeploymentHandle]) -> None:
        self._handles = handles
        self._migrations = Counter(
            "ragfleet_migrations", description="answers that went on at another generator replica"
        )
        self._app: FastAPI | None = None
        self._services = self._build({})

    def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Takes over new settings; running requests keep the old ones."""
        self._services = self._build(user_config)
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

    def _build(self, user_config: Mapping[str, Any]) -> Services:
        config = GatewayConfig.model_validate(dict(user_config))
        graph = Graph(config, self._handles, self._migrations.inc)
        return Services(
            config=config,
            pipeline=graph,
            embedder=graph.embedder,
            reranker=graph.reranker,
            safety=graph.safety,
            retriever=graph.retriever,
            corpus=graph.corpus,
        )
