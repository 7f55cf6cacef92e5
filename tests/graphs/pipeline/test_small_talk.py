"""Messages that ask nothing: what counts as one, and what the client gets."""

import pytest

from graphs.pipeline.events import Finished, Retrieved, TextDelta
from graphs.pipeline.prompt import NO_ANSWER
from graphs.pipeline.small_talk import small_talk
from tests.graphs.fake_stages import FakeStages, chat, events_of, text_of


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        ("Thank you so much!", "You're welcome."),
        ("thanxx", None),
        ("Thx 🙏", "You're welcome."),
        ("  ok, great, thanks  ", "You're welcome."),
        ("No, that's all, thanks", "You're welcome."),
        ("Vielen Dank für die Hilfe!", "You're welcome."),
        ("¡Muchas gracias!", "You're welcome."),
        ("ありがとうございます。", "You're welcome."),
        ("धन्यवाद", "You're welcome."),
        ("Heyyy", "Hello. What would you like to know?"),
        ("Hi, how are you?", "Hello. What would you like to know?"),
        ("guten tag zusammen", "Hello. What would you like to know?"),
        ("What\u2019s up", "Hello. What would you like to know?"),
        ("Привет!", "Hello. What would you like to know?"),
        ("bye bye", "Goodbye."),
        ("Au revoir", "Goodbye."),
        ("OK.", "All right. Is there anything else?"),
        ("👍🏽", "All right. Is there anything else?"),
        ("...", "All right. Is there anything else?"),
    ],
)
def test_a_message_of_nothing_but_such_words_has_a_fixed_reply(message, reply):
    assert small_talk(message) == reply


@pytest.mark.parametrize(
    "message",
    [
        "Hi, when does the ferry leave?",
        "Thanks! And in winter?",
        "thank you note",
        "Good hotels?",
        "hello world",
        "sure?",
        "why?",
        "yes",
        "no",
        "you",
        "it is",
        "7",
        "Brot?",
        "",
        "  ",
        "hi " * 11,
        "?" * 1000,
    ],
)
def test_anything_beside_them_is_a_question(message):
    assert small_talk(message) is None


def test_a_megabyte_is_no_small_talk():
    assert small_talk("thanks " * 150_000) is None
    assert small_talk("a" * 10**6) is None


async def test_thanks_are_answered_without_a_search_a_check_or_a_citation():
    fake = FakeStages(harmful="thanks")
    events = await events_of(fake, chat("What is two?", "Even. [1]", "thanks!"))
    assert [type(event) for event in events] == [Retrieved, TextDelta, Finished]
    assert (events[0].passages, events[0].search_query) == ((), None)
    assert text_of(events) == "You're welcome."
    assert (events[-1].finish_reason, events[-1].refusal) == ("stop", None)
    assert (fake.queries, fake.prompts, fake.windows) == ([], [], [])


async def test_a_greeting_before_a_question_leaves_it_a_question():
    assert text_of(await events_of(FakeStages(), chat("Hello! What is two?"))) != NO_ANSWER


async def test_a_generator_that_only_quotes_says_so_instead_of_chatting():
    fake = FakeStages()
    events = await events_of(fake, chat("Tell a joke", retrieves=False), answers="quote")
    assert "only chooses sentences of documents to quote" in text_of(events)
    assert events[-1].finish_reason == "stop"
    assert not fake.prompts


async def test_the_bare_generator_of_free_answers_is_greeted_itself():
    fake = FakeStages(answer=("Good day.",))
    assert text_of(await events_of(fake, chat("hi", retrieves=False))) == "Good day."
