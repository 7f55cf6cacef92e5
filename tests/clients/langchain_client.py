"""`langchain-openai`: its models and embeddings."""

from typing import Literal

import pytest
from conftest import ANSWER, QUESTION
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from openai import BadRequestError
from pydantic import BaseModel


class Limit(BaseModel):
    """The size that something may have at most."""

    number: int
    unit: Literal["kilobytes", "megabytes", "gigabytes"]


@tool
def weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"sunny in {city}"


@pytest.fixture
def chat(base_url, key):
    def make(model="rag", **options):
        return ChatOpenAI(
            model=model, base_url=base_url, api_key=key, timeout=120, max_retries=0,
            stream_usage=True, **options,
        )  # fmt: skip

    return make


@pytest.mark.quote
@pytest.mark.parametrize("use_responses_api", [False, True])
def test_an_answer_whole_and_streamed(chat, use_responses_api):
    model = chat(use_responses_api=use_responses_api, temperature=0)
    whole = model.invoke(QUESTION)
    pieces = list(model.stream(QUESTION))
    assert ANSWER in whole.text
    assert "".join(piece.text for piece in pieces) == whole.text
    assert whole.usage_metadata["total_tokens"] > 0
    total = pieces[0]
    for piece in pieces[1:]:
        total += piece
    assert total.usage_metadata["total_tokens"] == whole.usage_metadata["total_tokens"]


@pytest.mark.quote
async def test_an_answer_is_awaited(chat):
    assert ANSWER in (await chat().ainvoke([("system", "Be short."), ("human", QUESTION)])).text


@pytest.mark.quote
def test_file_search_is_bound_and_cited(chat, handbook):
    search = {"type": "file_search", "vector_store_ids": [handbook]}
    answer = chat(use_responses_api=True).bind_tools([search]).invoke(QUESTION)
    cited = [note for block in answer.content_blocks for note in block.get("annotations", [])]
    assert ANSWER in answer.text
    assert cited


@pytest.mark.free
@pytest.mark.parametrize("use_responses_api", [False, True])
def test_structured_output(chat, use_responses_api):
    model = chat("generator", temperature=0, use_responses_api=use_responses_api)
    held = model.with_structured_output(Limit, method="json_schema")
    whole = held.invoke(QUESTION)
    assert isinstance(whole, Limit)
    assert list(held.stream(QUESTION))[-1] == whole


@pytest.mark.quote
def test_what_a_server_that_quotes_cannot_do_is_refused_by_name(chat):
    with pytest.raises(BadRequestError, match="response_format"):
        chat().with_structured_output(Limit, method="json_schema").invoke(QUESTION)
    with pytest.raises(BadRequestError, match="answers: free"):
        chat().bind_tools([weather], tool_choice="required").invoke(QUESTION)


@pytest.mark.quote
def test_tools_that_need_not_be_called_are_none_of_its_business(chat):
    answer = chat().bind_tools([weather]).invoke(QUESTION)
    assert ANSWER in answer.text
    assert answer.tool_calls == []


@pytest.mark.free
@pytest.mark.parametrize("use_responses_api", [False, True])
def test_tools_are_called_and_their_results_taken(chat, use_responses_api):
    model = chat("generator", use_responses_api=use_responses_api, temperature=0)
    bound = model.bind_tools([weather], tool_choice="required")
    asked = "How is the weather in Paris?"
    called = bound.invoke(asked)
    (call,) = called.tool_calls
    assert (call["name"], set(call["args"])) == ("weather", {"city"})
    pieces = list(bound.stream(asked))
    whole = pieces[0]
    for piece in pieces[1:]:
        whole += piece
    assert whole.tool_calls[0]["args"] == call["args"]
    told = weather.invoke(call)
    answer = model.bind_tools([weather]).invoke([("human", asked), called, told])
    assert answer.text or answer.tool_calls


@pytest.mark.free
def test_completions(base_url, key):
    model = OpenAI(model="generator", base_url=base_url, api_key=key, max_tokens=8)
    assert isinstance(model.invoke("The capital of France is"), str)
    assert isinstance("".join(model.stream("One, two, three,")), str)


@pytest.mark.parametrize("check", [True, False])
def test_embeddings_of_tokens_and_of_texts(base_url, check, key):
    model = OpenAIEmbeddings(
        model="embedder", base_url=base_url, api_key=key, check_embedding_ctx_length=check
    )
    cat, kitten, tax = model.embed_documents(["a cat", "a kitten", "tax law"])
    assert dot(cat, kitten) > dot(cat, tax) + 0.2
    assert dot(model.embed_query("a cat"), cat) > 0.99


def dot(a, b):
    return sum(x * y for x, y in zip(a, b, strict=True))
