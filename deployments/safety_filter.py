"""The SafetyFilter deployment."""

from collections.abc import Mapping, Sequence
from typing import Any

from ray import serve

from deployments.batcher import Batcher
from deployments.model_loading import load_model
from deployments.replica import ReplicaDescription, describe_replica
from deployments.user_config import parse_config
from models.safety import SafetyClassifier, SafetyConfig, Verdict


@serve.deployment
class SafetyFilter:
    """Judges texts; merges the calls that wait.

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
        self._batcher = Batcher(model.classify, max_items=4 * config.batch_size)
        self._config = config

    async def classify(self, texts: Sequence[str]) -> tuple[Verdict, ...]:
        """Judges every text; see `models.safety.SafetyClassifier`."""
        return tuple(await self._batcher.submit(texts))

    async def describe(self) -> ReplicaDescription:
        """Tells which model runs where."""
        return describe_replica(self._config.model if self._config else "")

    async def check_health(self) -> None:
        """Judges one word; raises when that fails."""
        await self._batcher.submit(["health"])
