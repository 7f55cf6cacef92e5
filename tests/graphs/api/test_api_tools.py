"""Tools over HTTP, as OpenAI's own client sees them: whole, streamed, parsed."""

import json

import pytest
from openai import BadRequestError
from openai.lib.streaming.chat import (
    FunctionToolCallArgumentsDeltaEvent,
    FunctionToolCallArgumentsDoneEvent,
)
from pydantic import BaseModel, Field

from graphs.pipeline.events import (
    Arguments,
    Called,
    Finished,
    Retrieved,
    TextDelta,
    Thought,
    Usage,
)

PARAMETERS = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FUNCTION = {"name": "weather", "description": "Tells it.", "parameters": PARAMETERS}
TOOL = {"type": "function", "function": FUNCTION | {"strict": True}}
CLOCK = {"type": "function", "function": {"name": "clock", "strict": True}}
QUESTION = [{"role": "user", "content": "Weather in Rome?"}]
NAMED = {"type": "function", "function": {"name": "clock"}}


def allowed(*names, mode="auto"):
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


@pytest.fixture(autouse=True)
def script(api_pipeline):
    usage = Usage(num_prompt_tokens=9, num_completion_tokens=12, num_reasoning_tokens=3)
    api_pipeline.script = [
        Retrieved(passages=(), search_query=None, timings=(), identity="0" * 16),
        Thought(text="I need "), Thought(text="the weather."), TextDelta(text="Let me see."),
        Called(index=0, name="weather"),
        Arguments(index=0, text='{"city":'), Arguments(index=0, text=' "Rome"}'),
        Called(index=1, name="clock"), Arguments(index=1, text="{}"),
        Finished(finish_reason="tool_calls", usage=usage),
    ]  # fmt: skip


def asking(client, **fields):
    fields = {"model": "rag", "messages": QUESTION, "tools": [TOOL, CLOCK]} | fields
    return client.chat.completions.create(**fields)


async def test_a_completion_has_calls_thoughts_and_its_reason(api_openai):
    reply = await asking(api_openai)
    choice = reply.choices[0]
    assert choice.finish_reason == "tool_calls"
    message = choice.message
    assert (message.content, message.reasoning_content) == ("Let me see.", "I need the weather.")
    calls = [(one.type, one.function.name, one.function.arguments) for one in message.tool_calls]
    assert calls == [("function", "weather", '{"city": "Rome"}'), ("function", "clock", "{}")]
    assert len({one.id for one in message.tool_calls}) == 2
    assert reply.usage.completion_tokens_details.reasoning_tokens == 3


async def test_a_reply_of_calls_alone_has_no_content(api_openai, api_pipeline):
    del api_pipeline.script[1:4]
    message = (await asking(api_openai)).choices[0].message
    assert (message.content, len(message.tool_calls)) == (None, 2)
    assert not hasattr(message, "reasoning_content") or message.reasoning_content is None


async def test_calls_are_streamed_as_openai_streams_them(api_openai):
    deltas = [
        chunk.choices[0].delta
        async for chunk in await asking(api_openai, stream=True)
        if chunk.choices
    ]
    thoughts = [
        delta.reasoning_content for delta in deltas if "reasoning_content" in delta.to_dict()
    ]
    assert thoughts == ["I need ", "the weather."]
    pieces = [one.to_dict() for delta in deltas for one in delta.tool_calls or ()]
    first, second = (piece.pop("id") for piece in pieces if "id" in piece)
    assert first != second
    assert pieces == [
        {"index": 0, "type": "function", "function": {"name": "weather", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"city":'}},
        {"index": 0, "function": {"arguments": ' "Rome"}'}},
        {"index": 1, "type": "function", "function": {"name": "clock", "arguments": ""}},
        {"index": 1, "function": {"arguments": "{}"}},
    ]


async def test_the_parse_helpers_of_the_client_take_the_stream(api_openai):
    async with api_openai.chat.completions.stream(
        model="rag", messages=QUESTION, tools=[TOOL, CLOCK]
    ) as stream:
        events = [event async for event in stream]
        final = await stream.get_final_completion()
    deltas = [one for one in events if isinstance(one, FunctionToolCallArgumentsDeltaEvent)]
    assert [one.arguments_delta for one in deltas if one.index == 0][-2:] == [
        '{"city":',
        ' "Rome"}',
    ]
    done = [one for one in events if isinstance(one, FunctionToolCallArgumentsDoneEvent)]
    assert [(one.name, one.arguments) for one in done] == [
        ("weather", '{"city": "Rome"}'), ("clock", "{}"),
    ]  # fmt: skip
    assert final.choices[0].message.tool_calls[0].function.parsed_arguments == {"city": "Rome"}


async def test_the_parsed_completion_of_the_client_reads_the_arguments(api_openai):
    reply = await api_openai.chat.completions.parse(model="rag", messages=QUESTION, tools=[TOOL])
    call = reply.choices[0].message.tool_calls[0]
    assert call.function.parsed_arguments == {"city": "Rome"}


@pytest.mark.parametrize(
    ("fields", "use"),
    [
        ({}, {"choice": "auto", "named": None, "parallel": True}),
        ({"tool_choice": "auto"}, {"choice": "auto"}),
        ({"tool_choice": "required"}, {"choice": "required"}),
        ({"tool_choice": NAMED}, {"named": "clock"}),
        ({"tool_choice": allowed("clock", mode="required")}, {"choice": "required"}),
        ({"parallel_tool_calls": False}, {"parallel": False}),
        (
            {"response_format": {"type": "json_object"}},
            {"answer": '{"type": "object"}'},
        ),
    ],
)  # fmt: skip
async def test_what_may_be_called_reaches_the_pipeline(api_openai, api_pipeline, fields, use):
    await asking(api_openai, **fields)
    request = api_pipeline.requests[-1]
    assert {name: getattr(request.tools, name) for name in use} == use
    assert request.constraint is None
    names = [tool.name for tool in request.tools.tools]
    assert names == (["clock"] if "allowed" in str(fields) else ["weather", "clock"])
    assert json.loads(request.tools.tools[0].parameters).get("type") == "object"


@pytest.mark.parametrize("fields", [{"tool_choice": "none"}, {"tools": []}, {"tools": None}])
async def test_where_nothing_may_be_called_no_tool_is_offered(api_openai, api_pipeline, fields):
    await asking(api_openai, **fields)
    assert api_pipeline.requests[-1].tools is None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        (
            {"tools": [TOOL | {"function": FUNCTION | {"parameters": {"type": "string"}}}]},
            "tools[0].function",
        ),
        ({"tools": [TOOL, TOOL]}, "tools"),
        ({"tools": [TOOL] * 129}, "tools"),
        ({"tools": None, "tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "x"}}}, "tool_choice"),
        ({"tool_choice": allowed("x")}, "tool_choice"),
        ({"tool_choice": {"type": "custom", "custom": {"name": "f"}}}, "tool_choice"),
        ({"extra_body": {"guided_regex": "a"}}, "guided_regex"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls"),
        ({"reasoning_effort": "much"}, "reasoning_effort"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused_by_name(api_openai, fields, param):
    with pytest.raises(BadRequestError) as error:
        await asking(api_openai, **fields)
    assert error.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tool_choice": "required"}, "tool_choice"), ({"tool_choice": NAMED}, "tool_choice"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"reasoning_effort": "none"}, None), ({}, None),
    ],
)  # fmt: skip
async def test_a_server_that_only_quotes_cannot_be_made_to_call(
    api_openai, api_services, api_config, api_app, fields, param
):
    quoting = api_config.model_copy(update={"answers": "quote"})
    api_app.state.services = type(api_services)(**{**vars(api_services), "config": quoting})
    if param is None:
        await asking(api_openai, **fields)
        return
    with pytest.raises(BadRequestError) as error:
        await asking(api_openai, **fields)
    assert (error.value.param, error.value.code) == (param, "unsupported_parameter")


async def test_langchain_binds_tools(api_openai):
    from langchain_openai import ChatOpenAI

    class weather(BaseModel):  # its name is the tool's
        """Tells it."""

        city: str = Field(description="where")

    model = ChatOpenAI(
        model="rag", api_key="none", base_url="http://ragfleet/v1",
        root_async_client=api_openai, async_client=api_openai.chat.completions,
    ).bind_tools([weather])  # fmt: skip
    whole = await model.ainvoke("Weather in Rome?")
    assert [(one["name"], one["args"]) for one in whole.tool_calls] == [
        ("weather", {"city": "Rome"}), ("clock", {}),
    ]  # fmt: skip
    chunks = [chunk async for chunk in model.astream("Weather in Rome?")]
    joined = chunks[0]
    for chunk in chunks[1:]:
        joined += chunk
    assert [one["args"] for one in joined.tool_calls] == [{"city": "Rome"}, {}]
