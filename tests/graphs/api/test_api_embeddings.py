"""Embeddings through the OpenAI and LangChain clients."""

import base64
import dataclasses
import hashlib
import threading

import httpx2
import numpy as np
import pytest
import tiktoken
from langchain_openai import OpenAIEmbeddings
from openai import BadRequestError, NotFoundError

from graphs.api import token_input
from graphs.api.errors import BadRequestError as ApiBadRequestError

MODEL = "bundled:embedder"
TEXT = "Requests wait in a bounded queue."


async def embed(client, value=TEXT, **fields):
    return await client.embeddings.create(**({"model": MODEL, "input": value} | fields))


async def expected(embedder, text):
    return (await embedder.embed([text])).vectors[0]


async def test_default_base64_and_floats_are_the_same_vector(api_openai, api_embedder):
    want = await expected(api_embedder, TEXT)
    by_default = await embed(api_openai)
    floats = await embed(api_openai, encoding_format="float")
    assert np.array_equal(np.array(by_default.data[0].embedding, np.float32), want)
    assert np.array_equal(np.array(floats.data[0].embedding, np.float32), want)
    assert (floats.usage.prompt_tokens, floats.usage.total_tokens) == (6, 6)
    assert floats.model == MODEL


async def test_base64_is_little_endian_float32(api_http, api_embedder):
    body = {"model": MODEL, "input": [TEXT], "encoding_format": "base64"}
    reply = (await api_http.post("/v1/embeddings", json=body)).json()
    numbers = np.frombuffer(base64.b64decode(reply["data"][0]["embedding"]), dtype="<f4")
    assert np.array_equal(numbers, await expected(api_embedder, TEXT))
    assert reply["object"] == "list"
    assert reply["data"][0]["object"] == "embedding"


async def test_texts_come_back_in_order(api_openai, api_embedder):
    texts = ["one", "two words", "three"]
    reply = await embed(api_openai, texts)
    assert [item.index for item in reply.data] == [0, 1, 2]
    for text, item in zip(texts, reply.data, strict=True):
        want = await expected(api_embedder, text)
        assert np.array_equal(np.array(item.embedding, np.float32), want)


async def test_token_ids_are_not_decoded_on_the_event_loop(api_openai, monkeypatch):
    threads = []

    decode = token_input.decode_inputs

    def watched(*inputs):
        threads.append(threading.get_ident())
        return decode(*inputs)

    monkeypatch.setattr(token_input, "decode_inputs", watched)
    await embed(api_openai, [1, 2])
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_token_ids_are_decoded_as_cl100k_base(api_openai, api_embedder):
    ids = token_input.cl100k_base().encode(TEXT)
    other = token_input.cl100k_base().encode("naïve café 😀")
    await embed(api_openai, ids)
    await embed(api_openai, [ids, other])
    assert [texts for texts, _ in api_embedder.calls] == [[TEXT], [TEXT, "naïve café 😀"]]


async def test_langchain_with_its_defaults_sends_ids_that_mean_its_text(
    api_app, api_embedder, monkeypatch
):
    # LangChain asks tiktoken for the encoding, which would be fetched from the network.
    encoding = token_input.cl100k_base()
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: encoding)
    transport = httpx2.ASGITransport(app=api_app)
    client = OpenAIEmbeddings(
        model=MODEL,
        api_key="none",
        base_url="http://ragfleet/v1",
        http_async_client=httpx2.AsyncClient(transport=transport),
        tiktoken_model_name="text-embedding-3-small",
    )
    monkeypatch.setattr(tiktoken, "encoding_for_model", lambda name: encoding)
    (vector,) = await client.aembed_documents([TEXT])
    assert api_embedder.calls[0][0] == [TEXT]
    assert np.allclose(vector, await expected(api_embedder, TEXT), atol=1e-6)


async def test_input_type_chooses_the_prefix(api_openai, api_embedder):
    await embed(api_openai, extra_body={"input_type": "query"})
    await embed(api_openai)
    assert [kind for _, kind in api_embedder.calls] == ["query", "document"]


async def test_dimensions_cut_and_norm_again(api_openai, api_embedder):
    reply = await embed(api_openai, dimensions=16)
    vector = np.array(reply.data[0].embedding)
    whole = await expected(api_embedder, TEXT)
    assert vector.shape == (16,)
    assert np.allclose(vector, whole[:16] / np.linalg.norm(whole[:16]), atol=1e-6)
    assert len((await embed(api_openai, dimensions=64)).data[0].embedding) == 64


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a", 5]}, "input[1]"),
        ({"input": [[]]}, "input[0]"),
        ({"input": [5, "a"]}, "input[1]"),
        ({"input": [-1]}, "input[0]"),
        ({"input": [100256]}, "input"),
        ({"input": [2**40]}, "input"),
        ({"input": [[1], [10**30]]}, "input"),
        ({"input": {"a": 1}}, "input"),
        ({"input": ["x"] * 9}, "input"),
        ({"dimensions": 17}, "dimensions"),
        ({"dimensions": 0}, "dimensions"),
        ({"encoding_format": "hex"}, "encoding_format"),
        ({"input_type": "poem"}, "input_type"),
    ],
)
async def test_bad_field_is_refused_by_name(api_http, fields, param):
    body = {"model": MODEL, "input": TEXT} | fields
    reply = await api_http.post("/v1/embeddings", json=body)
    error = reply.json()["error"]
    assert (reply.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["param"] == param


LONG = "word " * 130


async def test_a_text_that_is_too_long_is_refused_with_its_length_and_the_limit(api_http):
    body = {"model": MODEL, "input": ["short", LONG]}
    error = (await api_http.post("/v1/embeddings", json=body)).json()["error"]
    assert (error["param"], error["code"]) == ("input[1]", "context_length_exceeded")
    assert "130 tokens" in error["message"]
    assert "at most 100" in error["message"]


async def test_a_text_that_is_too_long_is_cut_where_the_client_says_so(api_openai):
    reply = await embed(api_openai, ["short", LONG], extra_body={"truncate": "END"})
    assert reply.usage.prompt_tokens == 101


async def test_unknown_model_is_404(api_openai):
    with pytest.raises(NotFoundError) as caught:
        await embed(api_openai, model="text-embedding-3-small")
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


async def test_token_ids_can_be_refused(api_app, api_services, api_config, api_openai):
    http = api_config.http.model_copy(update={"token_input": "reject"})
    config = api_config.model_copy(update={"http": http})
    api_app.state.services = dataclasses.replace(api_services, config=config)
    with pytest.raises(BadRequestError, match="token ids are not accepted"):
        await embed(api_openai, [1, 2, 3])


def test_vendored_encoding_is_the_published_one():
    encoding = token_input.cl100k_base()
    # Known ids: OpenAI's cookbook, "How to count tokens with tiktoken".
    assert encoding.encode("tiktoken is great!") == [83, 1609, 5963, 374, 2294, 0]
    assert encoding.max_token_value == 100276
    digest = hashlib.sha256(token_input._RANKS.read_bytes()).hexdigest()
    assert digest == token_input._RANKS_SHA256


def test_other_ranks_are_refused(tmp_path, monkeypatch):
    fake = tmp_path / "ranks"
    fake.write_bytes(b"IQ== 0\n")
    monkeypatch.setattr(token_input, "_RANKS", fake)
    with pytest.raises(ValueError, match="sha256"):
        token_input.cl100k_base.__wrapped__()


def test_unknown_ids_are_refused():
    with pytest.raises(ApiBadRequestError, match="100276"):
        token_input.decode_inputs([[100256]])
