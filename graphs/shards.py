"""Search over the shards of the index as over one."""

import asyncio
import random
from collections.abc import Sequence
from typing import Protocol

from index.searching.ranking import ShardScores
from index.searching.request import Hit, SearchRequest


class SearchShard(Protocol):
    """Searches a part of all passages, and tells the hits of what all parts found."""

    async def find(self, request: SearchRequest) -> ShardScores:
        """Finds passages of this shard: ids and scores."""
        ...

    async def read(self, found: Sequence[ShardScores], request: SearchRequest) -> tuple[Hit, ...]:
        """Gives the hits of what all shards found, best first."""
        ...


class ShardedRetriever:
    """Asks every shard, then lets one of them join the answers and read the hits.

    A shard that does not answer fails the search: hits that silently lack a part of the corpus
    would be taken for all there are.
    """

    def __init__(self, shards: Sequence[SearchShard]) -> None:
        self._shards = shards

    async def search(self, request: SearchRequest) -> tuple[Hit, ...]:
        """Finds passages, best first."""
        found = await asyncio.gather(*(shard.find(request) for shard in self._shards))
        reader = random.choice(self._shards)  # all can; spread, no secret
        return await reader.read(found, request)
