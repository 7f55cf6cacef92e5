"""Calls of tools and thoughts on their way through the pipeline, with retrieval beside them."""

from dataclasses import replace

import pytest

from graphs.pipeline.events import (
    Arguments,
    Called,
    Citation,
    Finished,
    Retrieved,
    TextDelta,
    Thought,
)
from models.chat.reply import ReplyForm
from models.chat.tools import Tool, ToolUse
from models.generation import Message, ToolCall
from tests.graphs.fake_stages import FakeStages, chat, events_of, text_of

CALL = '<tool_call>\n{"name": "clock", "arguments": {"zone": "UTC [1]"}}\n</tool_call>'
USE = ToolUse(tools=(Tool(name="clock", description="Tells the time."),))
MADE = ToolCall(id="c1", name="clock", arguments="{}")
EXCHANGE = (
    Message(role="assistant", content="", tool_calls=(MADE,)),
    Message(role="tool", content="It is noon.", tool_call_id="c1"),
)
HERMES, THINKING = ReplyForm(tools="hermes"), ReplyForm(tools="hermes", thinking="think")


def asked(**fields):
    return replace(chat("What is two?"), **({"tools": USE} | fields))


def pieces(text):
    """Cuts a text as a generator streams it."""
    return tuple(text[at : at + 3] for at in range(0, len(text), 3))


async def test_a_call_is_told_beside_the_text_and_holds_no_citation():
    fake = FakeStages(answer=pieces(f"Two [1] is it. {CALL}\n{CALL}"), form=HERMES)
    events = await events_of(fake, asked())
    assert isinstance(events[0], Retrieved)
    assert [one.passage.number for one in events if isinstance(one, Citation)] == [1]
    assert text_of(events) == "Two [1] is it."
    calls = [one for one in events if isinstance(one, Called | Arguments)]
    assert [one for one in calls if isinstance(one, Called)] == [
        Called(index=0, name="clock"), Called(index=1, name="clock"),
    ]  # fmt: skip
    for index in (0, 1):
        given = [one.text for one in calls if isinstance(one, Arguments) and one.index == index]
        assert "".join(given) == '{"zone": "UTC [1]"}'
    assert events[-1].finish_reason == "tool_calls"
    assert events.index(calls[0]) > max(
        at for at, one in enumerate(events) if isinstance(one, TextDelta)
    )


async def test_retrieval_goes_on_beside_tools_and_the_generator_is_told_of_both():
    fake = FakeStages(answer=(CALL,), form=HERMES)
    await events_of(fake, asked(exchange=EXCHANGE))
    (request,) = fake.prompts
    assert request.tools == USE
    roles = [message.role for message in request.messages]
    assert roles == ["system", "user", "assistant", "tool"]
    assert "results of tools" in request.messages[0].text
    assert request.messages[1].text.endswith("Question: What is two?")
    assert "[1] Title" in request.messages[1].text
    assert fake.searches[0].text == "What is two?"


@pytest.mark.parametrize("fields", [{}, {"tools": None, "exchange": EXCHANGE}])
async def test_without_passages_a_generator_with_tools_is_asked_all_the_same(fields):
    fake = FakeStages(hits=(), answer=("It is noon.",), form=HERMES)
    events = await events_of(fake, asked(**fields))
    assert text_of(events) == "It is noon."
    assert fake.prompts[0].messages[1].text == "Question: What is two?"
    assert text_of(await events_of(fake, chat("What is two?"))) == "I don't know."


async def test_results_of_tools_are_not_judged_but_arguments_and_thoughts_are():
    fake = FakeStages(answer=(f"<think>Hm.</think>Well. {CALL}",), form=THINKING, harmful="noon")
    events = await events_of(fake, asked(exchange=EXCHANGE))
    assert events[-1].finish_reason == "tool_calls"
    assert {"Hm.", "Well.", "clock", '{"zone": "UTC [1]"}'} <= set(fake.windows)
    for harmful in ("Hm.", "UTC"):
        fake.harmful = harmful
        last = (await events_of(fake, asked()))[-1]
        assert (last.finish_reason, bool(last.refusal)) == ("content_filter", True)


async def test_thoughts_are_told_apart_and_cite_nothing():
    text = "<think>\nPassage [1] says it. [1]\n</think>\n\nTwo [1]"
    fake = FakeStages(answer=pieces(text), form=THINKING)
    events = await events_of(fake, asked())
    thoughts = "".join(one.text for one in events if isinstance(one, Thought))
    assert (thoughts, text_of(events)) == ("Passage [1] says it. [1]", "Two [1]")
    assert [one.start for one in events if isinstance(one, Citation)] == [4]
    num_thought = events[-1].usage.num_reasoning_tokens
    assert 0 < num_thought < events[-1].usage.num_completion_tokens
    assert events[-1].finish_reason == "stop"


async def test_a_call_that_the_limit_cuts_is_told_as_such():
    fake = FakeStages(answer=pieces(CALL[:50]), form=HERMES, finish_reason="length")
    assert (await events_of(fake, asked()))[-1].finish_reason == "length"


async def test_json_beside_calls_is_given_as_it_is():
    fake = FakeStages(answer=('{"a": [1, 2]}',), form=HERMES)
    use = replace(USE, answer='{"type": "object"}')
    events = await events_of(fake, asked(tools=use))
    assert text_of(events) == '{"a": [1, 2]}'
    assert not [one for one in events if isinstance(one, Citation)]


@pytest.mark.parametrize("fields", [{}, {"tools": None, "exchange": EXCHANGE}])
async def test_what_only_quotes_calls_nothing_and_says_so(fields):
    fake = FakeStages(answer=("Text of 2. [1]",))
    events = await events_of(fake, asked(**fields), answers="quote")
    assert "tools" in events[-1].degraded
    assert (fake.prompts[0].tools, fake.prompts[0].messages[-1].role) == (None, "user")


async def test_small_talk_is_answered_but_where_a_call_is_asked_for():
    fake = FakeStages(answer=(CALL,), form=HERMES)
    assert (await events_of(fake, replace(chat("Hello!"), tools=USE)))[-1].finish_reason == "stop"
    forced = replace(USE, choice="required")
    last = (await events_of(fake, replace(chat("Hello!"), tools=forced)))[-1]
    assert isinstance(last, Finished)
    assert last.finish_reason == "tool_calls"


async def test_the_bare_generator_reads_calls_as_turns_of_their_own():
    fake = FakeStages(answer=("Noon.",))
    results = (replace(EXCHANGE[0], tool_calls=(MADE, replace(MADE, id="c2"))), EXCHANGE[1])
    results += (replace(EXCHANGE[1], tool_call_id="c2"),)
    await events_of(fake, asked(exchange=results, retrieves=False, effort="low"))
    (request,) = fake.prompts
    assert request.messages[1:] == results
    assert (request.tools, request.effort) == (USE, "low")
