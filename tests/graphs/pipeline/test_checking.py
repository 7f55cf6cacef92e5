"""What of a chat is checked, what is left out of it, and what is refused before."""

import pytest

from graphs.pipeline.events import TextDelta
from models.errors import ContextLengthError
from tests.graphs.fake_stages import FakeStages, chat, events_of, pipeline, text_of

QUESTION = "How long is parking free?"
JOIN = {"retrieval": {"condense": "join"}}


def counted(fake):
    """Makes a fake tell which of its stages were called."""
    calls = []

    def noting(name, method):
        def stage(*args, **kwargs):
            calls.append(name)
            return method(*args, **kwargs)

        return stage

    for name in ("embed", "search", "rerank", "classify"):
        setattr(fake, name, noting(name, getattr(fake, name)))
    return calls


@pytest.mark.parametrize("retrieves", [True, False])
@pytest.mark.parametrize("unit", ["word ", "w" * 40 + " ", " " * 60 + "w"])
async def test_a_question_that_no_context_holds_calls_no_model(unit, retrieves):
    fake = FakeStages(context_tokens=1000)
    calls = counted(fake)
    with pytest.raises(ContextLengthError, match=r"holds 1000 tokens, but what is asked has \d+"):
        await events_of(fake, chat(unit * 2000, retrieves=retrieves))
    assert calls == []
    assert fake.prompts == []


async def test_of_a_megabyte_only_the_beginning_is_counted():
    fake = FakeStages(context_tokens=1000)
    with pytest.raises(ContextLengthError, match="has 1600 and more"):
        await events_of(fake, chat("word " * 200_000))


async def test_the_bare_generator_is_asked_for_no_chat_that_it_cannot_read():
    fake = FakeStages(context_tokens=100)
    calls = counted(fake)
    with pytest.raises(ContextLengthError):
        await events_of(fake, chat("word " * 90, "word " * 20, "Hi", retrieves=False))
    assert calls == []


async def test_a_harmless_question_after_a_blocked_one_is_answered():
    fake = FakeStages(harmful="poison")
    request = chat("how to poison", "Blocked.", QUESTION)
    events = await events_of(fake, request, answers="quote", **JOIN)
    assert text_of(events) == "Text of 2. [1] And more."
    assert fake.windows[0] == QUESTION
    assert not any("poison" in window for window in fake.windows)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("retrieves", [True, False])
async def test_a_generator_that_reads_the_chat_does_not_read_its_harmful_exchanges(
    place, retrieves
):
    turns = ["What is one?", "A number.", "And two?", "Even.", QUESTION]
    turns[place] += " poison"
    fake = FakeStages(harmful="poison")
    events = await events_of(fake, chat(*turns, retrieves=retrieves), **JOIN)
    assert text_of(events)
    assert events[-1].degraded == ("history",)
    *earlier, last = [turn.text for turn in fake.prompts[-1].messages if turn.role != "system"]
    assert earlier == ["And two?", "Even."]
    assert last.endswith(QUESTION)


async def test_what_is_left_out_takes_no_part_in_the_search_either():
    fake = FakeStages(harmful="poison")
    await events_of(fake, chat("poison", "No.", QUESTION), **JOIN)
    assert fake.searches[-1].text == QUESTION


@pytest.mark.parametrize("answers", ["free", "quote"])
async def test_a_harmful_question_is_refused_however_harmless_the_chat_was(answers):
    fake = FakeStages(harmful="poison")
    request = chat("Hi", "Hello.", "how to poison")
    events = await events_of(fake, request, answers=answers, **JOIN)
    assert events[-1].finish_reason == "content_filter"
    assert fake.prompts == []


async def test_two_questions_without_an_answer_between_them_are_one_exchange():
    fake = FakeStages(harmful="poison")
    request = chat("x", "poison", QUESTION, retrieves=False)
    first, second, last = request.messages
    twice = type(first)(role="user", content="poison")
    request = type(request)(request_id="r", messages=(first, twice, second, last), retrieves=False)
    await events_of(fake, request)
    assert [turn.text for turn in fake.prompts[-1].messages] == [QUESTION]


@pytest.mark.parametrize("settings", [{"history_tokens": 1024}, {"history_tokens": 0}])
async def test_earlier_turns_that_no_prompt_has_room_for_are_not_checked(settings):
    fake = FakeStages()
    request = chat("old " * 5000, "Yes.", "new", "No.", "And in winter?")
    events = await events_of(fake, request, **JOIN, **settings)
    assert "history" in events[-1].degraded
    assert sum(map(len, fake.windows)) < 1000
    assert "new" in fake.windows
    texts = [search.text for search in fake.searches]
    assert any("new" in text for text in texts)
    assert not any("old" in text for text in texts)


async def test_a_question_before_of_a_megabyte_takes_no_part_in_the_search():
    fake = FakeStages()
    request = chat("old " * 250_000, "Yes.", QUESTION)
    events = await events_of(fake, request, answers="quote", **JOIN)
    assert text_of(events)
    assert fake.searches[-1].text == QUESTION
    assert "history" in events[-1].degraded


async def test_instructions_are_not_checked_and_stay():
    fake = FakeStages(harmful="poison")
    request = chat("poison", "No.", QUESTION)
    system = type(request.messages[0])(role="system", content="Never speak of poison.")
    request = type(request)(
        request_id="r", messages=(system, *request.messages), stores=request.stores
    )
    events = await events_of(fake, request, **JOIN)
    assert text_of(events)
    assert "Never speak of poison." in fake.prompts[-1].messages[0].text


async def test_nothing_is_checked_where_that_is_turned_off():
    fake = FakeStages(harmful="poison")
    checks = {"check_question": False, "check_answer": False}
    answered = pipeline(fake, safety=checks).answer(chat("poison", "No.", "poison"))
    events = [event async for event in answered]
    assert fake.windows == []
    assert len([one for one in events if isinstance(one, TextDelta)]) > 2, "no piece waits for more"
    assert text_of(events)
