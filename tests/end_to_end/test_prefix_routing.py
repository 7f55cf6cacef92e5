"""Real Serve, simulated generators: the turns of a chat meet one replica, as long as it runs."""

import httpx
import pytest

from chaos import processes
from chaos.fleet import Fleet
from chaos.probe import Probe

pytestmark = pytest.mark.ray

ONE = {"autoscaling_config": {"min_replicas": 1, "max_replicas": 1}}
CHANGES = {
    **dict.fromkeys(("Gateway", "Embedder", "Retriever", "Reranker", "SafetyFilter"), ONE),
    "Generator": {
        "max_replicas_per_node": 3,
        "request_router_config": {
            "request_router_class": "deployments.prefix_router:PrefixRouter",
            "request_router_kwargs": {"most_ahead": 4},
        },
        "user_config": {"tokens_per_s": 100},
    },
}
NUM_CHATS, NUM_TURNS = 8, 3


@pytest.fixture(scope="module")
def fleet():
    with pytest.MonkeyPatch.context() as environment:
        # A replica that stands still for longer than that is passed over, and another one taken.
        for name in ("", "MAX_"):
            environment.setenv(f"RAY_SERVE_{name}QUEUE_LENGTH_RESPONSE_DEADLINE_S", "20")
        with Fleet(num_spot=0, changes=CHANGES) as made:
            yield made


@pytest.fixture
async def client(fleet):
    async with httpx.AsyncClient(base_url=f"{fleet.url}/v1", timeout=60) as made:
        yield made


async def turns(fleet, client, messages, num_turns=NUM_TURNS):
    """Asks so many turns, each with all before it; gives how many each replica answered."""
    before = await counts(fleet)
    for number in range(num_turns):
        body = {"model": "generator", "messages": messages, "max_tokens": 4}
        reply = await client.post("/chat/completions", json=body)
        assert reply.status_code == 200, reply.text
        messages += [reply.json()["choices"][0]["message"] | {"annotations": None}]
        messages += [{"role": "user", "content": f"And then, for the time {number}?"}]
    after = await counts(fleet)
    return {pid: count - before.get(pid, 0) for pid, count in after.items()}


async def counts(fleet):
    async with Probe(fleet.system) as probe:
        return {one["pid"]: one["num_requests"] for one in await probe.served()}


async def test_chats_of_one_key_meet_one_replica_whatever_they_begin_with(fleet, client):
    before = await counts(fleet)
    for number in range(NUM_CHATS):
        messages = [{"role": "user", "content": f"Tell fable {number}."}]
        body = {"model": "generator", "messages": messages, "max_tokens": 4}
        reply = await client.post("/chat/completions", json=body | {"prompt_cache_key": "fables"})
        assert reply.status_code == 200, reply.text
    after = await counts(fleet)
    assert sorted(count - before.get(pid, 0) for pid, count in after.items()) == [0, 0, NUM_CHATS]


async def test_each_chat_has_a_replica_and_finds_another_when_that_is_lost(fleet, client):
    chats = [[{"role": "user", "content": f"Tell tale {n}."}] for n in range(NUM_CHATS)]
    own = []
    for messages in chats:
        answered = await turns(fleet, client, messages)
        assert sorted(answered.values()) == [0, 0, NUM_TURNS], answered
        own.append(max(answered, key=answered.get))
    assert len(set(own)) > 1  # not all at one

    processes.kill([own[0]])
    await turns(fleet, client, chats[0], 1)  # at once, and without an error
    for messages, pid in zip(chats, own, strict=True):
        if pid != own[0]:
            assert (await turns(fleet, client, messages, 1))[pid] == 1
