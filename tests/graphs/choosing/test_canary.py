"""A second version gets its share, keeps its conversations, and is rolled back when it is worse.

The clock is the test's; answers come from the real pipeline over scripted stages, or from a script.
"""

import asyncio
from dataclasses import replace

import pytest

from graphs.caller import Caller
from graphs.pipeline.events import Retrieved
from graphs.settings import CanarySettings
from models.errors import ContextLengthError
from tests.graphs.choosing.scripted import END, Clock, Version, ask, made, request, run
from tests.graphs.fake_stages import FakeStages, pipeline


async def test_a_share_of_a_fifth_is_kept_within_two_hundredths_and_a_good_version_stays():
    clock = Clock()
    canary = made(clock)
    second = Version(clock, "two", seconds=1.2, fails_every=50, flags_every=50)
    first = await run(canary, clock, second)
    assert len(first.asked) + len(second.asked) == 1000
    assert abs(len(second.asked) / 1000 - 0.2) <= 0.02
    status = canary.status()
    assert status.rolled_back == ""
    assert (status.first.median_s, status.second.median_s) == pytest.approx((1.0, 1.2))
    assert status.second.failed == pytest.approx(0.02, abs=0.01)


async def test_a_conversation_and_a_key_stay_with_their_version():
    canary, by_key = made(), made(sticky="key")
    callers = [Caller(tenant="a", key_id=f"k{number}") for number in range(200)]
    for number, caller in enumerate(callers):
        versions = {canary.holds(request(number, turns=turns)) for turns in (1, 2, 5)}
        assert len(versions) == 1
        assert len({by_key.holds(request(one, caller=caller)) for one in range(5)}) == 1
        # One key of many conversations takes none of them along.
        keyed = request(number, cache_key="app")
        assert canary.holds(keyed) == canary.holds(request(number))
        # A larger share takes more in and leaves nobody out.
        if canary.holds(request(number)):
            assert made(share=0.4).holds(request(number))
    assert 20 <= sum(by_key.holds(request(0, caller=caller)) for caller in callers) <= 60


@pytest.mark.parametrize(
    ("worse", "told"),
    [
        ({"fails_every": 1}, "answers failed"),
        ({"fails_every": 3}, "answers failed"),
        ({"flags_every": 2}, "answers flagged"),
        ({"seconds": 5.0}, "half of its answers take 5.00 s and more, at most 2.00 s are allowed"),
    ],
    ids=str,
)
async def test_a_failing_a_flagged_and_a_slow_version_is_rolled_back(worse, told):
    clock = Clock()
    canary = made(clock)
    second = Version(clock, "two", **worse)
    await run(canary, clock, second)
    assert told in canary.rolled_back
    assert len(second.asked) <= 30  # of 200 that its share would be
    touched = len(second.asked)
    await run(canary, clock, second, count=200)
    assert len(second.asked) == touched


async def test_a_version_that_never_ends_is_found_by_the_age_of_its_answers():
    clock = Clock()
    canary = made(clock, share=0.5)
    first, asked = Version(clock, "one", seconds=0.1), []

    async def hangs(_request):
        asked.append(1)
        yield Retrieved(passages=(), search_query=None, timings=(), identity="two")
        await asyncio.sleep(3600)

    tasks = []
    for number in range(400):
        if canary.holds(request(number)) and not canary.rolled_back:
            tasks.append(asyncio.create_task(ask(canary, request(number), first, hangs)))
            await asyncio.sleep(0)
        else:
            await ask(canary, request(number), first, hangs)
        if canary.rolled_back:
            break
    assert "half of its answers take" in canary.rolled_back
    assert clock.now < 60  # seconds, at ten questions a second
    assert len(asked) <= 30
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert canary.status().second.answers == 0  # who leaves judges nothing


async def test_a_broken_answer_goes_on_with_its_version_also_after_the_rollback():
    clock = Clock()
    canary = made(clock)
    second = Version(clock, "two", fails_every=1)
    first = await run(canary, clock, second)
    assert canary.rolled_back
    for identity, version in (("one", first), ("two", second)):
        count = len(version.asked)
        await ask(canary, request(7, identity=identity), first, second)
        assert len(version.asked) == count + 1
    # Other settings judge anew, and know who began what.
    later = canary.changed(CanarySettings(share=0.0))
    await ask(later, request(8, identity="two"), first, second)
    assert second.asked[-1].identity == "two"
    assert later.rolled_back == ""
    assert canary.changed(canary.settings) is canary


async def test_in_shadow_the_first_version_answers_everybody_and_the_second_is_judged():
    clock = Clock()
    canary = made(clock, share=1.0, shadow=True)
    first, second = Version(clock, "one"), Version(clock, "two", fails_every=2)
    for number in range(40):
        events = await ask(canary, request(number), first, second)
        assert events[0].identity == "one"
        await asyncio.gather(*canary._shadows)
    assert len(first.asked) == 40
    assert "answers failed" in canary.rolled_back
    assert len(second.asked) < 20
    assert second.asked[0].request_id == "r0-1-shadow"


async def test_a_slow_version_is_found_though_a_small_one_answers_most_questions():
    clock = Clock()
    canary = made(clock, share=0.5)

    def easy_by(version):
        """Three questions in four are easy; what is on its way as well as what has come."""

        async def answer(asked):
            is_easy = int(asked.request_id[1:].partition("-")[0]) % 4
            wrote = Version(clock, "GeneratorSmall", seconds=0.1) if is_easy else version
            async for event in wrote(asked):
                yield replace(event, writer=wrote.name) if isinstance(event, Retrieved) else event

        return answer

    first, second = Version(clock, "Generator"), Version(clock, "GeneratorCanary", seconds=30.0)
    for number in range(400):
        answer = canary.answer(request(number), easy_by(first), easy_by(second), ["GeneratorSmall"])
        assert [event async for event in answer]
    assert "half of its answers take 30.00 s" in canary.rolled_back
    assert len(second.asked) <= 30
    assert canary.status().first.median_s == 1.0


async def test_what_nobody_wrote_is_on_no_tally():
    canary, clock = made(share=1.0), Clock()

    async def declined(_request):
        yield Retrieved(passages=(), search_query=None, timings=())
        yield END

    assert await ask(canary, request(1), Version(clock, "one"), declined)
    assert canary.status().first.answers == 0
    assert canary.status().second.answers == 0


async def test_while_none_of_it_runs_the_first_version_answers():
    clock = Clock()
    canary, first = made(clock, share=1.0), Version(clock, "one")
    assert (await ask(canary, request(1), first, None))[0].identity == "one"
    assert canary.status().second.answers == 0


async def test_length_citations_and_verdicts_are_those_of_the_pipeline():
    canary = made(share=0.5)
    first, second = FakeStages(), FakeStages(answer=("No marker, and forbidden.",))
    second.harmful = "forbidden"
    for number in range(20):
        asked = request(number)
        await ask(canary, asked, pipeline(first).answer, pipeline(second).answer)
    status = canary.status()
    assert (status.first.cited, status.first.flagged) == (1.0, 0.0)
    assert (status.second.cited, status.second.flagged) == (0.0, 1.0)
    assert status.first.mean_chars > 0


async def test_one_bad_answer_among_the_first_few_proves_nothing():
    canary = made(share=0.5)
    first, second = Version(Clock(), "one"), Version(Clock(), "two", fails_every=5)
    number = 0
    while len(second.asked) < 8:
        number += 1
        await ask(canary, request(number), first, second)
    assert canary.status().second.failed == 1 / 8
    assert canary.rolled_back == ""


async def test_what_the_question_itself_is_wrong_in_is_no_fault_of_a_version():
    canary, first = made(share=1.0), Version(Clock(), "one")

    async def refuses(_request):
        raise ContextLengthError("too long")
        yield

    for number in range(20):
        with pytest.raises(ContextLengthError):
            await ask(canary, request(number), first, refuses)
    assert canary.rolled_back == ""
    assert canary.status().second.answers == 0
