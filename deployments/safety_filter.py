"""The SafetyFilter deployment."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

from ray import serve

from deployments.batching.batcher import Batcher
from deployments.life.model_life import ModelLife, Steps
from deployments.model_loading import load_model, replaced
from deployments.observing.replica import batch_observer, told_work
from deployments.replica import ReplicaDescription, describe_replica
from deployments.user_config import parse_config
from models.safety import Row, SafetyClassifier, SafetyConfig, Verdict, check_texts

Judge = tuple[SafetyClassifier, Batcher[str, Row]]


@serve.deployment
class SafetyFilter:
    """Judges texts; the calls that wait take turns, long texts piece by piece.

    Duties: load the model of `user_config` (a new one beside the old, then swap), keep torch off
    the event loop, prove its health by judging.
    """

    def __init__(self) -> None:
        self._life = ModelLife(
            Steps(
                parse=partial(parse_config, SafetyConfig),
                load=_load,
                warm_up=_probe,
                retire=replaced,
            )
        )

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Loads the model that the settings name; requests go on with the old one meanwhile."""
        await self._life.change(user_config)

    async def classify(self, texts: Sequence[str], *, weight: float = 1.0) -> tuple[Verdict, ...]:
        """Judges every text; see `models.safety.SafetyClassifier`, and `graphs.accounts.weight`."""
        check_texts(texts)
        model, batcher = await self._life.current()
        cut_texts = [model.pieces(text) for text in texts]
        rows = await batcher.submit(list(chain.from_iterable(cut_texts)), weight=weight)
        return model.verdicts(cut_texts, rows)

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Tells Serve's autoscaling how much there is to do; see `deployments.scaling`."""
        loaded = self._life.loaded
        return told_work(loaded[1:] if loaded else ())

    async def describe(self) -> ReplicaDescription:
        """Tells which model runs where."""
        report = self._life.report()
        return describe_replica(report.model, life=report)

    async def check_health(self) -> None:
        """Judges one word before all that waits; raises when that fails."""
        self._life.remind()
        if self._life.loaded is not None:
            await _probe(self._life.loaded)


async def _load(config: SafetyConfig) -> Judge:
    model = await load_model(SafetyClassifier, config)
    batcher = Batcher[str, Row](
        model.score, cost=model.cost, max_cost=config.max_batch_tokens,
        max_wait_s=config.max_wait_s, observe=batch_observer("safety_filter"),
    )  # fmt: skip
    return model, batcher


async def _probe(judge: Judge) -> None:
    _, batcher = judge
    await batcher.submit(["health"], urgent=True)
