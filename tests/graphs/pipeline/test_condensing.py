"""From a chat to the question that is searched for; what of it is optional."""

import asyncio
from contextlib import aclosing

import pytest

from graphs.config import RetrievalSettings
from graphs.errors import PoisonRequestError, StageUnavailableError
from models.errors import ContextLengthError, ModelChangedError
from tests.graphs.fake_stages import FakeStages, chat, events_of, text_of


async def test_joining_puts_the_last_question_before_a_follow_up():
    fake = FakeStages()
    request = chat("What is Serve?", "A library.", "What is its port?")
    await events_of(fake, request, retrieval={"condense": "join"})
    assert fake.queries == ["What is Serve? What is its port?"]
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
    assert fake.queries == ["What is Serve? What is its port?"]
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
    assert fake.queries == ["What is Serve? What is its port?"]
    assert events[-1].degraded == ("condense",)
    assert text_of(events)


async def test_settings_of_a_request_go_before_the_configured_ones():
    configured = RetrievalSettings(top_k=4, rerank_threshold=0.5, neighbours=1)
    chosen = configured.overridden({"top_k": 2, "score_threshold": 0.2, "rerank": None})
    assert (chosen.top_k, chosen.neighbours, chosen.rerank) == (2, 1, True)
    assert (chosen.rerank_threshold, chosen.dense_threshold) == (0.2, 0.2)
    assert configured.overridden({"top_k": None}) is configured
