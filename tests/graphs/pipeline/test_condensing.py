"""From a chat to the question that is searched for; what of it is optional."""

import asyncio
from contextlib import aclosing

import numpy as np
import pytest

from graphs.config import RetrievalSettings
from graphs.errors import PoisonRequestError, StageUnavailableError
from graphs.pipeline.condensing import FollowUpReranker, Question, leans_on_chat
from models.errors import ContextLengthError, ModelChangedError
from models.reranker import RerankScores
from models.scores import logit
from tests.graphs.fake_stages import FakeStages, chat, events_of, text_of

LEANT = "What is Serve? A library."
BOTH = ["What is its port?", f"{LEANT} What is its port?"]


async def test_a_follow_up_is_searched_for_alone_and_with_what_it_leans_on():
    fake = FakeStages()
    request = chat("What is Serve?", "A library. [1]", "What is its port?")
    events = await events_of(fake, request, retrieval={"condense": "join"})
    assert fake.queries == BOTH
    assert events[0].search_query == BOTH[1]
    assert "Question: What is its port?" in fake.prompts[0].messages[-1].content


async def test_the_generator_rewrites_a_follow_up():
    fake = FakeStages(answer=("What is the port of Serve?",))
    request = chat("What is Serve?", "A library.", "What is its port?")
    await events_of(fake, request)
    assert "What is its port?" in fake.prompts[0].messages[-1].content
    assert fake.queries == ["What is the port of Serve?"]


async def test_a_failed_rewrite_falls_back_to_joining():
    fake = FakeStages(failing={"generate": StageUnavailableError("down")}, scores=(0, 0, 0))
    request = chat("What is Serve?", "A library.", "What is its port?")
    events = await events_of(fake, request)
    assert fake.queries[:2] == BOTH
    assert events[-1].degraded == ("condense",)


@pytest.mark.parametrize(
    "error",
    [
        ContextLengthError("too long"),
        PoisonRequestError("twice"),
        ModelChangedError("another"),
        None,
    ],
)
async def test_a_chat_is_answered_without_a_rewrite_that_does_not_fit_or_does_not_come(error):
    class NoRewrite(FakeStages):
        async def stream(self, request):
            if "Rewrite the last question" in request.messages[0].text:
                if error:
                    raise error
                await asyncio.sleep(60)
            async with aclosing(super().stream(request)) as chunks:
                async for chunk in chunks:
                    yield chunk

    fake = NoRewrite()
    request = chat("What is Serve?", "A library.", "What is its port?")
    events = await events_of(fake, request, retrieval={"expand_timeout_s": 0.05})
    assert fake.queries == BOTH
    assert events[-1].degraded == ("condense",)
    assert text_of(events)


async def test_settings_of_a_request_go_before_the_configured_ones():
    configured = RetrievalSettings(top_k=4, rerank_threshold=0.5, neighbours=1)
    chosen = configured.overridden({"top_k": 2, "score_threshold": 0.2, "rerank": None})
    assert (chosen.top_k, chosen.neighbours, chosen.rerank) == (2, 1, True)
    assert (chosen.rerank_threshold, chosen.dense_threshold) == (0.2, 0.2)
    assert configured.overridden({"top_k": None}) is configured


JOIN = {"retrieval": {"condense": "join"}}


@pytest.mark.parametrize(
    "question",
    [
        "And in winter?",
        "what about Ghent?",
        "Why?",
        "No, I mean the last one.",
        "And how many may a drawer hold?",
        "Where can I buy them?",
        "How much does the other cost?",
        "Und im Winter?",
        "Et pour les enfants de moins de six ans ?",
        "What's the deposit?",
        "What is the fee?",
    ],
)
def test_what_is_short_or_points_back_leans_on_the_chat(question):
    assert leans_on_chat(question)


@pytest.mark.parametrize(
    "question",
    [
        "How much is a ticket for a child?",
        "Which android version is supported?",
        "When does the swimming hall open?",
        "Where may food be eaten?",
        "Is there a place for bicycles?",
        "word " * 100_000,
    ],
)
def test_what_names_its_things_stands_alone(question):
    assert not leans_on_chat(question)


async def test_a_new_topic_is_not_searched_for_with_the_old_one():
    fake = FakeStages()
    request = chat("What is Serve?", "A library.", "Which port does the gateway use?")
    await events_of(fake, request, **JOIN)
    assert fake.queries == ["Which port does the gateway use?"]


@pytest.mark.parametrize(
    ("turns", "context"),
    [
        (
            ("What does a hut cost?", "Nine. [1]", "And a tent?", "Four. [2]", "And a cabin?"),
            "What does a hut cost? And a tent? Four.",
        ),
        (("What does a hut cost?", "Nine.", "Thanks!", "You're welcome.", "And a tent?"),
         "What does a hut cost? Nine."),
        (("What does a hut cost?", "I don't know.", "And a tent?"), "What does a hut cost?"),
        (("Hello", "Hi!", "And a tent?"), ""),
        (("x" * 600, "y" * 600, "And a tent?"), f"{'x' * 300} {'y' * 300}"),
    ],
)  # fmt: skip
async def test_a_question_leans_on_those_back_to_one_that_stands_alone(turns, context):
    fake = FakeStages()
    await events_of(fake, chat(*turns), **JOIN)
    last = turns[-1]
    assert fake.queries[:2] == ([last, f"{context} {last}"] if context else [last])


class ByWords:
    """Scores by the query's last words, and by whether it has more before them."""

    def __init__(self, alone, joined):
        self.alone, self.joined = alone, joined

    async def rerank(self, query, documents):
        logits = self.joined if len(query) > 20 else self.alone
        scores = 1 / (1 + np.exp(-np.asarray(logits, np.float32)))
        return RerankScores(scores=scores, num_tokens=len(documents))


async def test_a_passage_has_to_suit_the_follow_up_alone_and_joined():
    question = Question(asked="And in winter?", context="When does it close in summer? At 8.")
    reranker = FollowUpReranker(ByWords([-3, 0, -6], [5, 4, 3]), question)
    ranked = await reranker.rerank("And in winter?", ["T\nSummer.", "T\nWinter.", "T\nMonday."])
    assert logit(ranked.scores) == pytest.approx([1.0, 2.0, -1.5], abs=1e-3)
    assert ranked.num_tokens == 6


async def test_what_says_nothing_alone_is_judged_with_the_chat_only():
    question = Question(asked="And until when?", context="When is the hut open? From May.")
    reranker = FollowUpReranker(ByWords([9, -9], [1, 2]), question)
    ranked = await reranker.rerank("And until when?", ["T\nSummer.", "T\nWinter."])
    assert logit(ranked.scores) == pytest.approx([1.0, 2.0], abs=1e-3)


async def test_what_was_said_comes_after_what_was_not():
    question = Question(asked="And?", context="What does a hut cost? Nine.", said="It costs nine.")
    reranker = FollowUpReranker(ByWords([2, 1], [2, 1]), question)
    ranked = await reranker.rerank("And?", ["Huts\nIt costs nine.", "Huts\nA tent costs four."])
    assert ranked.scores[1] > ranked.scores[0]


async def test_what_was_said_may_hold_what_is_asked_next():
    row = "Ship: Amrum; Built: 1912; Crew: 14"
    question = Question(asked="And the crew?", context=f"When was she built? {row}", said=row)
    reranker = FollowUpReranker(ByWords([2, 1], [2, 1]), question)
    ranked = await reranker.rerank("And the crew?", [f"Ships\n{row}", "Ships\nThe crew is paid."])
    assert ranked.scores[0] > ranked.scores[1]


async def test_a_short_question_that_finds_nothing_with_the_chat_is_asked_alone():
    class OnlyAlone(FakeStages):
        async def rerank(self, query, documents):
            scores = [0.9 if query == "Opening hours?" else 1e-6] * len(documents)
            return RerankScores(scores=np.asarray(scores, np.float32), num_tokens=1)

    fake = OnlyAlone()
    events = await events_of(fake, chat("What is Serve?", "A library.", "Opening hours?"), **JOIN)
    assert len(events[0].passages) == 3
