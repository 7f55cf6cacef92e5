"""The pipeline over fakes of its stages: what it asks of each, and what the client gets."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import numpy as np
import pytest

from graphs.deadline import deadline_in
from graphs.errors import (
    OverloadedError,
    SafetyUnavailableError,
    StageUnavailableError,
)
from graphs.pipeline.events import Citation, Finished, Retrieved, Sampling, TextDelta
from graphs.pipeline.prompt import NO_ANSWER
from models.constraints import JSON_OBJECT, Choices
from models.errors import ContextLengthError
from models.reranker import RerankScores
from tests.graphs.fake_stages import IDENTITY, FakeStages, chat, events_of, hit, pipeline, text_of

NO_CHECKS = {"check_question": False, "check_answer": False}


async def test_an_answer_is_cited_from_the_reranked_passages():
    events = await events_of(FakeStages())
    assert [p.file_id for p in events[0].passages] == ["file-2", "file-3"]
    assert text_of(events) == "Text of 2. [1] And more."
    cited = [event for event in events if isinstance(event, Citation)]
    assert [(c.start, c.end, c.passage.file_id) for c in cited] == [(11, 14, "file-2")]
    assert events[-1].finish_reason == "stop"
    assert events[-1].usage.num_completion_tokens == 3


async def test_quoting_answers_may_only_choose_a_sentence():
    fake = FakeStages(hits=(replace(hit(1), text="Dr. No is 1.5 m tall. He sleeps!"),), scores=(1,))
    await events_of(fake, answers="quote")
    texts = ("Dr. No is 1.5 m tall. [1]", "He sleeps! [1]")
    assert fake.prompts[-1].constraint == Choices(texts=texts)
    await events_of(fake)
    assert fake.prompts[-1].constraint is None


async def test_the_generator_reads_the_best_sentence_and_the_whole_passage_is_cited():
    class Sentences(FakeStages):
        async def rerank(self, query, documents):
            scores = [0.9 if "two" in text else 0.6 for text in documents]
            return RerankScores(scores=np.asarray(scores, np.float32), num_tokens=1)

    texts = {1: "One is odd. It is first.", 2: "It is even. Here is two."}
    fake = Sentences(hits=tuple(replace(hit(n), text=text) for n, text in texts.items()))
    settings = {"retrieval": {"focus": "sentence", "top_k": 2}}
    events = await events_of(fake, **settings)
    prompt = fake.prompts[-1].messages[-1].content
    assert prompt.startswith("[1] Title 2\nHere is two.\n\n[2] Title 2\nIt is even.\n\n")
    assert events[0].passages[0].text == texts[2]
    assert [p.score for p in events[0].passages] == pytest.approx([0.9, 0.7863], abs=1e-3)


async def test_every_stage_is_timed():
    events = await events_of(FakeStages())
    stages = {time.stage for time in events[-1].timings}
    assert stages == {
        "condense", "embed", "retrieve", "rerank", "pack", "check_question", "generate",
        "check_answer",
    }  # fmt: skip


async def test_the_generator_is_not_called_when_nothing_passes_the_threshold():
    fake = FakeStages(scores=(0.1, 0.2, 0.3))
    events = await events_of(fake)
    assert text_of(events) == "I don't know."
    assert not fake.prompts
    assert events[-1].usage.num_prompt_tokens == 0


async def test_no_passage_at_all_gives_no_answer():
    events = await events_of(FakeStages(hits=()), chat("What?", stores=None))
    assert text_of(events) == "I don't know."


async def test_the_bare_generator_sees_the_chat_as_it_came():
    fake = FakeStages(answer=("Hello [1]",))
    request = chat("Hi", "Hello", "Again", retrieves=False)
    events = await events_of(fake, request)
    assert fake.prompts[0].messages == request.messages
    assert not fake.queries
    assert events[0].passages == ()


async def test_the_bare_generator_sees_sides_that_alternate():
    fake = FakeStages(answer=("Hello",))
    turns = [*chat("Hi", "Hello", "Again").messages, *chat("And again").messages]
    await events_of(fake, replace(chat("Hi", retrieves=False), messages=tuple(turns)))
    told = [(turn.role, turn.text) for turn in fake.prompts[0].messages]
    assert told == [("user", "Hi"), ("assistant", "Hello"), ("user", "Again\n\nAnd again")]


async def test_a_failed_reranker_leaves_the_order_of_the_search_and_says_so():
    fake = FakeStages(failing={"rerank": StageUnavailableError("down")})
    events = await events_of(fake)
    assert [p.file_id for p in events[0].passages] == ["file-1", "file-2", "file-3"]
    assert events[-1].degraded == ("rerank",)


@pytest.mark.parametrize(
    ("left_s", "degraded"),
    [
        (60.0, ()),
        (5.0, ("condense",)),
        (3.0, ("condense", "rerank")),
        (1.0, ("condense", "rerank", "passages")),
    ],
)
async def test_the_less_time_is_left_the_more_stages_are_left_out(left_s, degraded):
    fake = FakeStages()
    with deadline_in(left_s):
        events = await events_of(fake, chat("What is Serve?", "A library.", "And its port?"))
    assert events[-1].degraded == degraded
    assert len(events[0].passages) == (1 if "passages" in degraded else len(events[0].passages))
    assert text_of(events)


async def test_a_failed_safety_filter_fails_closed():
    fake = FakeStages(failing={"safety": StageUnavailableError("down")})
    with pytest.raises(SafetyUnavailableError):
        await events_of(fake)
    assert not fake.prompts


@pytest.mark.parametrize("stage", ["embed", "search", "generate"])
@pytest.mark.parametrize("error", [StageUnavailableError("down"), OverloadedError("full")])
async def test_a_stage_that_the_answer_needs_fails_the_request(stage, error):
    with pytest.raises(type(error)):
        await events_of(FakeStages(failing={stage: error}))


@pytest.mark.parametrize("error", [StageUnavailableError("none"), OverloadedError("full")])
async def test_nothing_is_given_before_a_generator_takes_the_question(error):
    fake = FakeStages(failing={"generate": error})
    with pytest.raises(type(error)):
        await anext(pipeline(fake).answer(chat("What is two?")))


async def test_a_harmful_question_gets_a_refusal_and_no_generation():
    fake = FakeStages(harmful="poison")
    events = await events_of(fake, chat("how to poison"))
    assert text_of(events) == ""
    assert events[0].passages == ()
    assert events[-1].finish_reason == "content_filter"
    assert events[-1].refusal
    assert not fake.prompts


async def test_no_harmful_segment_is_released():
    fake = FakeStages(answer=("All is well here. ", "Now poison follows. ", "Never seen."))
    fake.harmful = "poison"
    events = await events_of(fake, safety={"segment_chars": 8, "window_chars": 64})
    assert text_of(events) == "All is well here. Now "
    assert events[-1].finish_reason == "content_filter"
    assert fake.num_streams_open == 0


async def test_a_harmful_text_across_two_segments_is_found():
    fake = FakeStages(answer=("aaaa bbbb first", " second cccc dddd"), harmful="first second")
    events = await events_of(fake, safety={"segment_chars": 8, "window_chars": 64})
    assert "second" not in text_of(events)
    assert events[-1].finish_reason == "content_filter"


async def test_what_is_judged_does_not_depend_on_how_the_text_arrives():
    text = "One sentence. [1] Another sentence that is longer. [2] The end."
    whole, split = FakeStages(answer=(text,)), FakeStages(answer=tuple(text))
    assert text_of(await events_of(whole)) == text_of(await events_of(split))
    assert whole.windows == split.windows


async def test_closing_the_answer_frees_the_slot_at_once():
    fake = FakeStages(answer=("word " * 40,) * 100, delay_s=0.01)
    async with aclosing(pipeline(fake).answer(chat("What?"))) as events:
        async for event in events:
            if isinstance(event, TextDelta):
                break
        assert fake.num_streams_open == 1
    assert fake.num_streams_open == 0


async def test_cancelling_the_request_frees_the_slot():
    fake = FakeStages(answer=("word " * 40,) * 100, delay_s=0.01)

    async def read():
        async for _ in pipeline(fake).answer(chat("What?")):
            pass

    task = asyncio.create_task(read())
    await asyncio.sleep(0.1)
    assert fake.num_streams_open == 1
    task.cancel()
    await asyncio.wait([task])
    assert fake.num_streams_open == 0


@pytest.mark.parametrize("size", [150, 300])
async def test_a_question_longer_than_the_context_is_refused(size):
    fake = FakeStages(context_tokens=200)
    with pytest.raises(ContextLengthError, match="200 tokens"):
        await events_of(fake, chat("word " * size))


@pytest.mark.parametrize("max_tokens", [935, 4096, 2**31 - 1])
async def test_max_tokens_is_an_upper_bound_and_takes_no_passage_away(max_tokens):
    fake = FakeStages(context_tokens=300)
    bounded = chat("What is two?", sampling=Sampling(max_tokens=max_tokens))
    unbounded, usual = await events_of(fake, bounded), await events_of(fake)
    assert unbounded[0].passages == usual[0].passages
    assert len(usual[0].passages) == 2
    assert fake.prompts[0].sampling.max_tokens == max_tokens


async def test_passages_are_packed_into_the_budget_best_first():
    fake = FakeStages(context_tokens=180, scores=(0.9, 0.8, 0.7))
    events = await events_of(fake)
    assert len(events[0].passages) == 2
    assert [p.number for p in events[0].passages] == [1, 2]


async def test_a_request_without_a_seed_gets_one():
    fake = FakeStages()
    await events_of(fake)
    await events_of(fake, chat("What?", sampling=Sampling(seed=5)))
    drawn, named = (prompt.sampling for prompt in fake.prompts)
    assert drawn.seed is not None
    assert drawn.seed_is_drawn
    assert (named.seed, named.seed_is_drawn) == (5, False)


async def test_the_answer_is_asked_of_the_model_that_the_request_names_and_tells_which_wrote_it():
    fake = FakeStages()
    events = await events_of(fake, chat("What is two?", identity="a" * 16))
    assert fake.prompts[0].identity == "a" * 16
    assert events[0].identity == IDENTITY.digest


async def test_the_first_event_tells_the_passages_and_the_last_ends_it():
    events = await events_of(FakeStages(finish_reason="length"))
    assert isinstance(events[0], Retrieved)
    assert isinstance(events[-1], Finished)
    assert events[-1].finish_reason == "length"


async def test_a_second_reranking_that_fails_leaves_the_passages_whole_and_says_so():
    class OnceOnly(FakeStages):
        async def rerank(self, query, documents):
            if self.windows is None:
                raise StageUnavailableError("down")
            self.windows = None
            return RerankScores(scores=np.asarray(self.scores, np.float32), num_tokens=1)

    fake = OnceOnly()
    events = await events_of(fake, safety=NO_CHECKS, retrieval={"focus": "sentence", "top_k": 2})
    assert events[-1].degraded == ("rerank",)
    assert [p.file_id for p in events[0].passages] == ["file-2", "file-3"]


async def test_an_answer_in_a_form_is_given_as_it_is_written():
    fake = FakeStages(answer=(' {"port": ', "[1], ", '"next": [9]}', " "))
    asked = chat("What is two?", constraint=JSON_OBJECT)
    events = await events_of(fake, asked)
    assert text_of(events) == ' {"port": [1], "next": [9]} '
    assert not [event for event in events if isinstance(event, Citation)]
    assert events[0].passages
    assert fake.prompts[-1].constraint == JSON_OBJECT
    events = await events_of(fake, replace(asked, retrieves=False))
    assert text_of(events) == ' {"port": [1], "next": [9]} '


async def test_what_no_passage_answers_is_a_refusal_where_a_form_was_asked_for():
    events = await events_of(FakeStages(hits=()), chat("Hello!", constraint=JSON_OBJECT))
    assert text_of(events) == ""
    assert (events[-1].finish_reason, events[-1].refusal) == ("stop", NO_ANSWER)
