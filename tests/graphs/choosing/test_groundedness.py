"""What an answer says beyond its passages, and a version that does so more often than the first."""

import asyncio
import json
import random
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

from graphs.choosing.groundedness import groundedness
from graphs.pipeline.prompt import NO_ANSWER
from models.chat.tools import Tool, ToolUse
from models.constraints import Choices
from models.generation import Message
from tests.graphs.choosing.scripted import (
    INVENTED,
    PASSAGE,
    Clock,
    Version,
    ask,
    made,
    request,
    run,
)
from tests.graphs.fake_stages import FakeStages, pipeline

ROOT = Path(__file__).parents[3]


def grounded(answer, *, passages=(PASSAGE,), **fields):
    return groundedness(answer, passages, request(1, **fields))


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        ("The pump runs at 3000 turns. [1]", 1.0),
        ("It is running with 3000 turns [1, 2].", 1.0),  # by stems, without function words
        ("The pump runs at 5000 turns. [1]", 0.75),
        (f"The pump runs at 3000 turns. {INVENTED}", 0.5),
        (INVENTED, 0.0),
    ],
)
def test_it_is_the_share_of_the_telling_words_that_the_passages_have(answer, share):
    assert grounded(answer) == pytest.approx(share)


def test_words_of_the_chat_tell_nothing():
    chat = (
        Message(role="user", content="Does the X2 have a gasket?"),
        Message(role="assistant", content="Two."),
        Message(role="user", content="And its pump?"),
    )
    asked = replace(request(1), messages=chat)
    assert groundedness("The X2 pump has a gasket, 3000 turns.", (PASSAGE,), asked) == 1.0
    assert groundedness("The X2 has a gasket.", (PASSAGE,), asked) is None


def test_only_what_was_read_counts():
    assert grounded("3000 turns", passages=(replace(PASSAGE, excerpt="3000 hours"),)) == 0.5


@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        (f" {NO_ANSWER} ", {}),
        ("[1]", {}),
        (INVENTED, {"passages": ()}),
        (INVENTED, {"retrieves": False}),
        (INVENTED, {"constraint": Choices(texts=("a",))}),
        (INVENTED, {"tools": ToolUse(tools=(Tool(name="clock"),))}),
        (INVENTED, {"exchange": (Message(role="tool", content="7", tool_call_id="1"),)}),
    ],
    ids=["declined", "no word", "no passage", "no search", "form", "tools", "results of tools"],
)
def test_nothing_is_told_where_passages_are_not_all_that_it_is_from(answer, fields):
    assert grounded(answer, **fields) is None


def test_written_answers_are_told_from_those_to_other_questions():
    lines = (ROOT / "training" / "natural.jsonl").read_text().splitlines()
    rows = [row for row in map(json.loads, lines) if row["answer"]]
    shares = {"own": [], "other": []}
    for at, row in enumerate(rows):
        read = [
            replace(PASSAGE, title=one["title"], excerpt=one["text"]) for one in row["passages"]
        ]
        asked = replace(request(1), messages=(Message(role="user", content=row["question"]),))
        other = rows[at - 7]["answer"]  # of other passages
        for kind, answer in (("own", row["answer"]), ("other", other)):
            shares[kind].append(groundedness(answer, read, asked))
    own, other = (fmean(one for one in found if one is not None) for found in shares.values())
    assert len(rows) > 40
    assert own > 0.98
    assert other < 0.1


async def test_a_version_that_makes_things_up_is_rolled_back():
    clock = Clock()
    canary = made(clock)
    second = Version(clock, "two", invents_every=2)
    await run(canary, clock, second)
    assert "passages have 5" in canary.rolled_back
    assert "of the words of its answers, 100% of the first's" in canary.rolled_back
    assert 10 <= len(second.asked) <= 40
    figures = canary.status().second
    assert figures.grounded == pytest.approx(0.5, abs=0.1)
    assert figures.num_grounded == figures.answers
    assert canary.status().first.grounded == 1.0


async def test_in_shadow_it_is_found_too():
    clock = Clock()
    canary = made(clock, share=1.0, shadow=True)
    first, second = Version(clock, "one"), Version(clock, "two", invents_every=1)
    for number in range(40):
        await ask(canary, request(number), first, second)
        await asyncio.gather(*canary._shadows)
    assert "passages have 0% of the words" in canary.rolled_back


@pytest.mark.parametrize("settings", [{"max_grounded_fall": 1.0}, {"min_answers": 500}], ids=str)
async def test_a_limit_of_one_and_too_few_answers_roll_nothing_back(settings):
    clock = Clock()
    canary = made(clock, **settings)
    await run(canary, clock, Version(clock, "two", invents_every=1))
    assert canary.rolled_back == ""
    assert canary.status().second.grounded == 0.0


async def test_without_answers_of_the_first_version_nothing_is_compared():
    clock = Clock()
    canary = made(clock, share=1.0)
    await run(canary, clock, Version(clock, "two", invents_every=1), count=100)
    assert canary.rolled_back == ""
    assert canary.status().first.num_grounded == 0


async def test_two_versions_that_make_up_as_much_are_not_told_apart():
    chance, rolled_back = random.Random(1), 0
    for _ in range(50):
        canary = made(min_answers=2, max_grounded_fall=0.0)
        for number in range(400):
            with canary._tallies["second" if number % 5 == 0 else "first"].watched() as answer:
                answer.request, answer.passages = request(1), (PASSAGE,)
                answer.texts.append(INVENTED if chance.random() < 0.2 else PASSAGE.text)
            if number % 5 == 0 and canary._fault():
                rolled_back += 1
                break
    assert rolled_back <= 4


async def test_it_is_told_of_answers_of_the_pipeline_and_their_texts_are_not_kept():
    canary = made(share=0.5)
    first, second = FakeStages(), FakeStages(answer=(INVENTED,))
    for number in range(20):
        answer = canary.answer(request(number), pipeline(first).answer, pipeline(second).answer)
        assert [event async for event in answer]
    status = canary.status()
    assert status.first.grounded > 0.5
    assert status.second.grounded == 0.0
    for tally in canary._tallies.values():
        assert all(one.texts == [] and one.request is None for one in tally._ended)
