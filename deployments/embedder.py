"""The Embedder deployment."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from ray import serve

from deployments.batcher import Batcher
from deployments.settings import ReplicaDescription, describe_replica, load_model, parse_config
from models.embedder import Embedder as EmbedderModel
from models.embedder import EmbedderConfig, Embeddings, TextKind


@serve.deployment
class Embedder:
    """Embeds texts; merges the calls that wait.

    Duties: load the model of `user_config` (a new one beside the old, then swap), keep torch off
    the event loop, prove its health by embedding.
    """

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Loads the model that the settings name; requests go on with the old one meanwhile."""
        config = parse_config(EmbedderConfig, user_config)
        model = await load_model(EmbedderModel, config)
        self._batchers = {
            kind: Batcher(partial(_embed_rows, model, kind), max_items=4 * config.batch_size)
            for kind in ("query", "document")
        }
        self._config, self._model = config, model

    async def embed(
        self, texts: Sequence[str], kind: TextKind = "document", dimensions: int | None = None
    ) -> Embeddings:
        """Embeds texts; see `models.embedder.Embedder`."""
        model, rows = self._model, await self._batchers[kind].submit(texts)
        embeddings = Embeddings(
            vectors=np.stack([vector for vector, _ in rows]),
            token_counts=np.asarray([count for _, count in rows], dtype=np.int32),
            fingerprint=model.fingerprint,
        )
        return model.cut(embeddings, dimensions)

    async def tokenizer_json(self) -> str:
        """Gives the tokenizer, so that documents are cut by the tokens of this model."""
        return self._model.tokenizer_json()

    async def fingerprint(self) -> str:
        """Names the model, so that content which it has embedded before is not sent again."""
        return self._model.fingerprint

    async def describe(self) -> ReplicaDescription:
        """Tells which model runs where."""
        return describe_replica(self._config.model)

    async def check_health(self) -> None:
        """Embeds one word; raises when that fails."""
        await self._batchers["query"].submit(["health"])


def _embed_rows(
    model: EmbedderModel, kind: TextKind, texts: Sequence[str]
) -> list[tuple[np.ndarray[Any, np.dtype[np.float32]], int]]:
    embeddings = model.embed(texts, kind=kind)
    return list(zip(embeddings.vectors, embeddings.token_counts.tolist(), strict=True))
