"""The Embedder deployment."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from ray import serve

from deployments.batching.batcher import Batcher
from deployments.life.model_life import ModelLife, Steps
from deployments.model_loading import load_model, replaced
from deployments.observing.replica import batch_observer, told_work
from deployments.replica import ReplicaDescription, describe_replica
from deployments.user_config import parse_config
from models.embedder import Embedder as EmbedderModel
from models.embedder import EmbedderConfig, Embeddings, Row, TextKind
from models.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True)
class ServedEmbedders(EmbedderConfig):
    """The main embedder, which new stores get, and those of other stores.

    Attributes:
        also: further embedders, each with the keys of the main one.
    """

    also: tuple[EmbedderConfig, ...] = ()

    def __post_init__(self) -> None:
        """Checks every embedder.

        Raises:
            InvalidInputError: a setting is wrong, or a model is named twice.
        """
        super().__post_init__()
        names = [(config.model, config.revision) for config in self.configs]
        if len(set(names)) < len(names):
            msg = f"each embedder must be named once, got {[model for model, _ in names]}"
            raise InvalidInputError(msg)

    @property
    def configs(self) -> tuple[EmbedderConfig, ...]:
        """All embedders, the main one first."""
        own = {field.name: getattr(self, field.name) for field in fields(EmbedderConfig)}
        return (EmbedderConfig(**own), *self.also)


class _Loaded:
    """A model and the calls before it: queries and documents take turns."""

    def __init__(self, config: EmbedderConfig, model: EmbedderModel) -> None:
        self.config = config
        self.model = model
        self.batcher = Batcher[str, Row](
            model.rows, cost=model.cost, max_cost=config.max_batch_tokens,
            max_wait_s=config.max_wait_s, observe=batch_observer("embedder"),
        )  # fmt: skip

    async def embed(
        self, texts: Sequence[str], kind: TextKind, *, urgent: bool = False, weight: float = 1.0
    ) -> Embeddings:
        prefixed = [self.model.prefixed(text, kind) for text in texts]
        rows = await self.batcher.submit(prefixed, urgent=urgent, weight=weight)
        return self.model.joined(rows)


@serve.deployment
class Embedder:
    """Embeds texts; the calls that wait take turns.

    Duties: load the models of `user_config` (new ones beside the old, then swap), keep torch off
    the event loop, prove its health by embedding.

    Vectors are of the main model, unless a call names the fingerprint of another that is loaded;
    queries are embedded by every model, since the stores of a search may be of several.
    """

    def __init__(self) -> None:
        self._life = ModelLife(
            Steps(
                parse=partial(parse_config, ServedEmbedders),
                load=self._load,
                warm_up=_probe,
                retire=replaced,
            )
        )

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Loads the models that the settings name; requests go on with the old ones meanwhile."""
        await self._life.change(user_config)

    async def embed(
        self,
        texts: Sequence[str],
        kind: TextKind = "document",
        dimensions: int | None = None,
        fingerprint: str | None = None,
        weight: float = 1.0,
    ) -> Embeddings:
        """Embeds texts; see `models.embedder.Embedder`, and `graphs.accounts.weight`."""
        loaded = await self._life.current()
        if kind == "query" and len(loaded) > 1:
            calls = (one.embed(texts, kind, weight=weight) for one in loaded)
            first, *others = await asyncio.gather(*calls)
            return replace(loaded[0].model.cut(first, dimensions), others=tuple(others))
        one = _of(loaded, fingerprint)
        return one.model.cut(await one.embed(texts, kind, weight=weight), dimensions)

    async def tokenizer_json(self, fingerprint: str | None = None) -> str:
        """Gives the tokenizer, so that documents are cut by the tokens of this model."""
        return _of(await self._life.current(), fingerprint).model.tokenizer_json()

    async def fingerprint(self, wanted: str | None = None) -> str:
        """Names the model that embeds for a store: the wanted one if it is loaded, else the main.

        With it content which the model has embedded before is not sent again.
        """
        return _of(await self._life.current(), wanted).model.fingerprint

    async def served(self) -> dict[str, EmbedderConfig]:
        """The settings of every loaded model, by its fingerprint; the main one first."""
        return {one.model.fingerprint: one.config for one in await self._life.current()}

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Tells Serve's autoscaling how much there is to do; see `deployments.scaling`."""
        return told_work(one.batcher for one in self._life.loaded or ())

    async def describe(self) -> ReplicaDescription:
        """Tells which model runs where."""
        report = self._life.report()
        return describe_replica(report.model, life=report)

    async def check_health(self) -> None:
        """Embeds one word with every model, before all that waits; raises when that fails."""
        self._life.remind()
        if self._life.loaded is not None:
            await _probe(self._life.loaded)

    async def _load(self, config: ServedEmbedders) -> tuple[_Loaded, ...]:
        held = {one.config: one for one in self._life.loaded or ()}
        return tuple(
            [
                held.get(one) or _Loaded(one, await load_model(EmbedderModel, one))
                for one in config.configs
            ]
        )


async def _probe(loaded: tuple[_Loaded, ...]) -> None:
    await asyncio.gather(*(one.embed(["health"], "query", urgent=True) for one in loaded))


def _of(loaded: tuple[_Loaded, ...], fingerprint: str | None) -> _Loaded:
    named = (one for one in loaded if one.model.fingerprint == fingerprint)
    return next(named, loaded[0])
