"""The Reranker deployment."""

from collections.abc import Mapping, Sequence
from typing import Any

from ray import serve

from deployments.batcher import Batcher
from deployments.model_loading import load_model
from deployments.replica import ReplicaDescription, describe_replica
from deployments.user_config import parse_config
from models.reranker import PairScore, RerankerConfig, RerankScores, check_rerank, joined
from models.reranker import Reranker as RerankerModel


@serve.deployment
class Reranker:
    """Scores documents against a query; the calls that wait take turns.

    Duties: load the model of `user_config` (a new one beside the old, then swap), keep torch off
    the event loop, prove its health by scoring.
    """

    def __init__(self) -> None:
        self._config: RerankerConfig | None = None

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Loads the model that the settings name; requests go on with the old one meanwhile.

        Serve calls this with unchanged settings too, when a replica's rank changes.
        """
        config = parse_config(RerankerConfig, user_config)
        if config == self._config:
            return
        model = await load_model(RerankerModel, config)
        self._batcher = Batcher[tuple[str, str], PairScore](
            model.score, cost=model.cost, max_cost=config.max_batch_tokens
        )
        self._config = config

    async def rerank(self, query: str, documents: Sequence[str]) -> RerankScores:
        """Scores every document; see `models.reranker.Reranker`."""
        check_rerank(query, documents)
        return joined(await self._batcher.submit([(query, document) for document in documents]))

    async def describe(self) -> ReplicaDescription:
        """Tells which model runs where."""
        return describe_replica(self._config.model if self._config else "")

    async def check_health(self) -> None:
        """Scores one pair before all that waits; raises when that fails."""
        await self._batcher.submit([("health", "health")], urgent=True)
