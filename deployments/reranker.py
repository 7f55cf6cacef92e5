"""The Reranker deployment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from ray import serve

from deployments.batching.batcher import Batcher
from deployments.life.model_life import ModelLife, Steps
from deployments.model_loading import load_model, replaced
from deployments.observing.replica import batch_observer, told_work
from deployments.replica import ReplicaDescription, describe_replica
from deployments.user_config import parse_config
from models.reranker import PairScore, RerankerConfig, RerankScores, check_rerank, joined
from models.reranker import Reranker as RerankerModel

Pairs = Batcher[tuple[str, str], PairScore]


@dataclass(frozen=True, kw_only=True)
class ServedRerankers(RerankerConfig):
    """The cross-encoder that orders passages, and the one that judges sentences.

    Attributes:
        judge: says whether a single sentence answers a question, where answers are quoted, with the
            keys of the main one. None: the main one does.
    """

    judge: RerankerConfig | None = None

    @property
    def main(self) -> RerankerConfig:
        """The one that orders passages."""
        own = {field.name: getattr(self, field.name) for field in fields(RerankerConfig)}
        return RerankerConfig(**own)


@dataclass(frozen=True)
class _Loaded:
    main: Pairs
    judge: Pairs


@serve.deployment
class Reranker:
    """Scores documents against a query; the calls that wait take turns.

    Duties: load the model of `user_config` (a new one beside the old, then swap), keep torch off
    the event loop, prove its health by scoring.
    """

    def __init__(self) -> None:
        self._life = ModelLife(
            Steps(
                parse=partial(parse_config, ServedRerankers),
                load=_load,
                warm_up=_probe,
                retire=replaced,
            )
        )

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Loads the model that the settings name; requests go on with the old one meanwhile."""
        await self._life.change(user_config)

    async def rerank(
        self, query: str, documents: Sequence[str], *, weight: float = 1.0
    ) -> RerankScores:
        """Scores every document; see `models.reranker.Reranker`, and `graphs.accounts.weight`."""
        check_rerank(query, documents)
        return await _scored((await self._life.current()).main, query, documents, weight)

    async def judge(
        self, query: str, sentences: Sequence[str], *, weight: float = 1.0
    ) -> RerankScores:
        """Scores how likely each sentence, with its titles, answers the query."""
        check_rerank(query, sentences)
        return await _scored((await self._life.current()).judge, query, sentences, weight)

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Tells Serve's autoscaling how much there is to do; see `deployments.scaling`."""
        loaded = self._life.loaded
        return told_work(dict.fromkeys((loaded.main, loaded.judge)) if loaded else ())

    async def describe(self) -> ReplicaDescription:
        """Tells which model runs where."""
        report = self._life.report()
        return describe_replica(report.model, life=report)

    async def check_health(self) -> None:
        """Scores one pair before all that waits; raises when that fails."""
        self._life.remind()
        if self._life.loaded is not None:
            await _probe(self._life.loaded)


async def _load(config: ServedRerankers) -> _Loaded:
    main = await _pairs(config.main, "reranker")
    return _Loaded(main, await _pairs(config.judge, "judge") if config.judge else main)


async def _pairs(config: RerankerConfig, name: str) -> Pairs:
    model = await load_model(RerankerModel, config)
    return Pairs(
        model.score,
        cost=model.cost,
        max_cost=config.max_batch_tokens,
        max_wait_s=config.max_wait_s,
        observe=batch_observer(name),
    )


async def _scored(
    pairs: Pairs, query: str, documents: Sequence[str], weight: float
) -> RerankScores:
    asked = [(query, document) for document in documents]
    return joined(await pairs.submit(asked, weight=weight))


async def _probe(loaded: _Loaded) -> None:
    for pairs in dict.fromkeys((loaded.main, loaded.judge)):
        await pairs.submit([("health", "health")], urgent=True)
