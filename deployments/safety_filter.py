"""The SafetyFilter deployment."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from ray import serve

from deployments.batcher import Batcher
from deployments.model_loading import load_model
from deployments.replica import ReplicaDescription, describe_replica
from deployments.user_config import parse_config
from models.safety import Row, SafetyClassifier, SafetyConfig, Verdict, check_texts


@serve.deployment
class SafetyFilter:
    """Judges texts; the calls that wait take turns, long texts piece by piece.

    Duties: load the model of `user_config` (a new one beside the old, then swap), keep torch off
    the event loop, prove its health by judging.
    """

    def __init__(self) -> None:
        self._config: SafetyConfig | None = None

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Loads the model that the settings name; requests go on with the old one meanwhile.

        Serve calls this with unchanged settings too, when a replica's rank changes.
        """
        config = parse_config(SafetyConfig, user_config)
        if config == self._config:
            return
        model = await load_model(SafetyClassifier, config)
        self._loaded = (
            model,
            Batcher[str, Row](model.score, cost=model.cost, max_cost=config.max_batch_tokens),
        )
        self._config = config

    async def classify(self, texts: Sequence[str]) -> tuple[Verdict, ...]:
        """Judges every text; see `models.safety.SafetyClassifier`."""
        check_texts(texts)
        model, batcher = self._loaded
        cut_texts = [model.pieces(text) for text in texts]
        rows = await batcher.submit(list(chain.from_iterable(cut_texts)))
        return model.verdicts(cut_texts, rows)

    async def describe(self) -> ReplicaDescription:
        """Tells which model runs where."""
        return describe_replica(self._config.model if self._config else "")

    async def check_health(self) -> None:
        """Judges one word before all that waits; raises when that fails."""
        _, batcher = self._loaded
        await batcher.submit(["health"], urgent=True)
