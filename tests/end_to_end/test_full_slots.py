"""All slots of the generator are taken: whatever needs none goes on as if they were free.

Nothing here is timed: what must not wait for a slot has to end while every slot is still held.
"""

import asyncio
import time
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import httpx
import pytest

from chaos.arena import until
from chaos.fleet import Fleet
from chaos.probe import Probe

pytestmark = pytest.mark.ray

NUM_SLOTS = 2
QUEUE = 1
ONE = {"autoscaling_config": {"min_replicas": 1, "max_replicas": 1}}
CHANGES = {
    **dict.fromkeys(("Embedder", "Retriever", "Reranker", "SafetyFilter"), ONE),
    # A refusal within the test did not wait for a slot: that takes longer than the test.
    "Gateway": {**ONE, "user_config": {"timeouts": {"slot_s": 900}}},
    "Generator": {
        **ONE,
        "max_ongoing_requests": NUM_SLOTS,
        "max_queued_requests": QUEUE,
        "user_config": {"max_concurrent_requests": NUM_SLOTS, "tokens_per_s": 5},
    },
}
ENDLESS = {
    "model": "generator",
    "messages": [{"role": "user", "content": "Go on."}],
    "max_tokens": 10_000,  # half an hour
    "stream": True,
}
QUESTIONS = [f"On which port does answer number {number} listen?" for number in range(QUEUE + 2)]


@pytest.fixture(scope="module")
def fleet():
    """One simulated, slow generator of two slots behind the real graph, on one node."""
    with Fleet(num_spot=0, changes=CHANGES) as made:
        yield made


@pytest.fixture(scope="module")
def store_id(fleet):
    """A store with one document, which has an answer to every question."""
    with httpx.Client(base_url=f"{fleet.url}/v1", timeout=60) as client:
        text = "The port on which the answer listens is 8000."
        upload = {"file": ("ports.txt", text.encode(), "text/plain")}
        file = client.post("/files", data={"purpose": "assistants"}, files=upload).json()
        made = client.post("/vector_stores", json={"name": "ports", "file_ids": [file["id"]]})
        route = f"/vector_stores/{made.json()['id']}"
        for _ in range(120):
            if client.get(route).json()["file_counts"]["completed"] == 1:
                return made.json()["id"]
            time.sleep(0.5)
        pytest.fail("the document was not indexed")


@pytest.fixture
async def client(fleet):
    # Far below `slot_s`: whatever waits for a slot ends as an httpx.ReadTimeout.
    async with httpx.AsyncClient(base_url=fleet.url, timeout=60) as made:
        yield made


async def holders(fleet):
    """The requests that hold a slot now, by the generator's own ledger."""
    return sorted(one for served in await Probe(fleet.system).served() for one in served["active"])


@asynccontextmanager
async def all_slots_held(fleet, client):
    """Takes every slot, and proves at the end that none was free meanwhile.

    A stream that has ended does not hold its slot again, so the same holders before and after are
    the holders in between.
    """
    names = [f"holder-{number}" for number in range(NUM_SLOTS)]
    async with AsyncExitStack() as streams:
        for name in names:
            headers = {"x-request-id": name}
            stream = client.stream("POST", "/v1/chat/completions", json=ENDLESS, headers=headers)
            reply = await streams.enter_async_context(stream)
            lines = await streams.enter_async_context(aclosing(reply.aiter_lines()))
            assert (await anext(lines)).startswith(("id:", "data:"))
        assert await holders(fleet) == names
        yield
        assert await holders(fleet) == names
    await until(lambda: all_are_free(fleet), "the slots to be free", 60)


async def all_are_free(fleet):
    return not await holders(fleet)


async def test_searches_are_answered(fleet, store_id, client):
    async with all_slots_held(fleet, client):
        for _ in range(20):
            query = {"query": "Is the port open?"}
            found = await client.post(f"/v1/vector_stores/{store_id}/search", json=query)
            assert found.status_code == 200, found.text
            assert found.json()["data"][0]["filename"] == "ports.txt"


async def test_the_system_says_that_it_is_ready(fleet, store_id, client):
    async with all_slots_held(fleet, client):
        ready = await client.get("/readyz")
        assert ready.status_code == 200, ready.text


async def test_a_question_is_refused_at_the_slot_and_not_before_its_search(
    fleet, store_id, client, probing
):
    def ask(question):
        body = {"model": "rag:ports", "messages": [{"role": "user", "content": question}]}
        return asyncio.create_task(client.post("/v1/chat/completions", json=body))

    with probing(fleet.ray_address, fleet.environment) as answer:
        searched_before = await asyncio.to_thread(answer, f"recent {store_id}")
        async with all_slots_held(fleet, client):
            waiting = {ask(question) for question in QUESTIONS}
            refused = set()
            while len(waiting) > QUEUE:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                refused |= done
            searched = await asyncio.to_thread(answer, f"recent {store_id}")
    for task in waiting:
        task.cancel()
    assert not set(QUESTIONS) & set(searched_before)
    replies = [task.result() for task in refused]
    assert {reply.status_code for reply in replies} == {503}
    assert {reply.json()["error"]["code"] for reply in replies} == {"overloaded"}
    assert all(int(reply.headers["retry-after"]) >= 1 for reply in replies)
    assert set(QUESTIONS) <= set(searched)
