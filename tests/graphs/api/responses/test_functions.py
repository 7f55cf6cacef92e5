"""Functions in responses: items, events, outputs that are sent back, beside a search."""

import json

import pytest
from openai import BadRequestError
from openai.types.responses import ResponseFunctionToolCall, ResponseReasoningItem

from graphs.pipeline.events import (
    Arguments,
    Called,
    Finished,
    TextDelta,
    Thought,
    Usage,
)

SEARCH = {"type": "file_search", "vector_store_ids": ["vs_1"]}
PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
WEATHER = {"type": "function", "name": "weather", "parameters": PARAMETERS, "strict": True}
CLOCK = {"type": "function", "name": "clock", "description": "Tells the time."}
CALL = {"type": "function_call", "call_id": "call_1", "name": "clock", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "Noon."}
NAMED = {"type": "function", "name": "clock"}


@pytest.fixture
def calls(api_pipeline):
    usage = Usage(num_prompt_tokens=9, num_completion_tokens=12, num_reasoning_tokens=3)
    api_pipeline.script[1:] = [
        Thought(text="I need "), Thought(text="the weather."), TextDelta(text="Let me see."),
        Called(index=0, name="weather"),
        Arguments(index=0, text='{"city":'), Arguments(index=0, text=' "Rome"}'),
        Called(index=1, name="clock"), Arguments(index=1, text="{}"),
        Finished(finish_reason="tool_calls", usage=usage),
    ]  # fmt: skip


def kinds(items):
    return [item.type for item in items]


@pytest.mark.usefixtures("calls")
async def test_a_response_has_an_item_for_thoughts_text_and_every_call(ask):
    response = await ask(tools=[WEATHER, CLOCK, SEARCH])
    assert response.status == "completed"
    assert kinds(response.output) == [
        "file_search_call", "reasoning", "message", "function_call", "function_call",
    ]  # fmt: skip
    _, thoughts, _, first, second = response.output
    assert isinstance(thoughts, ResponseReasoningItem)
    assert thoughts.content[0].text == "I need the weather."
    assert isinstance(first, ResponseFunctionToolCall)
    assert (first.name, json.loads(first.arguments)) == ("weather", {"city": "Rome"})
    assert (second.name, second.arguments, second.status) == ("clock", "{}", "completed")
    assert len({item.id for item in response.output}) == 5
    assert first.call_id != second.call_id
    assert response.usage.output_tokens_details.reasoning_tokens == 3
    assert kinds(response.tools) == ["function", "function", "file_search"]


@pytest.mark.usefixtures("calls")
async def test_the_events_of_a_stream_come_in_openais_order(ask, client):
    events = [event async for event in await ask(tools=[WEATHER, CLOCK], stream=True)]
    told = [event.type.removeprefix("response.") for event in events]
    item = ["output_item.added", "content_part.added"]
    end = ["content_part.done", "output_item.done"]
    call = ["output_item.added", *["function_call_arguments.delta"] * 2]
    call_end = ["function_call_arguments.done", "output_item.done"]
    assert told[told.index("output_item.done") + 1 :] == [
        *item, *["reasoning_text.delta"] * 2, "reasoning_text.done", *end,
        *item, "output_text.delta", "output_text.done", *end,
        *call, *call_end, *call[:2], *call_end, "completed",
    ]  # fmt: skip
    assert [event.sequence_number for event in events] == list(range(len(events)))
    done = [event for event in events if event.type.endswith("arguments.done")]
    assert [(one.name, one.arguments, one.output_index) for one in done] == [
        ("weather", '{"city": "Rome"}', 3), ("clock", "{}", 4),
    ]  # fmt: skip
    final = events[-1].response
    assert await client.responses.retrieve(final.id) == final


@pytest.mark.usefixtures("calls")
async def test_the_stream_helper_of_the_client_parses_the_arguments(client):
    async with client.responses.stream(
        model="rag", input="Weather?", tools=[WEATHER, CLOCK | {"strict": True}]
    ) as stream:
        deltas = [e.delta async for e in stream if e.type.endswith("arguments.delta")]
        final = await stream.get_final_response()
    assert deltas == ['{"city":', ' "Rome"}', "{}"]
    parsed = [one.parsed_arguments for one in final.output if one.type == "function_call"]
    assert parsed == [{"city": "Rome"}, {}]


async def test_outputs_go_on_with_the_call_that_a_response_made(ask, api_pipeline, calls):
    first = await ask(tools=[WEATHER, CLOCK])
    made = [item for item in first.output if item.type == "function_call"]
    outputs = [
        {"type": "function_call_output", "call_id": one.call_id, "output": f"{one.name}!"}
        for one in made
    ]
    second = await ask(input=outputs, previous_response_id=first.id, tools=[WEATHER])
    request = api_pipeline.requests[-1]
    assert request.messages[-1].text == "Where do requests wait?"
    assert [(turn.role, turn.text) for turn in request.exchange] == [
        ("assistant", "Let me see."), ("tool", "weather!"), ("tool", "clock!"),
    ]  # fmt: skip
    assert [call.name for call in request.exchange[0].tool_calls] == ["weather", "clock"]
    third = await ask(input="Thanks. And then?", previous_response_id=second.id)
    assert api_pipeline.requests[-1].exchange == ()
    assert third.status == "completed"


async def test_items_of_a_client_that_keeps_the_chat_itself(ask, api_pipeline, client):
    question = {"role": "user", "content": "What time is it?"}
    parts = [{"type": "input_text", "text": "It is "}, {"type": "input_text", "text": "noon."}]
    await ask(input=[question, CALL, OUTPUT | {"output": parts}])
    request = api_pipeline.requests[-1]
    assert [turn.role for turn in request.exchange] == ["assistant", "tool"]
    assert request.exchange[1].text == "It is \nnoon."
    conversation = await client.conversations.create(items=[question, CALL, OUTPUT])
    items = await client.conversations.items.list(conversation.id, order="asc")
    assert kinds(items.data) == ["message", "function_call", "function_call_output"]
    await ask(conversation=conversation.id, input="And now?")
    assert [turn.role for turn in api_pipeline.requests[-1].messages] == [
        "user", "assistant", "tool", "user",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "use"),
    [
        ({}, {"choice": "auto", "named": None, "parallel": True}),
        ({"tool_choice": "required"}, {"choice": "required"}),
        ({"tool_choice": "required", "tools": [SEARCH, CLOCK]}, {"choice": "auto"}),
        ({"tool_choice": NAMED}, {"named": "clock"}),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [NAMED]}},
            {"choice": "required"},
        ),
        ({"parallel_tool_calls": False}, {"parallel": False}),
        ({"text": {"format": {"type": "json_object"}}}, {"answer": '{"type": "object"}'}),
    ],
)  # fmt: skip
async def test_what_may_be_called_reaches_the_pipeline(ask, api_pipeline, fields, use):
    await ask(**({"tools": [WEATHER, CLOCK]} | fields))
    request = api_pipeline.requests[-1]
    assert {name: getattr(request.tools, name) for name in use} == use
    assert request.constraint is None
    assert request.retrieves


@pytest.mark.parametrize(
    "fields", [{"tool_choice": "none"}, {"tool_choice": {"type": "file_search"}}]
)
async def test_where_nothing_may_be_called_no_function_is_offered(ask, api_pipeline, fields):
    await ask(tools=[CLOCK], **fields)
    assert api_pipeline.requests[-1].tools is None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [CLOCK | {"name": "a b"}]}, "tools[0]"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [CLOCK, CLOCK]}, "tools"),
        ({"tools": [CLOCK], "tool_choice": NAMED | {"name": "x"}}, "tool_choice"),
        ({"tools": [SEARCH], "tool_choice": NAMED}, "tool_choice"),
        ({"input": [OUTPUT]}, "input"),
        ({"input": [{"role": "user", "content": "?"}, OUTPUT]}, "input"),
        ({"input": [CALL | {"name": None}]}, "input[0].name"),
        ({"input": [OUTPUT | {"call_id": None}]}, "input[0].call_id"),
        ({"reasoning": {"effort": "much"}}, "reasoning.effort"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused_by_name(ask, fields, param):
    with pytest.raises(BadRequestError) as error:
        await ask(**fields)
    assert error.value.param == param


async def test_effort_reaches_the_pipeline_and_is_echoed(ask, api_pipeline):
    response = await ask(reasoning={"effort": "low"})
    assert response.reasoning.effort == "low"
    assert api_pipeline.requests[-1].effort == "low"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": "required", "tools": [CLOCK]}, "tool_choice"),
        ({"reasoning": {"effort": "low"}}, "reasoning.effort"),
        ({"tools": [CLOCK]}, None),
    ],
)  # fmt: skip
async def test_a_server_that_only_quotes_cannot_be_made_to_call(ask, with_config, fields, param):
    with_config(answers="quote")
    if param is None:
        assert (await ask(**fields)).status == "completed"
        return
    with pytest.raises(BadRequestError) as error:
        await ask(**fields)
    assert error.value.param == param
