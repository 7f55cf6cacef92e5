"""`n` and `logprobs` over HTTP, whole and streamed, through the OpenAI client."""

from dataclasses import replace

import httpx2
import pytest
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from graphs.config import GatewayConfig
from graphs.pipeline.events import Finished, OtherChoice, Retrieved, TextDelta, Usage
from models.generation import Likely, WrittenToken

QUESTION = {"model": "local/generator", "messages": [{"role": "user", "content": "Tell"}]}
PROMPT = {"model": "local/generator", "prompt": "Tell"}
HALVES = (b"\xc3", b"\xa9")


def token(raw, num_chars, *top):
    likely = tuple(Likely(raw=one, logprob=-at - 1.0) for at, one in enumerate(top))
    return WrittenToken(raw=raw, logprob=-0.5, num_chars=num_chars, top=likely)


def finished(num_completion_tokens):
    usage = Usage(num_prompt_tokens=7, num_completion_tokens=num_completion_tokens)
    return Finished(finish_reason="stop", usage=usage)


FIRST = (token(b"once ", 5, b"once ", b"one"), token(HALVES[0], 0), token(HALVES[1], 1))
SECOND = (token(b"twice", 5, b"thrice"),)


@pytest.fixture
def script(api_pipeline):
    api_pipeline.script = [
        Retrieved(passages=(), search_query=None, timings=()),
        TextDelta(text="once ", tokens=FIRST[:1]),
        OtherChoice(index=1, event=TextDelta(text="twice", tokens=SECOND)),
        TextDelta(text="é", tokens=FIRST[1:]),
        OtherChoice(index=1, event=finished(1)),
        finished(3),
    ]
    return api_pipeline.script


def told(content):
    return [(one.token, bytes(one.bytes), one.logprob) for one in content]


def expected(tokens):
    return [(one.raw.decode(errors="replace"), one.raw, one.logprob) for one in tokens]


async def test_choices_and_probabilities_of_a_chat(script, api_openai, api_pipeline):
    reply = await api_openai.chat.completions.create(**QUESTION, n=2, logprobs=True, top_logprobs=2)
    assert [(one.index, one.message.content) for one in reply.choices] == [
        (0, "once é"), (1, "twice"),
    ]  # fmt: skip
    assert told(reply.choices[0].logprobs.content) == expected(FIRST)
    first = reply.choices[0].logprobs.content[0].top_logprobs
    assert [(one.token, one.logprob) for one in first] == [("once ", -1.0), ("one", -2.0)]
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (7, 4)
    (asked,) = api_pipeline.requests
    assert (asked.num_choices, asked.sampling.top_logprobs) == (2, 2)
    ChatCompletion.model_validate_json(reply.to_json(), strict=True)


async def test_a_streamed_chat_tells_the_same(script, api_openai):
    stream = await api_openai.chat.completions.create(
        **QUESTION, n=2, logprobs=True, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]
    texts, contents, ends = {}, {}, {}
    for chunk in chunks[:-1]:
        (choice,) = chunk.choices
        texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
        contents.setdefault(choice.index, []).extend(
            choice.logprobs.content if choice.logprobs else []
        )
        ends[choice.index] = choice.finish_reason
    assert texts == {0: "once é", 1: "twice"}
    assert {at: told(one) for at, one in contents.items()} == {
        0: expected(FIRST), 1: expected(SECOND),
    }  # fmt: skip
    assert ends == {0: "stop", 1: "stop"}
    roles = [chunk.choices[0].index for chunk in chunks[:-1] if chunk.choices[0].delta.role]
    assert roles == [0, 1]
    assert (chunks[-1].choices, chunks[-1].usage.completion_tokens) == ([], 4)
    for chunk in chunks:
        ChatCompletionChunk.model_validate_json(chunk.to_json(), strict=True)


async def test_a_stream_of_choices_is_resumed_at_every_event(script, api_http):
    body = QUESTION | {"n": 2, "logprobs": True, "stream": True, "seed": 1}

    async def blocks(**headers):
        headers = {"idempotency-key": "k"} | headers
        reply = await api_http.post("/v1/chat/completions", json=body, headers=headers)
        return [one for one in reply.text.split("\n\n") if one]

    whole = await blocks()
    for at, block in enumerate(whole[:-1]):
        event_id = block.splitlines()[0].removeprefix("id: ")
        assert await blocks(**{"last-event-id": event_id}) == whole[at + 1 :]


async def test_choices_and_probabilities_of_a_completion(script, api_openai):
    reply = await api_openai.completions.create(**PROMPT, n=2, logprobs=2)
    assert [(one.index, one.text) for one in reply.choices] == [(0, "once é"), (1, "twice")]
    first = reply.choices[0].logprobs
    assert first.tokens == ["once ", "\N{REPLACEMENT CHARACTER}", "\N{REPLACEMENT CHARACTER}"]
    assert (first.token_logprobs, first.text_offset) == ([-0.5] * 3, [0, 5, 5])
    assert first.top_logprobs[0] == {"once ": -1.0, "one": -2.0}
    assert reply.usage.total_tokens == 11
    Completion.model_validate_json(reply.to_json(), strict=True)
    several = await api_openai.completions.create(model="local/generator", prompt=["a", "b"], n=2)
    assert [one.text for one in several.choices] == ["once é", "twice"] * 2
    assert [one.index for one in several.choices] == [0, 1, 2, 3]
    assert all(one.logprobs is None for one in several.choices)


async def test_a_streamed_completion_tells_the_same(script, api_openai):
    options = {"stream": True, "stream_options": {"include_usage": True}}
    stream = await api_openai.completions.create(**PROMPT, n=2, logprobs=0, **options)
    chunks = [chunk async for chunk in stream]
    pieces = [one.choices[0] for one in chunks[:-1]]
    offsets = [one.logprobs.text_offset for one in pieces if one.logprobs]
    assert offsets == [[0], [0], [5, 5]]
    assert [one.index for one in pieces] == [0, 1, 0, 1, 0]
    assert [one.finish_reason for one in pieces] == [None, None, None, "stop", "stop"]
    assert chunks[-1].usage.total_tokens == 11


async def test_probabilities_that_are_not_asked_for_are_not_told(script, api_openai):
    reply = await api_openai.chat.completions.create(**QUESTION, top_logprobs=0)
    assert reply.choices[0].logprobs is None


async def test_langchain_reads_choices_and_probabilities(script, api_app):
    transport = httpx2.ASGITransport(app=api_app)
    client = ChatOpenAI(
        model="local/generator", api_key="none", base_url="http://ragfleet/v1", max_retries=0,
        http_async_client=httpx2.AsyncClient(transport=transport), n=2, logprobs=True,
    )  # fmt: skip
    result = await client.agenerate([[HumanMessage("Tell")]])
    generations = result.generations[0]
    assert [one.text for one in generations] == ["once é", "twice"]
    logprobs = generations[1].message.response_metadata["logprobs"]["content"]
    assert [one["token"] for one in logprobs] == ["twice"]


async def test_a_server_that_quotes_refuses_them_by_name(api_http, api_app, api_services):
    names = api_services.config.served_names
    quoting = GatewayConfig(answers="quote", served_names=names)
    api_app.state.services = replace(api_services, config=quoting)
    for path, body, field, value in [
        ("/v1/chat/completions", QUESTION, "n", 2),
        ("/v1/chat/completions", QUESTION, "logprobs", True),
        ("/v1/completions", PROMPT, "n", 2),
        ("/v1/completions", PROMPT, "logprobs", 0),
        ("/v1/completions", PROMPT, "min_p", 0.1),
    ]:
        error = (await api_http.post(path, json=body | {field: value})).json()["error"]
        assert (error["param"], error["code"]) == (field, "unsupported_parameter")
        neutral = body | {"n": 1, "logprobs": None}
        assert (await api_http.post(path, json=neutral)).status_code == 200
