"""Every documented field of a response is honoured, echoed, or refused by its name."""

import functools

import pytest

DEEP = functools.reduce(lambda inner, _: {"not": inner}, range(70), {})
ASKED = {"model": "rag", "input": "Where?"}
SEARCH = {"type": "file_search", "vector_store_ids": ["vs_1"]}
ECHOED = {
    "parallel_tool_calls": False, "prompt_cache_key": "k", "prompt_cache_retention": "24h",
    "safety_identifier": "s", "user": "u", "max_tool_calls": 3, "instructions": "Be brief.",
    "max_output_tokens": 9, "temperature": 0.5, "top_p": 0.5, "truncation": "auto",
    "metadata": {"a": "b"}, "service_tier": "default", "background": False, "store": False,
}  # fmt: skip
HARMLESS = [
    {"text": {"format": {"type": "text"}, "verbosity": "medium"}}, {"text": {}},
    {"reasoning": {"effort": None, "summary": None}}, {"reasoning": {"effort": "none"}},
    {"reasoning": {"summary": "auto", "context": "auto", "mode": "standard"}},
    {"prompt_cache_options": {"mode": "explicit"}},
    {"tools": [{"type": "function", "name": "f", "async": False, "defer_loading": None,
                "allowed_callers": ["direct"]}]},
    {"top_logprobs": 0}, {"stream_options": {"include_obfuscation": False}},
    {"service_tier": "auto"}, {"include": ["reasoning.encrypted_content"]}, {"tools": []},
    {"tool_choice": "auto"}, {"moderation": None}, {"prompt": None}, {"image": None},
]  # fmt: skip
REFUSED = [
    ({"text": {"format": {"type": "json_schema", "name": "a"}}}, "text.format.schema"),
    ({"text": {"format": {"type": "xml"}}}, "text.format"),
    (
        {"text": {"format": {"type": "json_schema", "name": "a", "schema": DEEP}}},
        "text.format.schema",
    ),
    ({"text": {"verbosity": "low"}}, "text.verbosity"),
    ({"reasoning": {"effort": "much"}}, "reasoning.effort"),
    ({"reasoning": {"summary": "detailed"}}, "reasoning.summary"),
    ({"reasoning": {"generate_summary": "concise"}}, "reasoning.generate_summary"),
    ({"reasoning": {"context": "all_turns"}}, "reasoning.context"),
    ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
    ({"stream_options": {"include_obfuscation": True}}, "stream_options"),
    ({"service_tier": "best"}, "service_tier"),
    ({"top_logprobs": 21}, "top_logprobs"),
    ({"access_programs": {"cyber": "standard"}}, "access_programs"),
    ({"context_management": [{"type": "compaction"}]}, "context_management"),
    ({"image": {"context_compression": "auto"}}, "image"),
    ({"moderation": {"model": "m"}}, "moderation"),
    ({"prompt": {"id": "p"}}, "prompt"),
    ({"prompt_cache_options": "explicit"}, "prompt_cache_options"),
    ({"include": ["message.all"]}, "include"),
    ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
    *(
        ({"tools": [{"type": "function", "name": "f", name: value}]}, "tools[0]")
        for name, value in {
            "async": True,
            "defer_loading": True,
            "output_schema": {"type": "object"},
            "allowed_callers": ["programmatic"],
        }.items()
    ),
    ({"tools": [SEARCH, SEARCH]}, "tools"),
    ({"tools": [SEARCH | {"max_num_results": 51}]}, "tools[0].max_num_results"),
    ({"tools": [SEARCH | {"filters": {"type": "like"}}]}, "tools[0].filters"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": "none", "tools": [SEARCH]}, "tool_choice"),
    ({"tool_choice": {"type": "web_search"}}, "tool_choice.type"),
    ({"model": "rag:docs", "tools": [SEARCH]}, "tools"),
    ({"background": True, "store": False}, "background"),
    ({"max_output_tokens": 0}, "max_output_tokens"),
    ({"temperature": 3}, "temperature"),
    ({"truncation": "half"}, "truncation"),
    ({"metadata": {"a": "b" * 513}}, "metadata.a"),
    ({"input": []}, "input"),
    ({"input": " "}, "input"),
    ({"input": [{"role": "assistant", "content": "Hi."}]}, "input"),
    ({"input": [{"role": "user"}]}, "input[0].content"),
    ({"input": [{"content": "Hi."}]}, "input[0].role"),
    ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].id"),
    ({"input": [{"type": "function_call_output", "output": "1"}]}, "input[0].call_id"),
    (
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "x"}]}]},
        "input[0].content[0].type",
    ),
    (
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "x"}]}]},
        "input[0].content[0].type",
    ),
]
OF_CHAT = ["messages", "max_tokens", "response_format", "n", "seed", "stop", "rag", "top_k"]


async def create(api_http, **fields):
    return await api_http.post("/v1/responses", json=ASKED | fields)


@pytest.mark.parametrize("name", ECHOED)
async def test_a_field_stands_in_the_response(api_http, name):
    reply = await create(api_http, **{name: ECHOED[name]})
    assert reply.json()[name] == ECHOED[name]


@pytest.mark.parametrize("fields", HARMLESS)
async def test_what_changes_no_answer_is_taken(api_http, fields):
    reply = await create(api_http, **fields)
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize(("fields", "param"), REFUSED)
async def test_what_is_not_served_is_refused_by_name(api_http, api_pipeline, fields, param):
    reply = await create(api_http, **fields)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param), reply.text
    assert api_pipeline.requests == []


@pytest.mark.parametrize("name", OF_CHAT)
async def test_a_field_of_chats_is_no_field_of_responses(api_http, name):
    reply = await create(api_http, **{name: 1})
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (400, "unsupported_parameter")
    assert name in error["message"]


@pytest.mark.parametrize(
    ("path", "status", "param"),
    [
        ("/v1/responses/resp_none", 404, None),
        ("/v1/responses/resp_none/input_items", 404, None),
        ("/v1/responses/resp_none?starting_after=1", 400, "starting_after"),
        ("/v1/responses/resp_none?stream=true&starting_after=-1", 400, "starting_after"),
        ("/v1/responses/resp_none?include[]=all", 400, "include[]"),
        ("/v1/conversations/conv_none/items?limit=101", 400, "limit"),
    ],
)
async def test_a_wrong_read_is_told(api_http, path, status, param):
    reply = await api_http.get(path)
    assert (reply.status_code, reply.json()["error"]["param"]) == (status, param), reply.text


async def test_an_unknown_model_is_none(api_http):
    reply = await create(api_http, model="gpt-9")
    assert (reply.status_code, reply.json()["error"]["param"]) == (404, "model")
