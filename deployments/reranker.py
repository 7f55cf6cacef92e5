"""The Reranker deployment."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ray import serve

from deployments.batcher import Batcher
from deployments.life.model_life import ModelLife, Steps
from deployments.model_loading import load_model, replaced
from deployments.replica import ReplicaDescription, describe_replica
from deployments.user_config import parse_config
from models.reranker import PairScore, RerankerConfig, RerankScores, check_rerank, joined
from models.reranker import Reranker as RerankerModel

Pairs = Batcher[tuple[str, str], PairScore]


@serve.deployment
class Reranker:
    """Scores documents against a query; the calls that wait take turns.

    Duties: load the model of `user_config` (a new one beside the old, then swap), keep torch off
    the event loop, prove its health by scoring.
    """

    def __init__(self) -> None:
        self._life = ModelLife(
            Steps(
                parse=partial(parse_config, RerankerConfig),
                load=_load,
                warm_up=_probe,
                retire=replaced,
            )
        )

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Loads the model that the settings name; requests go on with the old one meanwhile."""
        await self._life.change(user_config)

    async def rerank(self, query: str, documents: Sequence[str]) -> RerankScores:
        """Scores every document; see `models.reranker.Reranker`."""
        check_rerank(query, documents)
        pairs = await self._life.current()
        return joined(await pairs.submit([(query, document) for document in documents]))

    async def describe(self) -> ReplicaDescription:
        """Tells which model runs where."""
        report = self._life.report()
        return describe_replica(report.model, life=report)

    async def check_health(self) -> None:
        """Scores one pair before all that waits; raises when that fails."""
        self._life.remind()
        if self._life.loaded is not None:
            await _probe(self._life.loaded)


async def _load(config: RerankerConfig) -> Pairs:
    model = await load_model(RerankerModel, config)
    return Pairs(model.score, cost=model.cost, max_cost=config.max_batch_tokens)


async def _probe(pairs: Pairs) -> None:
    await pairs.submit([("health", "health")], urgent=True)
