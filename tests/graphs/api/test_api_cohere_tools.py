"""Tools in Cohere's `/v2/chat`, by its client."""

import json

import pytest

from graphs.pipeline.events import Arguments, Called, Finished, Retrieved, TextDelta, Usage

TOOL = {
    "type": "function",
    "function": {
        "name": "weather", "description": "Tells it.",
        "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"],
        },
    },
}  # fmt: skip
CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
ASK = [{"role": "user", "content": "Weather in Rome?"}]


@pytest.fixture(autouse=True)
def script(api_pipeline):
    usage = Usage(num_prompt_tokens=9, num_completion_tokens=12)
    api_pipeline.script = [
        Retrieved(passages=(), search_query=None, timings=()),
        TextDelta(text="Let me "), TextDelta(text="see."),
        Called(index=0, name="weather"),
        Arguments(index=0, text='{"city":'), Arguments(index=0, text=' "Rome"}'),
        Called(index=1, name="clock"), Arguments(index=1, text="{}"),
        Finished(finish_reason="tool_calls", usage=usage),
    ]  # fmt: skip


async def test_calls_stand_in_the_message(api_cohere, api_pipeline):
    reply = await api_cohere.chat(
        model="rag", messages=ASK, tools=[TOOL, CLOCK], strict_tools=True, documents=["Rome."]
    )
    assert reply.finish_reason == "TOOL_CALL"
    assert reply.message.content[0].text == "Let me see."
    calls = [(one.function.name, one.function.arguments) for one in reply.message.tool_calls]
    assert calls == [("weather", '{"city": "Rome"}'), ("clock", "{}")]
    assert len({one.id for one in reply.message.tool_calls}) == 2
    asked = api_pipeline.requests[0]
    assert [tool.name for tool in asked.tools.tools] == ["weather", "clock"]
    assert (asked.retrieves, asked.tools.choice, asked.constraint) == (True, "auto", None)


async def test_a_message_of_calls_alone_has_no_text(api_cohere, api_pipeline):
    del api_pipeline.script[1:3]
    reply = await api_cohere.chat(model="rag", messages=ASK, tools=[TOOL])
    assert (reply.message.content, len(reply.message.tool_calls)) == (None, 2)


@pytest.mark.parametrize("is_told", [True, False])
async def test_calls_are_streamed_as_cohere_streams_them(api_cohere, api_pipeline, is_told):
    if not is_told:
        del api_pipeline.script[1:3]
    stream = api_cohere.chat_stream(model="rag", messages=ASK, tools=[TOOL, CLOCK])
    events = [event async for event in stream]
    text = ["content-start", "content-delta", "content-delta", "content-end"]
    assert [event.type for event in events] == [
        "message-start", *(text if is_told else ()),
        "tool-call-start", "tool-call-delta", "tool-call-delta", "tool-call-end",
        "tool-call-start", "tool-call-delta", "tool-call-end",
        "message-end",
    ]  # fmt: skip
    arguments = {0: "", 1: ""}
    for event in events:
        if event.type == "tool-call-delta":
            arguments[event.index] += event.delta.message.tool_calls.function.arguments
    assert [json.loads(text) for text in arguments.values()] == [{"city": "Rome"}, {}]
    begun = [one.delta.message.tool_calls for one in events if one.type == "tool-call-start"]
    assert [call.function.name for call in begun] == ["weather", "clock"]
    assert all(call.id.startswith("call_") for call in begun)
    assert events[-1].delta.finish_reason == "TOOL_CALL"


@pytest.mark.parametrize(
    "result",
    [
        '{"degrees": 20}',
        [{"type": "text", "text": '{"degrees": 20}'}],
        [{"type": "document", "document": {"id": "1", "data": {"degrees": 20}}}],
    ],
)
async def test_results_are_answered(api_cohere, api_pipeline, result):
    """As Cohere's guide to tools has it: the plan goes back with the calls."""
    called = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    plan = {"role": "assistant", "tool_plan": "I will look.", "tool_calls": [called]}
    messages = [*ASK, plan, {"role": "tool", "tool_call_id": "c1", "content": result}]
    await api_cohere.chat(model="rag", messages=messages, tools=[TOOL], tool_choice="REQUIRED")
    asked = api_pipeline.requests[0]
    assert asked.tools.is_forced
    first, told = asked.exchange
    assert (first.text, first.tool_calls[0].name) == ("I will look.", "weather")
    assert (told.tool_call_id, "20" in told.text) == (first.tool_calls[0].id, True)


async def test_no_tool_is_offered_where_none_may_be_called(api_cohere, api_pipeline):
    await api_cohere.chat(model="rag", messages=ASK, tools=[TOOL], tool_choice="NONE")
    assert api_pipeline.requests[0].tools is None
