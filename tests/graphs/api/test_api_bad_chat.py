"""Chat requests that must be refused, each with the field at fault."""

import json

import pytest

USER = {"role": "user", "content": "Where?"}
ANSWER = {"role": "assistant", "content": "There."}
IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}
NAN = float("nan")


async def refusal(client, fields):
    body = {"model": "rag", "messages": [USER]} | fields
    reply = await client.post(
        "/v1/chat/completions", content=dump(body), headers={"content-type": "application/json"}
    )
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return reply.status_code, error["type"], error["param"], error["code"]


def dump(body):
    return json.dumps(body)  # unlike httpx's, this one writes NaN


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"messages": []}, "messages", "invalid_value"),
        ({"messages": "hi"}, "messages", "invalid_type"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "invalid_type"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages[0]", "invalid_value"),
        ({"messages": [USER, ANSWER]}, "messages[1]", "invalid_value"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0]", "invalid_value"),
        (
            {"messages": [{"role": "user", "content": [IMAGE]}]},
            "messages[0].content[0].type",
            "unsupported_value",
        ),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages[0]", "invalid_value"),
        ({"messages": [USER, {"role": "user", "content": None}]}, "messages[1]", "invalid_value"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "?a"}, IMAGE]}]},
            "messages[0].content[1].type",
            "unsupported_value",
        ),
        ({"model": 5}, "model", "invalid_type"),
        ({"temperature": NAN}, "temperature", "invalid_value"),
        ({"temperature": float("inf")}, "temperature", "invalid_value"),
        ({"temperature": "0.5"}, "temperature", "invalid_type"),
        ({"temperature": 3}, "temperature", "invalid_value"),
        ({"top_p": -0.1}, "top_p", "invalid_value"),
        ({"top_k": -2}, "top_k", "invalid_value"),
        ({"max_tokens": 0}, "max_tokens", "invalid_value"),
        ({"max_tokens": 10**30}, "max_tokens", "invalid_value"),
        ({"temperature": 10**400}, "temperature", "invalid_type"),
        ({"max_tokens": 1.5}, "max_tokens", "invalid_type"),
        ({"max_tokens": 1e300}, "max_tokens", "invalid_value"),
        ({"max_tokens": -1}, "max_tokens", "invalid_value"),
        ({"max_completion_tokens": True}, "max_completion_tokens", "invalid_type"),
        ({"seed": 2**63}, "seed", "invalid_value"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "invalid_value"),
        ({"stop": 5}, "stop", "invalid_type"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"n": 0}, "n", "invalid_value"),
        ({"n": 129}, "n", "invalid_value"),
        ({"logprobs": 5}, "logprobs", "invalid_type"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "invalid_value"),
        ({"logit_bias": {"5": 101}}, "logit_bias.5", "invalid_value"),
        ({"logit_bias": {"five": 1}}, "logit_bias", "invalid_value"),
        ({"presence_penalty": 2.5}, "presence_penalty", "invalid_value"),
        ({"frequency_penalty": -2.5}, "frequency_penalty", "invalid_value"),
        ({"repetition_penalty": 0}, "repetition_penalty", "invalid_value"),
        ({"min_p": 1.5}, "min_p", "invalid_value"),
        ({"min_tokens": -1}, "min_tokens", "invalid_value"),
        ({"stop_token_ids": [-1]}, "stop_token_ids[0]", "invalid_value"),
        ({"ignore_eos": "yes"}, "ignore_eos", "invalid_type"),
        ({"best_of": 2}, "best_of", "unsupported_value"),
        ({"use_beam_search": True}, "use_beam_search", "unsupported_parameter"),
        ({"length_penalty": 0.5}, "length_penalty", "unsupported_value"),
        ({"prompt_logprobs": 0}, "prompt_logprobs", "unsupported_value"),
        ({"bad_words": ["x"]}, "bad_words", "unsupported_parameter"),
        ({"echo": True}, "echo", "unsupported_parameter"),
        ({"continue_final_message": True}, "continue_final_message", "unsupported_parameter"),
        ({"add_generation_prompt": False}, "add_generation_prompt", "unsupported_value"),
        ({"chat_template_kwargs": {"a": 1}}, "chat_template_kwargs", "unsupported_parameter"),
        ({"reasoning_effort": "much"}, "reasoning_effort", "invalid_value"),
        ({"verbosity": "low"}, "verbosity", "unsupported_value"),
        ({"prediction": {"type": "content"}}, "prediction", "unsupported_parameter"),
        ({"logits_processors": ["x"]}, "logits_processors", "unsupported_parameter"),
        ({"function_call": {"name": "x"}}, "function_call", "unsupported_value"),
        ({"data_sources": [{}]}, "data_sources", "unsupported_parameter"),
        ({"rag": {"top_k": 51}}, "rag.top_k", "invalid_value"),
        ({"rag": {"topk": 5}}, "rag", "unknown_parameter"),
        ({"rag": {"\0" * 99: 5}}, "rag", "unknown_parameter"),
        ({"rag": {"top_k": "3"}}, "rag.top_k", "invalid_type"),
        ({"rag": {"mode": "magic"}}, "rag.mode", "invalid_value"),
        ({"rag": {"score_threshold": NAN}}, "rag.score_threshold", "invalid_value"),
        ({"rag": {"vector_store_ids": []}}, "rag.vector_store_ids", "invalid_value"),
        ({"rag": {"filters": {"type": "like"}}}, "rag.filters", "invalid_filter"),
        ({"rag": {}, "model": "local/generator"}, "rag", "invalid_value"),
        (
            {"rag": {"vector_store_ids": ["a"]}, "model": "rag:a"},
            "rag.vector_store_ids",
            "invalid_value",
        ),
    ],
)  # fmt: skip
async def test_bad_field_is_refused_by_name(api_http, api_pipeline, fields, param, code):
    assert await refusal(api_http, fields) == (400, "invalid_request_error", param, code)
    assert api_pipeline.requests == []


async def test_top_logprobs_need_logprobs(api_http):
    body = {"model": "rag", "messages": [USER], "top_logprobs": 3}
    error = (await api_http.post("/v1/chat/completions", json=body)).json()["error"]
    assert error["message"] == "top_logprobs needs `logprobs: true`, got 3"


async def test_missing_field_is_refused_by_name(api_http):
    reply = await api_http.post("/v1/chat/completions", json={"messages": [USER]})
    assert reply.status_code == 400
    assert reply.json()["error"] == {
        "message": "model: Field required",
        "type": "invalid_request_error",
        "param": "model",
        "code": "missing_required_parameter",
    }


@pytest.mark.parametrize(
    "fields",
    [
        {"user": "me", "store": False, "metadata": {"a": "b"}, "service_tier": "flex"},
        {"tools": [], "tool_choice": "auto", "n": 1, "logprobs": False, "top_logprobs": 0},
        {"response_format": {"type": "text"}, "logit_bias": {}, "frequency_penalty": 0},
        {"stop": None, "temperature": None, "stream": None, "rag": None, "made_up": [1]},
        {"stream_options": {"include_obfuscation": False}, "parallel_tool_calls": True},
    ],
)
async def test_harmless_field_is_ignored(api_http, fields):
    body = {"model": "rag", "messages": [USER]} | fields
    assert (await api_http.post("/v1/chat/completions", json=body)).status_code == 200


async def test_union_faults_are_told_for_the_shape_that_was_meant(api_http):
    messages = [{"role": "user", "content": [{"type": "text", "text": 5}]}]
    body = {"model": "rag", "messages": messages}
    error = (await api_http.post("/v1/chat/completions", json=body)).json()["error"]
    assert error["message"] == "messages[0].content[0].text: Input should be a valid string"
