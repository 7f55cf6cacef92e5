"""How Serve chooses among generators: requests of one chat go to the replica that knows its start.

A generator keeps the keys and values of prompts (prefix caching), and the turns of a chat, or of an
agent that calls tools, begin alike. So a chat has a replica of its own, found by its id alone
(rendezvous hashing), alike in every Gateway and without anything to keep: when replicas come or go,
only the chats of these move. A replica with more than `most_ahead` requests above what the least
busy one has in work is passed over for the chat's next one, so that no chat waits while others are
idle: nor does what a client names alike, all of which is one chat here (`prompt_cache_key`).
Requests without a chat, and answers that move from a lost replica, go to the less busy of two, as
Serve's own router sends everything.

    - name: Generator
      request_router_config:
        request_router_class: deployments.prefix_router:PrefixRouter
        request_router_kwargs: {most_ahead: 8}

Hashing with a bound of the load: Mirrokni, Thorup, Zadimoghaddam, "Consistent Hashing with Bounded
Loads" (SODA 2018); rendezvous: Thaler, Ravishankar, "Using Name-Based Mappings to Increase Hit
Rates" (1998).
"""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from ray.serve.request_router import PendingRequest, RequestRouter, RunningReplica


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """What `request_router_kwargs` says.

    Attributes:
        most_ahead: requests in work that a chat's replica may have more than the least busy one.
    """

    most_ahead: int = 8

    def __post_init__(self) -> None:
        """Checks the range."""
        if self.most_ahead < 1:
            raise ValueError(f"most_ahead must be at least 1, got {self.most_ahead}")


class PrefixRouter(RequestRouter):  # type: ignore[misc]
    """Chooses by `session_id` of a call; see the module."""

    def initialize_state(self, **kwargs: int) -> None:
        """Takes `Bounds`; the check of the YAML has refused what they refuse, with its line."""
        self._most_ahead = Bounds(**kwargs).most_ahead

    async def choose_replicas(
        self,
        candidate_replicas: list[RunningReplica],
        pending_request: PendingRequest | None = None,
    ) -> list[list[RunningReplica]]:
        """Gives groups of replicas, in the order in which they are asked for room."""
        if pending_request is None:
            return [candidate_replicas]
        pending_request.routing_context.should_backoff = True
        two = random.sample(candidate_replicas, min(2, len(candidate_replicas)))
        chat = pending_request.metadata.session_id
        if not chat:
            return [two]
        ranked = by_rank(candidate_replicas, chat)
        return [[one] for one in self._without_crowded(ranked)] + [two]

    def _without_crowded(self, ranked: Sequence[RunningReplica]) -> list[RunningReplica]:
        lengths = {one: self.replica_queue_len_cache.get(one.replica_id) or 0 for one in ranked}
        most = min(lengths.values(), default=0) + self._most_ahead
        return [one for one in ranked if lengths[one] <= most]


def by_rank(replicas: Sequence[RunningReplica], chat: str) -> list[RunningReplica]:
    """Sorts replicas by how much they are a chat's own, the same in every process."""
    return sorted(replicas, key=lambda one: _weight(one.replica_id.unique_id, chat), reverse=True)


def _weight(replica: str, chat: str) -> bytes:
    return hashlib.blake2b(f"{chat}\0{replica}".encode(), digest_size=8).digest()
