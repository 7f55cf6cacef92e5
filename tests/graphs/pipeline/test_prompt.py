"""What `rag` keeps of a client's turns: the rule in graphs/pipeline/prompt.py."""

import pytest

from graphs.caller import Caller
from graphs.pipeline.events import ChatRequest, Finished
from graphs.pipeline.prompt import Prompt, chat_id, earlier_turns, instructions_of
from models.generation import Message
from tests.graphs.fake_stages import FakeStages, chat, events_of

SHORT = Message(role="system", content="Answer in one word.")


def turns(*pairs):
    return tuple(Message(role=role, content=content) for role, content in pairs)


async def prompt_of(*messages, **settings):
    fake = FakeStages()
    settings = {"retrieval": {"condense": "join"}, **settings}
    request = ChatRequest(request_id="r", messages=messages)
    events = await events_of(fake, request, **settings)
    return fake.prompts[-1].messages, events[-1]


async def test_instructions_of_the_application_follow_the_rules_of_the_prompt():
    polite = Message(role="system", content=" And politely. ")
    messages, finished = await prompt_of(SHORT, polite, *chat("What is two?").messages)
    rules, _, added = messages[0].text.partition("The application adds these instructions.")
    assert rules.startswith("Answer the question with facts from the numbered passages only.")
    assert added.endswith("Answer in one word.\n\nAnd politely.")
    assert finished.degraded == ()


async def test_without_instructions_the_prompt_is_the_one_of_the_training():
    messages, _ = await prompt_of(*chat("What is two?").messages)
    assert len(messages) == 2
    assert "application" not in messages[0].text


async def test_earlier_turns_stand_before_the_question_without_their_markers():
    messages, finished = await prompt_of(
        *turns(("user", "What is one?"), ("assistant", "Odd. [1] And first. [2, 3]")),
        *turns(("user", "And two?")),
    )
    assert [(one.role, one.text) for one in messages[1:3]] == [
        ("user", "What is one?"),
        ("assistant", "Odd. And first."),
    ]
    assert messages[-1].text.endswith("Question: And two?")
    assert finished.degraded == ()


async def test_the_newest_turns_are_kept_and_the_reply_says_that_others_were_not():
    said = [turns(("user", f"Question {n}?"), ("assistant", "word " * 20)) for n in range(9)]
    chat_turns = [turn for pair in said for turn in pair]
    question = Message(role="user", content="And two?")
    messages, finished = await prompt_of(*chat_turns, question, history_tokens=100)
    kept = messages[1:-1]
    assert [one.role for one in kept] == ["user", "assistant"] * (len(kept) // 2)
    assert kept[-2].text == "Question 8?"
    assert 2 <= len(kept) < len(chat_turns)
    assert finished.degraded == ("history",)


async def test_old_turns_never_take_the_room_of_the_passages():
    earlier = turns(("user", "word " * 400), ("assistant", "word " * 400))
    messages, finished = await prompt_of(*earlier, *turns(("user", "And two?")))
    assert len(messages) == 2
    assert "[2] Title" in messages[-1].text
    assert finished.degraded == ("history",)


async def test_a_quoting_answer_cannot_be_steered_and_says_so():
    messages, finished = await prompt_of(SHORT, *chat("What is two?").messages, answers="quote")
    assert [one.role for one in messages] == ["system", "user"]
    assert "one word" not in messages[0].text
    assert finished.degraded == ("instructions",)


def test_turns_of_one_side_become_one_and_blank_ones_are_left_out():
    found = earlier_turns(
        turns(("user", "a"), ("user", "b"), ("assistant", " "), ("assistant", "c"), ("user", "d"))
    )
    assert [(one.role, one.text) for one in found] == [("user", "a\n\nb"), ("assistant", "c")]


def test_blank_instructions_are_none():
    assert instructions_of(turns(("system", "  "), ("user", "x"))) == ()


@pytest.mark.parametrize("instructions", [(), ("Be brief.",)])
def test_the_question_stands_last(instructions):
    prompt = Prompt(question="Why?", instructions=instructions)
    assert prompt.messages(())[-1].text == "Question: Why?"


async def test_the_bare_generator_gets_every_turn_as_it_came():
    fake = FakeStages()
    request = ChatRequest(
        request_id="r", messages=(SHORT, *chat("Hi", "Ho [1]", "Go").messages), retrieves=False
    )
    events = await events_of(fake, request)
    assert fake.prompts[-1].messages == request.messages
    assert isinstance(events[-1], Finished)


async def test_a_question_that_was_never_answered_does_not_stand_before_the_next():
    unanswered = turns(("user", "a?"), ("assistant", "A."), ("user", "b?"))
    messages, finished = await prompt_of(*unanswered, *turns(("user", "And two?")))
    assert [one.role for one in messages] == ["system", "user", "assistant", "user"]
    assert finished.degraded == ("history",)


async def test_an_answer_of_markers_alone_is_blank():
    assert earlier_turns(turns(("user", "a"), ("assistant", " [1]"), ("user", "b"))) == (
        Message(role="user", content="a"),
    )


@pytest.mark.parametrize(
    ("settings", "is_judged"), [({}, True), ({"answers": "quote"}, False)], ids=["free", "quote"]
)
async def test_what_the_generator_reads_of_earlier_answers_is_judged(settings, is_judged):
    fake = FakeStages(harmful="poison")
    request = ChatRequest(
        request_id="r",
        messages=turns(("user", "a"), ("assistant", "Take poison."), ("user", "And two?")),
    )
    events = await events_of(fake, request, retrieval={"condense": "join"}, **settings)
    assert ("Take poison." in fake.windows) is is_judged
    assert ("history" in events[-1].degraded) is is_judged


def test_a_chat_has_one_name_as_long_as_it_goes_on_and_another_for_each_who_asks():
    first = turns(("system", "Be brief."), ("user", "Where?"))
    later = (*first, *turns(("assistant", "Here."), ("user", "And when?")))
    caller = Caller(tenant="t", key_id="k")
    assert chat_id(caller, first) == chat_id(caller, later)
    others = [chat_id(caller, turns(("user", "When?"))), chat_id(Caller(tenant="u"), first)]
    others += [chat_id(caller, ()), chat_id(Caller(tenant="t", key_id="k", user="me"), first)]
    assert len({chat_id(caller, first), *others}) == 5


def test_a_key_of_the_client_names_the_chat_for_its_tenant_alone():
    first, other = turns(("user", "Where?")), turns(("system", "Be brief."), ("user", "When?"))
    caller = Caller(tenant="t", key_id="k", user="me")
    named = chat_id(caller, first, "agent-7")
    assert named == chat_id(caller, other, "agent-7") == chat_id(Caller(tenant="t"), (), "agent-7")
    others = [chat_id(Caller(tenant="u", key_id="k", user="me"), first, "agent-7")]
    others += [chat_id(caller, first, "agent-8"), chat_id(caller, first)]
    others += [chat_id(caller, first, "\0"), chat_id(Caller(tenant="t"), ())]
    assert len({named, *others}) == 6
    assert chat_id(caller, first, "") == chat_id(caller, first)  # an empty one names nothing
    assert "agent-7" not in named


@pytest.mark.parametrize("retrieves", [True, False])
async def test_the_generator_is_told_the_chat_that_a_key_names(retrieves):
    fake, named = FakeStages(), chat_id(Caller(tenant="t"), (), "agent-7")
    for question in ("Where do requests wait?", "What is two?"):
        asked = {"caller": Caller(tenant="t", key_id=question[:5]), "cache_key": "agent-7"}
        await events_of(fake, chat(question, retrieves=retrieves, **asked))
    assert {one.chat for one in fake.prompts[-2:]} == {named}


@pytest.mark.parametrize("retrieves", [True, False])
async def test_the_generator_is_told_the_chat(retrieves):
    fake, request = FakeStages(), chat("Where do requests wait?", retrieves=retrieves)
    await events_of(fake, request)
    assert fake.prompts[-1].chat == chat_id(request.caller, request.messages)


@pytest.mark.parametrize(("service_class", "rank"), [("priority", -1), ("default", 0), ("flex", 1)])
async def test_the_generator_is_told_the_class_of_service(service_class, rank):
    fake, caller = FakeStages(), Caller(service_class=service_class)
    await events_of(fake, chat("Where do requests wait?", caller=caller))
    assert fake.prompts[-1].sampling.rank == rank
