"""The Retriever deployment."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ray import serve

from deployments.observing.corpus import IndexSizes
from deployments.observing.logs import join_serve_logs
from deployments.observing.metrics import Meter
from deployments.replica import ReplicaDescription, describe_replica
from deployments.shared_database import refuse_unshared_database
from deployments.user_config import parse_config
from index.catalog.catalog import Catalog
from index.searching.fold import Fold
from index.searching.ranking import ShardScores
from index.searching.request import Hit, SearchRequest
from index.shard import WHOLE, Shard
from models.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True)
class RetrieverConfig:
    """The Retriever has no settings of its own yet; unknown ones are refused."""


def retriever_names(num_shards: int) -> tuple[str, ...]:
    """The deployments that hold the search index, in the order of the shards."""
    if num_shards == 1:
        return ("Retriever",)
    return tuple(f"Retriever{number}" for number in range(num_shards))


@serve.deployment
class Retriever:
    """Searches the corpus or a shard of it; a fold of the change log, so it can die at any time.

    Duties: catch up with the log before every answer (read your writes), keep search off the event
    loop, prove its health by catching up, refuse to be a shard without a block in the YAML.
    """

    def __init__(self, database_url: str, shard: Shard = WHOLE) -> None:
        refuse_unshared_database(database_url)
        self._shard = shard
        self._config: RetrieverConfig | None = None
        join_serve_logs()
        self._sizes = IndexSizes(Meter())
        self._fold = Fold(Catalog(database_url), shard)
        self._fold.catch_up()

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Takes over the settings."""
        self._config = parse_config(RetrieverConfig, user_config)

    async def search(self, request: SearchRequest) -> tuple[Hit, ...]:
        """Finds passages; see `index.searching.fold.Fold`."""
        return await asyncio.to_thread(self._fold.search, request)

    async def recent_queries(self, store_id: str) -> tuple[str, ...]:
        """Gives what this replica was asked for in a store lately, to compare embedders on."""
        return self._fold.recent_queries.of(store_id)

    async def find(self, request: SearchRequest) -> ShardScores:
        """Finds passages of this shard; see `index.searching.fold.Fold`."""
        return await asyncio.to_thread(self._fold.find, request)

    async def read(self, found: Sequence[ShardScores], request: SearchRequest) -> tuple[Hit, ...]:
        """Tells the hits of what all shards found; see `index.searching.fold.Fold`."""
        return await asyncio.to_thread(self._fold.read, found, request)

    async def describe(self) -> ReplicaDescription:
        """Tells where the index lies."""
        return describe_replica("corpus")

    async def check_health(self) -> None:
        """Catches up with the change log; raises when that fails."""
        if self._shard.count > 1 and self._config is None:
            # Serve would run it with defaults: one replica, and a queue without end.
            name = retriever_names(self._shard.count)[self._shard.number]
            msg = (
                f"{name} has no block with a `user_config` in the YAML; with retriever_shards: "
                f"{self._shard.count} each shard needs one, from Retriever0 on"
            )
            raise InvalidInputError(msg)
        await asyncio.to_thread(self._fold.catch_up)
        self._sizes.record(dict(self._fold.indexes))
