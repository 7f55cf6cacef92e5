"""`openai-agents`: file search, and the corpus by MCP."""

import pytest
from agents import (
    Agent,
    FileSearchTool,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from conftest import ANSWER, QUESTION
from openai import AsyncOpenAI

set_tracing_disabled(disabled=True)  # it would be sent to OpenAI


@pytest.fixture
async def client(base_url, key):
    async with AsyncOpenAI(base_url=base_url, api_key=key, timeout=120, max_retries=0) as one:
        yield one


@pytest.fixture
def searcher(client, handbook):
    return Agent(
        name="Clerk",
        instructions="Be short.",
        model=OpenAIResponsesModel("rag", client),
        tools=[FileSearchTool([handbook], max_num_results=4, include_search_results=True)],
    )


@pytest.mark.quote
async def test_an_agent_searches_files(searcher):
    done = await Runner.run(searcher, QUESTION)
    assert ANSWER in done.final_output
    calls = [item.raw_item for item in done.new_items if item.type == "tool_call_item"]
    assert calls[0].results[0].filename == "documents.md"


@pytest.mark.quote
async def test_an_agent_streams_and_goes_on(searcher):
    running = Runner.run_streamed(searcher, QUESTION)
    kinds = [event.type async for event in running.stream_events()]
    assert "raw_response_event" in kinds
    assert ANSWER in running.final_output
    again = [*running.to_input_list(), {"role": "user", "content": "And how many pages?"}]
    assert (await Runner.run(searcher, again)).final_output


@pytest.mark.quote
async def test_an_agent_goes_on_from_a_kept_response(searcher):
    first = await Runner.run(searcher, QUESTION)
    second = await Runner.run(searcher, QUESTION, previous_response_id=first.last_response_id)
    assert ANSWER in second.final_output


@function_tool
def weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"sunny in {city}"


@pytest.mark.free
@pytest.mark.parametrize("model", [OpenAIResponsesModel, OpenAIChatCompletionsModel])
async def test_an_agent_calls_a_function(client, model):
    agent = Agent(
        name="Guide", model=model("generator", client), tools=[weather],
        model_settings=ModelSettings(temperature=0, tool_choice="required"),
        tool_use_behavior="stop_on_first_tool",
    )  # fmt: skip
    done = await Runner.run(agent, "How is the weather in Paris?")
    assert done.final_output.startswith("sunny in ")


@pytest.mark.free
async def test_an_agent_has_a_function_beside_its_files(client, handbook):
    agent = Agent(
        name="Clerk", model=OpenAIResponsesModel("generator", client),
        tools=[FileSearchTool([handbook], max_num_results=2), weather],
        model_settings=ModelSettings(temperature=0, max_tokens=120),
    )  # fmt: skip
    done = await Runner.run(agent, QUESTION, max_turns=4)
    calls = [item.raw_item.type for item in done.new_items if item.type == "tool_call_item"]
    assert "file_search_call" in calls


@pytest.mark.quote
async def test_an_agent_without_responses(client):
    agent = Agent(
        name="Clerk", model=OpenAIChatCompletionsModel("rag", client),
        model_settings=ModelSettings(temperature=0, max_tokens=100),
    )  # fmt: skip
    assert ANSWER in (await Runner.run(agent, QUESTION)).final_output
