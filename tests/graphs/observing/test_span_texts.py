"""Texts stand in spans where a tenant agreed, by the names of OpenTelemetry; else nowhere."""

import json
from dataclasses import replace

import pytest
from opentelemetry import trace as otel
from opentelemetry.trace import NonRecordingSpan, SpanContext
from pydantic import ValidationError

from graphs.caller import Caller
from graphs.observing.span_texts import SpanTexts
from graphs.observing_settings import ObservingSettings
from graphs.pipeline.events import (
    Arguments,
    Called,
    Finished,
    Message,
    OtherChoice,
    TextDelta,
    Thought,
    Usage,
)
from graphs.pipeline.retrieval import Scope
from graphs.pipeline.trace import Trace
from models.generation import ToolCall
from tests.graphs.fake_stages import FakeStages, chat, pipeline

QUESTION = "What is two?"
ACME = Caller(tenant="acme")


async def asked(tenants, fake=None, **options):
    request = replace(chat(QUESTION, **options), caller=ACME)
    async for _ in pipeline(fake or FakeStages(), texts=SpanTexts(tenants)).answer(request):
        pass


def texts_of(span):
    told = {name: one for name, one in span.attributes.items() if "usage" not in name}
    return {
        name.removeprefix("gen_ai."): json.loads(one) if str(one).startswith("[") else one
        for name, one in told.items()
        if name.startswith("gen_ai.")
    }


async def test_a_chat_tells_what_was_asked_found_and_answered(spans):
    await asked(["acme"])
    told = texts_of(spans()["rag.chat"])
    assert told["input.messages"] == [
        {"role": "user", "parts": [{"type": "text", "content": QUESTION}]}
    ]
    assert told["retrieval.query.text"] == QUESTION
    assert [(one["id"], one["score"], one["content"]) for one in told["retrieval.documents"]] == [
        ("2", 0.9, "Text of 2."), ("3", 0.7, "Text of 3."),
    ]  # fmt: skip
    said = {"type": "text", "content": "Text of 2. [1] And more."}
    assert told["output.messages"] == [{"role": "assistant", "parts": [said]}]
    assert told["response.finish_reasons"] == ("stop",)


@pytest.mark.parametrize(
    ("tenants", "options"),
    [((), {}), (["birch"], {}), (["*"], {"may_be_logged": False})],
    ids=["off", "others", "refused"],
)
async def test_no_text_stands_in_any_span_where_nobody_agreed(spans, tenants, options):
    await asked(tenants, **options)
    found = spans()
    assert "rag.chat" in found
    told = str([dict(span.attributes) for span in found.values()])
    assert "two" not in told
    assert "Text of" not in told


async def test_a_star_stands_for_every_tenant_and_what_is_held_back_is_not_told(spans):
    await asked(["*"], FakeStages(answer=("This is harmful.",), harmful="harmful"))
    told = str(texts_of(spans()["rag.chat"]))
    assert QUESTION in told
    assert "harmful" not in told


async def test_a_search_tells_what_it_found(spans):
    scope = Scope(caller=ACME, stores=None, filters=None, settings=chat("").retrieval)
    searching = pipeline(FakeStages(), texts=SpanTexts(["acme"]))
    await searching.search(["where is two"], scope, Trace("r", caller=ACME))
    told = texts_of(spans()["rag.search"])
    assert told["retrieval.query.text"] == "where is two"
    assert told["retrieval.documents"][0]["content"] == "Text of 2."


async def noted(request, *events):
    async def told():
        for event in events:
            yield event

    with Trace("r", "chat", ACME) as trace:
        async for _ in SpanTexts(["acme"]).of_chat(told(), request, trace):
            pass


async def test_calls_thoughts_and_other_answers_are_told_in_the_form_of_the_schema(spans):
    call = ToolCall(id="call_1", name="look", arguments='{"at": 1}')
    messages = (
        Message(role="user", content=QUESTION),
        Message(role="assistant", content="", tool_calls=(call,)),
        Message(role="tool", content="x" * 20_000, tool_call_id="call_1"),
    )
    usage = Usage(num_prompt_tokens=1, num_completion_tokens=1)
    await noted(
        replace(chat(QUESTION), caller=ACME, messages=messages),
        Thought(text="Hm."), Called(index=0, name="look"), Arguments(index=0, text="{}"),
        OtherChoice(index=1, event=TextDelta(text="No.")),
        Finished(finish_reason="tool_calls", usage=usage),
        OtherChoice(index=1, event=Finished(finish_reason="length", usage=usage)),
    )  # fmt: skip
    told = texts_of(spans()["rag.chat"])
    _, called, result = told["input.messages"]
    assert called["parts"] == [{"type": "tool_call", **vars(call)}]
    assert (result["parts"][0]["id"], len(result["parts"][0]["response"])) == ("call_1", 16_001)
    first, second = told["output.messages"]
    assert first["parts"] == [
        {"type": "reasoning", "content": "Hm."},
        {"type": "tool_call", "name": "look", "arguments": "{}"},
    ]
    assert second["parts"] == [{"type": "text", "content": "No."}]
    assert told["response.finish_reasons"] == ("tool_calls", "length")


async def test_what_is_not_sampled_is_not_collected(span_exporter):
    events = object()
    unsampled = otel.set_span_in_context(NonRecordingSpan(SpanContext(1, 1, is_remote=True)))
    token = otel.context_api.attach(unsampled)
    try:
        trace = Trace("r", "chat", ACME)
    finally:
        otel.context_api.detach(token)
    request = replace(chat(QUESTION), caller=ACME)
    assert SpanTexts(["acme"]).of_chat(events, request, trace) is events


def test_a_tenant_that_cannot_be_is_refused():
    assert ObservingSettings().span_texts == ()
    with pytest.raises(ValidationError):
        ObservingSettings(span_texts=("no tenant",))
