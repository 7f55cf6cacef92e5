"""Which replica a request of a chat goes to, of replicas that Serve does not run."""

import math
from collections import Counter
from types import SimpleNamespace

import pytest

from deployments.prefix_router import PrefixRouter, by_rank


class Replica:
    def __init__(self, name):
        self.replica_id = SimpleNamespace(unique_id=name)


class Queues:
    """What a router knows of the requests in work."""

    def __init__(self):
        self.lengths = {}

    def get(self, replica_id):
        return self.lengths.get(replica_id.unique_id)


class Router(PrefixRouter):
    """Without Serve's machinery."""

    def __init__(self, **kwargs):
        self.initialize_state(**kwargs)
        self.queues = Queues()

    @property
    def replica_queue_len_cache(self):
        return self.queues


REPLICAS = [Replica(f"replica{number}") for number in range(4)]
CHATS = [f"{number:016x}" for number in range(400)]


def request(chat):
    return SimpleNamespace(
        metadata=SimpleNamespace(session_id=chat),
        routing_context=SimpleNamespace(should_backoff=False),
    )


async def names(router, chat, replicas=REPLICAS):
    groups = await router.choose_replicas(list(replicas), request(chat))
    return [[one.replica_id.unique_id for one in group] for group in groups]


async def test_a_chat_has_one_replica_whatever_the_order_and_the_router():
    firsts = {(await names(Router(), CHATS[0], each))[0][0] for each in (REPLICAS, REPLICAS[::-1])}
    assert len(firsts) == 1


async def test_chats_spread_over_the_replicas():
    router = Router()
    counts = Counter([(await names(router, chat))[0][0] for chat in CHATS])
    mean = len(CHATS) / len(REPLICAS)
    assert all(abs(count - mean) < 4 * math.sqrt(mean) for count in counts.values())
    assert len(counts) == len(REPLICAS)


async def test_only_the_chats_of_a_replica_that_goes_move():
    router = Router()
    for chat in CHATS:
        before = (await names(router, chat))[0][0]
        after = (await names(router, chat, REPLICAS[1:]))[0][0]
        assert before in (after, "replica0")


async def test_a_crowded_replica_is_passed_over_for_the_next_one_of_the_chat():
    router = Router(most_ahead=3)
    first, second, *_ = (one.replica_id.unique_id for one in by_rank(REPLICAS, CHATS[0]))
    router.queues.lengths = {first: 3}
    assert (await names(router, CHATS[0]))[0] == [first]
    router.queues.lengths = {first: 4}
    assert (await names(router, CHATS[0]))[0] == [second]
    router.queues.lengths = {one.replica_id.unique_id: 40 for one in REPLICAS}
    assert (await names(router, CHATS[0]))[0] == [first]


async def test_a_chat_of_many_requests_at_once_leaves_no_replica_idle():
    router, lengths = Router(most_ahead=3), Counter()
    router.queues.lengths = lengths
    for _ in range(80):  # none of which ends
        lengths[(await names(router, CHATS[0]))[0][0]] += 1
    assert len(lengths) == len(REPLICAS)
    assert max(lengths.values()) - min(lengths.values()) <= 4


async def test_a_full_replica_has_the_others_behind_it():
    groups = await names(Router(), CHATS[0])
    assert groups[0] == [by_rank(REPLICAS, CHATS[0])[0].replica_id.unique_id]
    assert {name for group in groups for name in group} == {f"replica{n}" for n in range(4)}
    assert len(groups[-1]) == 2


async def test_what_belongs_to_no_chat_goes_to_the_less_busy_of_two():
    router = Router()
    seen = [await names(router, "") for _ in range(100)]
    assert all(len(groups) == 1 and len(set(groups[0])) == 2 for groups in seen)
    assert {name for groups in seen for name in groups[0]} == {f"replica{n}" for n in range(4)}
    assert await names(router, "", REPLICAS[:1]) == [["replica0"]]


def test_a_wrong_bound_is_refused_with_its_value():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Router(most_ahead=0)
