"""The Reranker deployment."""

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ray import serve

from deployments.model_loading import load_model
from deployments.replica import ReplicaDescription, describe_replica
from deployments.user_config import parse_config
from models.reranker import Reranker as RerankerModel
from models.reranker import RerankerConfig, RerankScores


@serve.deployment
class Reranker:
    """Scores documents against a query, one call after the other: each is a batch already.

    Duties: load the model of `user_config` (a new one beside the old, then swap), keep torch off
    the event loop, prove its health by scoring.
    """

    def __init__(self) -> None:
        self._config: RerankerConfig | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Loads the model that the settings name; requests go on with the old one meanwhile.

        Serve calls this with unchanged settings too, when a replica's rank changes.
        """
        config = parse_config(RerankerConfig, user_config)
        if config == self._config:
            return
        self._model = await load_model(RerankerModel, config)
        self._config = config

    async def rerank(self, query: str, documents: Sequence[str]) -> RerankScores:
        """Scores every document; see `models.reranker.Reranker`."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._model.rerank, query, documents)

    async def describe(self) -> ReplicaDescription:
        """Tells which model runs where."""
        return describe_replica(self._config.model if self._config else "")

    async def check_health(self) -> None:
        """Scores one pair; raises when that fails."""
        await self.rerank("health", ["health"])
