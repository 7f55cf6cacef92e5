"""What counts tokens is learnt once from the generator, and anew when another model is served."""

import asyncio
from dataclasses import replace

import pytest

from graphs.deadline import deadline_in, time_left_s
from graphs.errors import OverloadedError, StageUnavailableError
from graphs.generator_client import TokenCounters
from models.identity import ModelIdentity
from tests.graphs.fake_stages import word_counter

SMALL = word_counter(context_tokens=100, max_answer_tokens=10).profile
LARGE = replace(
    SMALL,
    identity=ModelIdentity(model="large", source="commit:x", template="", engine="fake"),
    context_tokens=900,
)


def counting(asked):
    counters = TokenCounters()
    counters.ask = asked
    return counters


class Asked:
    """Gives these profiles in their order, the last one again and again; raises errors."""

    def __init__(self, *answers):
        self.answers, self.count = list(answers), 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def __call__(self):
        self.count += 1
        await self.may_answer.wait()
        self.left_s = time_left_s()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_many_questions_ask_once():
    asked = Asked(SMALL)
    counters = counting(asked)
    found = await asyncio.gather(*(counters.current() for _ in range(5)))
    assert {one.profile for one in found} == {SMALL}
    await counters.current()
    assert asked.count == 1


async def test_one_who_leaves_does_not_take_the_answer_from_the_others():
    asked = Asked(SMALL)
    asked.may_answer.clear()
    counters = counting(asked)
    with deadline_in(5.0):
        leaving = asyncio.create_task(counters.current())
    staying = asyncio.create_task(counters.current())
    await asyncio.sleep(0.01)
    leaving.cancel()
    asked.may_answer.set()
    assert (await staying).profile == SMALL
    assert asked.left_s == float("inf")  # nobody's deadline


async def test_a_stream_of_another_model_brings_its_counter(monkeypatch):
    monkeypatch.setattr("graphs.generator_client._PATIENCE_S", 0.0)
    asked = Asked(SMALL, LARGE)
    counters = counting(asked)
    await counters.current()
    for _ in range(3):
        counters.note(LARGE.identity.digest)
    assert (await counters.current()).profile == SMALL  # nobody waits for the new one
    await asyncio.sleep(0.1)
    assert (await counters.current()).profile == LARGE
    assert asked.count == 2
    counters.note(SMALL.identity.digest)  # an old replica still answers
    assert (await counters.current()).profile == SMALL
    assert asked.count == 2


@pytest.mark.parametrize("error", [StageUnavailableError("down"), OverloadedError("full")])
async def test_a_lack_of_generators_is_told_and_asked_about_again(error):
    counters = counting(Asked(error, SMALL))
    with pytest.raises(type(error)):
        await counters.current()
    assert (await counters.current()).profile == SMALL


async def test_warming_waits_for_the_first_generator(monkeypatch):
    monkeypatch.setattr("graphs.generator_client._RETRY_S", 0.01)
    asked = Asked(StageUnavailableError("down"), OverloadedError("full"), SMALL)
    counters = counting(asked)
    await asyncio.wait_for(counters.warm(), 5)
    assert asked.count == 3


async def test_a_model_that_nobody_describes_is_not_asked_for_again_and_again():
    asked = Asked(SMALL)
    counters = counting(asked)
    await counters.current()
    for _ in range(50):
        counters.note("the digest of a model that retires")
        await asyncio.sleep(0)
    assert asked.count == 1
    assert (await counters.current()).profile == SMALL
