"""Completions through the OpenAI and LangChain clients."""

import json

import httpx2
import pytest
from langchain_openai import OpenAI as LangChainOpenAI
from openai import APIError, NotFoundError
from openai.types import Completion, completion_create_params

from graphs.api import token_input
from graphs.errors import StageUnavailableError
from graphs.pipeline.events import Finished, Retrieved, TextDelta, Usage

MODEL = "local/generator"
USAGE = Usage(num_prompt_tokens=7, num_completion_tokens=3)


@pytest.fixture(autouse=True)
def script(api_pipeline):
    api_pipeline.script = [
        Retrieved(passages=(), search_query=None, timings=()),
        TextDelta(text="once "),
        TextDelta(text="upon"),
        Finished(finish_reason="length", usage=USAGE),
    ]
    return api_pipeline.script


def prompts(pipeline):
    return [request.messages[0].text for request in pipeline.requests]


async def test_a_prompt_is_completed(api_openai, api_pipeline):
    reply = await api_openai.completions.create(model=MODEL, prompt="Tell")
    (choice,) = reply.choices
    assert (choice.text, choice.finish_reason, choice.index) == ("once upon", "length", 0)
    assert (reply.object, reply.model, reply.usage.total_tokens) == ("text_completion", MODEL, 10)
    (request,) = api_pipeline.requests
    assert (request.retrieves, request.sampling.max_tokens) == (False, 16)
    Completion.model_validate_json(reply.to_json(), strict=True)


async def test_several_prompts_get_a_choice_each(api_openai, api_pipeline):
    reply = await api_openai.completions.create(model=MODEL, prompt=["one", "two", "three"])
    assert [choice.index for choice in reply.choices] == [0, 1, 2]
    assert reply.usage.prompt_tokens == 21
    assert prompts(api_pipeline) == ["one", "two", "three"]


async def test_token_ids_are_read_as_cl100k_base(api_openai, api_pipeline):
    ids = token_input.cl100k_base().encode("Tell me")
    await api_openai.completions.create(model=MODEL, prompt=ids)
    await api_openai.completions.create(model=MODEL, prompt=[ids, ids])
    assert prompts(api_pipeline) == ["Tell me"] * 3


async def test_a_stream_has_the_text_and_its_end(api_openai, api_http):
    options = {"stream": True, "stream_options": {"include_usage": True}}
    stream = await api_openai.completions.create(model=MODEL, prompt="Tell", **options)
    chunks = [chunk async for chunk in stream]
    assert [one.choices[0].text for one in chunks[:-1]] == ["once ", "upon", ""]
    assert chunks[-2].choices[0].finish_reason == "length"
    assert (chunks[-1].choices, chunks[-1].usage.total_tokens) == ([], 10)
    assert len({chunk.id for chunk in chunks}) == 1
    body = {"model": MODEL, "prompt": "Tell", "stream": True}
    lines = (await api_http.post("/v1/completions", json=body)).text.splitlines()
    data = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    assert data[-1] == "[DONE]"
    assert all("usage" not in json.loads(one) for one in data[:-1])


async def test_a_failure_keeps_its_status_or_ends_the_stream(api_openai, script):
    script[2:] = [StageUnavailableError("Generator is not available")]
    with pytest.raises(APIError) as caught:
        await api_openai.completions.create(model=MODEL, prompt="Tell")
    assert caught.value.status_code == 503
    stream = await api_openai.completions.create(model=MODEL, prompt="Tell", stream=True)
    with pytest.raises(APIError, match="not available"):
        [chunk async for chunk in stream]


async def test_langchain_completes_and_streams(api_app, api_pipeline):
    client = LangChainOpenAI(
        model=MODEL, api_key="none", base_url="http://ragfleet/v1", max_retries=0,
        http_async_client=httpx2.AsyncClient(transport=httpx2.ASGITransport(app=api_app)),
        frequency_penalty=0, presence_penalty=0,
    )  # fmt: skip
    assert await client.ainvoke("Tell") == "once upon"
    assert await client.abatch(["a", "b"]) == ["once upon"] * 2
    assert [piece async for piece in client.astream("Tell")][:2] == ["once ", "upon"]
    assert api_pipeline.requests[0].sampling.max_tokens == 256


@pytest.mark.parametrize("model", ["rag", "rag:docs"])
async def test_who_answers_from_documents_is_asked_in_a_chat(api_http, model):
    reply = await api_http.post("/v1/completions", json={"model": model, "prompt": "x"})
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (400, "model")
    assert "/v1/chat/completions" in error["message"]


async def test_an_unknown_model_is_404(api_openai):
    with pytest.raises(NotFoundError):
        await api_openai.completions.create(model="gpt-9", prompt="x")


# Field, value, and the `param` of the refusal or what the pipeline is told.
CASES = [
    ("model", "bundled:embedder", "model"),
    ("prompt", "", "prompt"),
    ("prompt", [], "prompt"),
    ("prompt", ["a", 5], "prompt[1]"),
    ("prompt", [100256], "prompt"),
    ("prompt", ["x"] * 9, "prompt"),
    ("max_tokens", 5, {"max_tokens": 5}),
    ("max_tokens", 0, "max_tokens"),
    ("temperature", 0.5, {"temperature": 0.5}),
    ("temperature", 3, "temperature"),
    ("top_p", 0, {"temperature": 0, "top_p": None}),
    ("top_p", 0.9, {"top_p": 0.9}),
    ("seed", 7, {"seed": 7}),
    ("stop", "END", {"stop": ("END",)}),
    ("stop", ["a", "b"], {"stop": ("a", "b")}),
    ("stop", ["a"] * 5, "stop"),
    ("n", 1, {}),
    ("n", 0, "n"),
    ("n", 129, "n"),
    ("best_of", 1, {}),
    ("best_of", 2, "best_of"),
    ("echo", False, {}),
    ("echo", True, "echo"),
    ("suffix", "end", "suffix"),
    ("logprobs", None, {"top_logprobs": None}),
    ("logprobs", 0, {"top_logprobs": 0}),
    ("logprobs", 5, {"top_logprobs": 5}),
    ("logprobs", 21, "logprobs"),
    ("logprobs", True, "logprobs"),
    ("logit_bias", {"50256": -100}, {"logit_bias": ((50256, -100),)}),
    ("logit_bias", {"x": 1}, "logit_bias"),
    ("logit_bias", {}, {"logit_bias": ()}),
    ("frequency_penalty", 0.5, {"frequency_penalty": 0.5}),
    ("presence_penalty", 0, {"presence_penalty": 0}),
    ("presence_penalty", 2.5, "presence_penalty"),
    ("min_p", 0.1, {"min_p": 0.1}),
    ("prompt_logprobs", 0, "prompt_logprobs"),
    ("user", "someone", {}),
    ("stream_options", {"include_obfuscation": True}, "stream_options.include_obfuscation"),
]


async def test_every_field_is_honoured_or_refused_by_its_name(api_http, api_pipeline):
    for field, value, expected in CASES:
        body = {"model": MODEL, "prompt": "Tell"} | {field: value}
        reply = await api_http.post("/v1/completions", json=body)
        if isinstance(expected, str):
            status = 404 if field == "model" else 400
            told = (reply.status_code, reply.json()["error"]["param"])
            assert told == (status, expected), (field, value)
        else:
            assert reply.status_code == 200, (field, value, reply.text)
            sampling = api_pipeline.requests[-1].sampling
            assert {name: getattr(sampling, name) for name in expected} == expected
    body = {"model": MODEL, "prompt": ["a", "b"], "stream": True}
    error = (await api_http.post("/v1/completions", json=body)).json()["error"]
    assert (error["param"], error["message"]) == (
        "prompt", "prompt must have at most 1 prompts with stream, got 2",
    )  # fmt: skip
    params = completion_create_params.CompletionCreateParamsBase.__annotations__
    assert set(params) <= {field for field, *_ in CASES}
