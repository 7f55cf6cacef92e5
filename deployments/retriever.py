"""The Retriever deployment."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray import serve

from deployments.settings import (
    ReplicaDescription,
    describe_replica,
    parse_config,
    refuse_unshared_database,
)
from index.catalog import Catalog
from index.fold import Fold
from index.recent_queries import RecentQueries
from index.search import Hit, SearchRequest


@dataclass(frozen=True, kw_only=True)
class RetrieverConfig:
    """The Retriever has no settings of its own yet; unknown ones are refused."""


@serve.deployment
class Retriever:
    """Searches the corpus; a fold of the change log, so it can die at any time.

    Duties: catch up with the log before every answer (read your writes), keep search off the event
    loop, prove its health by catching up.
    """

    def __init__(self, database_url: str) -> None:
        refuse_unshared_database(database_url)
        self._fold = Fold(Catalog(database_url))
        self._fold.catch_up()
        self._recent = RecentQueries()

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Takes over the settings."""
        self._config = parse_config(RetrieverConfig, user_config)

    async def search(self, request: SearchRequest) -> tuple[Hit, ...]:
        """Finds passages; see `index.fold.Fold`."""
        hits = await asyncio.to_thread(self._fold.search, request)
        self._recent.note(request.store_ids, request.text)
        return hits

    async def recent_queries(self, store_id: str) -> tuple[str, ...]:
        """Gives what this replica was asked for in a store lately, to compare embedders on."""
        return self._recent.of(store_id)

    async def describe(self) -> ReplicaDescription:
        """Tells where the index lies."""
        return describe_replica("corpus")

    async def check_health(self) -> None:
        """Catches up with the change log; raises when that fails."""
        await asyncio.to_thread(self._fold.catch_up)
