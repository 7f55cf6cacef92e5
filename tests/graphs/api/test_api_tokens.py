"""vLLM's `/tokenize` and `/detokenize`."""

import dataclasses

import pytest

from tests.graphs.fake_stages import word_counter

LIMITS = {"context_tokens": 1000, "max_answer_tokens": 100}


class Tokens:
    async def tokens(self):
        return word_counter(**LIMITS)


@pytest.fixture
async def http(api_app, api_http, api_services):
    api_app.state.services = dataclasses.replace(api_services, tokens=Tokens())
    return api_http


async def test_a_text_is_cut_and_read_again(http):
    asked = {"model": "local/generator", "prompt": "What is two ?", "return_token_strs": True}
    cut = (await http.post("/tokenize", json=asked)).json()
    assert cut["count"] == len(cut["tokens"]) == len(cut["token_strs"]) == 4
    assert cut["max_model_len"] == 1000
    adapted = {"model": "local/generator:legal", "tokens": cut["tokens"]}  # counts alike
    read = await http.post("/detokenize", json=adapted)
    assert read.json() == {"prompt": "word word word word"}  # the one that this fake knows
    bare = (await http.post("/tokenize", json={"prompt": "", "add_special_tokens": False})).json()
    assert bare == {"count": 0, "max_model_len": cut["max_model_len"], "tokens": []}


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("/tokenize", {"model": "other", "prompt": "a"}, 404, "model"),
        ("/tokenize", {"prompt": "a", "messages": [{"role": "user"}]}, 400, "messages"),
        ("/tokenize", {}, 400, "prompt"),
        ("/detokenize", {"tokens": [10**9]}, 400, "tokens"),
        ("/detokenize", {"tokens": [-1]}, 400, "tokens"),
        ("/detokenize", {"tokens": ["a"]}, 400, "tokens[0]"),
    ],
)
async def test_what_cannot_be_cut_or_read_is_refused(http, path, body, status, param):
    reply = await http.post(path, json=body)
    assert (reply.status_code, reply.json()["error"]["param"]) == (status, param)
