"""One trace a request: stages, what was left out, tokens of every generation; on failure too."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from graphs.errors import OverloadedError, StageUnavailableError
from graphs.pipeline.events import Generated
from graphs.pipeline.trace import Trace, log_trace
from tests.graphs.fake_stages import FakeStages, chat, pipeline

FOLLOW_UP = chat("What is Serve?", "A library.", "And its port?")


async def traced(fake, request=FOLLOW_UP, **settings):
    traces = []
    try:
        async with aclosing(pipeline(fake, traces.append, **settings).answer(request)) as events:
            async for _ in events:
                pass
    except (OverloadedError, StageUnavailableError):
        pass
    (trace,) = traces
    return trace


async def test_tokens_of_the_rewritten_question_are_counted_beside_those_of_the_answer():
    trace = await traced(FakeStages())
    assert trace.outcome == "answered"
    assert tuple(replace(one, decoding_ms=0.0) for one in trace.generated) == (
        Generated(stage="condense", num_prompt_tokens=7, num_completion_tokens=3),
        Generated(stage="generate", num_prompt_tokens=7, num_completion_tokens=3),
    )
    assert trace.num_passages == 2


@pytest.mark.parametrize(
    ("failing", "outcome"),
    [
        ({"search": StageUnavailableError("down")}, "unavailable"),
        ({"generate": OverloadedError("full")}, "overloaded"),
        ({"embed": OverloadedError("full")}, "overloaded"),
    ],
)
async def test_a_request_that_fails_leaves_its_trace(failing, outcome):
    trace = await traced(FakeStages(failing=failing), chat("What is two?"))
    assert trace.outcome == outcome
    assert {span.stage for span in trace.spans} >= {"condense", "check_question"}


async def test_a_request_whose_length_nobody_can_tell_leaves_its_trace_too():
    trace = await traced(FakeStages(failing={"tokens": OverloadedError("full")}), chat("What?"))
    assert (trace.outcome, trace.spans) == ("overloaded", ())


@pytest.mark.parametrize(
    ("fake", "outcome"),
    [
        (FakeStages(harmful="two"), "refused"),
        (FakeStages(scores=(0, 0, 0)), "declined"),
        (FakeStages(answer=("All well. ", "poison ", "x"), harmful="poison"), "refused"),
    ],
)
async def test_how_a_request_ended_is_told(fake, outcome):
    assert (await traced(fake, chat("What is two?"))).outcome == outcome


async def test_a_client_that_leaves_is_no_failure_and_its_tokens_count():
    traces = []
    fake = FakeStages(answer=("word " * 40,) * 100, delay_s=0.01)
    async with aclosing(pipeline(fake, traces.append).answer(chat("What?"))) as events:
        await anext(events)
        await anext(events)
    (trace,) = traces
    assert trace.outcome == "cancelled"
    assert trace.generated[0].num_completion_tokens > 0


async def test_spans_say_when_and_times_how_long():
    trace = Trace("r")
    for _ in range(2):
        with trace.stage("check"):
            await asyncio.sleep(0.01)
    one, two = trace.spans
    assert one.end_ms <= two.start_ms
    (total,) = trace.times
    assert total.latency_ms == pytest.approx(
        one.end_ms - one.start_ms + two.end_ms - two.start_ms, abs=0.01
    )


def test_the_log_line_holds_no_text_of_a_user(caplog):
    caplog.set_level("INFO")
    trace = Trace("r-1")
    trace.degrade("rerank")
    trace.degrade("rerank")
    log_trace(trace)
    assert "cancelled request_id=r-1 num_passages=0 degraded=rerank num_migrations=0" in caplog.text
