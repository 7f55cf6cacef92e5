"""What engines tell of themselves, alike on all three: how full, how much, how fast."""

import asyncio

import pytest

from tests.models.engines.held import request, write

pytestmark = [
    pytest.mark.filterwarnings("ignore"),  # gptqmodel, torchao and vLLM warn at import
    pytest.mark.asyncio(loop_scope="session"),  # vLLM serves one event loop
]
LONG = {"max_tokens": 200, "ignore_eos": True, "temperature": 1.0}


async def until(held, is_so):
    """Reads until the engine tells what is waited for; gives the reading."""
    for _ in range(3000):
        activity = held.generator.activity()
        if is_so(activity):
            return activity
        await asyncio.sleep(0.01)
    pytest.fail(f"the engine tells {activity}")


def is_idle(activity):
    held = (activity.engine.num_running, activity.engine.num_waiting, activity.engine.cache_use)
    return (*held, activity.num_running_tokens, activity.num_waiting_tokens) == (0, 0, 0, 0, 0)


async def test_an_answer_is_counted_and_timed(held):
    await until(held, is_idle)
    held.generator.activity()
    asked = request("Which port?", max_tokens=12, ignore_eos=True)
    ids = await write(held, asked)
    activity = held.generator.activity()
    num_prompt = len(held.generator._prompting.ids(asked.messages))
    assert (activity.num_prompt_tokens, activity.num_tokens) == (num_prompt, len(ids))
    assert len(activity.first_token_s) == 1
    assert 1 <= len(activity.token_s) < len(ids)
    assert min(activity.first_token_s + activity.token_s) > 0
    again = await until(held, is_idle)
    assert (again.num_tokens, again.first_token_s) == (0, ())


async def test_requests_that_are_decoded_and_that_wait_are_told(held):
    asked = [request("Tell me all.", seed=seed, **LONG) for seed in range(40)]  # 32 slots
    answers = [asyncio.create_task(write(held, one)) for one in asked]

    def is_full(activity):
        """Some have begun, by the engine and by their first tokens, which come later."""
        engine = activity.engine
        has_begun = engine.num_running > 4 and activity.num_running_tokens > 0
        return has_begun and engine.num_waiting > 0 and activity.num_waiting_tokens > 0

    activity = await until(held, is_full)
    assert activity.engine.num_running + activity.engine.num_waiting <= 40
    assert 0 < activity.engine.cache_use <= 1
    num_tokens, cache_use = held.generator.load()  # what autoscaling reads, as often as it likes
    assert num_tokens > activity.num_waiting_tokens
    assert 0 < cache_use <= 1
    for one in answers:
        one.cancel()
    await asyncio.gather(*answers, return_exceptions=True)
    await until(held, is_idle)


@pytest.mark.parametrize(
    "held", ["transformers", pytest.param("vllm", marks=pytest.mark.vllm)], indirect=True
)
async def test_a_prefix_that_comes_again_is_found(held):
    words = "The port of the API is one that nobody has asked for. " * 12
    await write(held, request(words, max_tokens=2))
    before = held.generator.activity().engine
    await write(held, request(words, max_tokens=2))
    after = held.generator.activity().engine
    num_asked = after.num_prefix_asked - before.num_prefix_asked
    assert num_asked > 100
    assert num_asked / 2 < after.num_prefix_found - before.num_prefix_found < num_asked


@pytest.mark.parametrize("held", ["transformers"], indirect=True)
async def test_a_request_that_waits_for_room_asks_for_its_prefix_once(held):
    await until(held, is_idle)
    before = held.generator.activity().engine.num_prefix_asked
    asked = [request(f"Tell {seed}.", seed=seed, **LONG) for seed in range(40)]  # 32 slots
    await asyncio.gather(*(write(held, one) for one in asked))
    num_asked = held.generator.activity().engine.num_prefix_asked - before
    ids_of = held.generator._prompting.ids
    assert num_asked == sum(len(ids_of(one.messages)) for one in asked)
