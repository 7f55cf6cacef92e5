"""Cohere, Text Embeddings Inference and vLLM: their paths, shapes and errors."""

import base64

import cohere
import numpy as np
import pytest
from cohere.errors import BadRequestError, NotFoundError

MODEL = "bundled:embedder"
RERANKER = "bundled:reranker"
LONG = "word " * 130
TEXTS = ["one", "two words"]


async def vectors_of(embedder, texts):
    return (await embedder.embed(texts)).vectors


@pytest.fixture
async def cohere_v1(api_app):
    import httpx

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=api_app)) as http:
        yield cohere.AsyncClient(api_key="none", base_url="http://ragfleet", httpx_client=http)


async def test_cohere_embeds_in_the_types_that_are_asked(api_cohere, api_embedder):
    wanted = await vectors_of(api_embedder, TEXTS)
    reply = await api_cohere.embed(
        model=MODEL, input_type="search_document", texts=TEXTS,
        embedding_types=["float", "base64", "binary", "ubinary"],
    )  # fmt: skip
    found = reply.embeddings
    assert np.allclose(found.float_, wanted)
    decoded = [np.frombuffer(base64.b64decode(one), "<f4") for one in found.base64]
    assert np.array_equal(decoded, wanted)
    bits = np.packbits(wanted > 0, axis=1)
    assert found.ubinary == bits.tolist()
    assert found.binary == (bits.astype(int) - 128).tolist()
    assert (reply.texts, reply.meta.billed_units.input_tokens) == (TEXTS, 3)
    assert reply.meta.api_version.version == "2"


async def test_cohere_tells_queries_from_documents_and_takes_parts(api_cohere, api_embedder):
    parts = [{"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]
    await api_cohere.embed(model=MODEL, input_type="search_query", inputs=parts)
    await api_cohere.embed(model=MODEL, input_type="clustering", texts=["c"], output_dimension=16)
    assert api_embedder.calls == [(["a\nb"], "query"), (["c"], "document")]


async def test_cohere_of_version_1_gets_bare_vectors(cohere_v1, api_embedder):
    reply = await cohere_v1.embed(texts=TEXTS, model=MODEL, batching=False)
    assert np.allclose(reply.embeddings, await vectors_of(api_embedder, TEXTS))
    typed = await cohere_v1.embed(
        texts=TEXTS, model=MODEL, embedding_types=["ubinary"], batching=False
    )
    assert len(typed.embeddings.ubinary[0]) == 8


async def test_cohere_cuts_what_is_too_long_and_says_so(api_cohere):
    asked = {"model": MODEL, "input_type": "search_document", "texts": ["a", LONG]}
    reply = await api_cohere.embed(**asked)
    assert reply.meta.billed_units.input_tokens == 101
    assert "1 texts were too long" in reply.meta.warnings[0]
    with pytest.raises(BadRequestError) as caught:
        await api_cohere.embed(**asked, truncate="NONE")
    assert set(caught.value.body) == {"id", "message"}
    assert "texts[1] has 130 tokens" in caught.value.body["message"]


EMBED = {"model": MODEL, "input_type": "search_document", "texts": ["a"]}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"texts": []}, "texts"),
        ({"texts": None}, "texts"),
        ({"texts": ["x"] * 9}, "texts must have 1..8"),
        ({"inputs": [{"content": [{"type": "text", "text": "a"}]}]}, "not both"),
        ({"texts": None, "inputs": [{"content": [{"type": "image_url"}]}]}, "type"),
        ({"images": ["data:,"]}, "images"),
        ({"input_type": "image"}, "input_type"),
        ({"input_type": None}, "input_type"),
        ({"max_tokens": 5}, "max_tokens"),
        ({"output_dimension": 17}, "dimensions must be one of"),
        ({"embedding_types": ["int8"]}, "embedding_types"),
        ({"truncate": "START"}, "truncate"),
        ({"priority": 1000}, "priority"),
    ],
)
async def test_what_cohere_has_and_we_have_not_is_refused_in_its_shape(api_http, fields, said):
    reply = await api_http.post("/v2/embed", json=EMBED | fields)
    assert reply.status_code == 400
    assert set(reply.json()) == {"id", "message"}
    assert said in reply.json()["message"]
    assert int(reply.headers["content-length"]) == len(reply.content)


@pytest.mark.parametrize(
    ("path", "keys"),
    [("/v1/embed", {"id", "message"}), ("/v2/embed", {"id", "message"}),
     ("/embed", {"error", "error_type"})],
)  # fmt: skip
async def test_every_failure_has_the_shape_of_the_dialect(
    api_http, api_cohere, api_embedder, path, keys
):
    replies = [
        await api_http.get(path),
        await api_http.post(path, content=b"{"),
        await api_http.post(path, content=b" " * 70_000),
    ]
    api_embedder.error = ZeroDivisionError("/secret")
    body = EMBED if path != "/embed" else {"inputs": "a"}
    replies.append(await api_http.post(path, json=body))
    assert [reply.status_code for reply in replies] == [405, 400, 413, 500]
    assert [set(reply.json()) for reply in replies] == [keys] * 4
    assert "secret" not in replies[-1].text


async def test_cohere_is_told_of_an_unknown_model(api_cohere):
    with pytest.raises(NotFoundError):
        await api_cohere.embed(model="embed-v4.0", input_type="search_query", texts=["a"])


async def test_tei_gives_bare_vectors(api_http, api_embedder):
    for inputs, texts in (("one", ["one"]), (TEXTS, TEXTS)):
        reply = await api_http.post("/embed", json={"inputs": inputs})
        assert np.allclose(reply.json(), await vectors_of(api_embedder, texts))
    await api_http.post("/embed", json={"inputs": "a", "prompt_name": "query"})
    assert api_embedder.calls[-1] == (["a"], "query")


async def test_tei_cuts_unless_it_is_told_not_to(api_http):
    assert (await api_http.post("/embed", json={"inputs": LONG})).status_code == 200
    refused = await api_http.post("/embed", json={"inputs": [LONG], "truncate": False})
    assert (refused.status_code, refused.json()["error_type"]) == (400, "Validation")
    assert "inputs[0] has 130 tokens" in refused.json()["error"]


@pytest.mark.parametrize(
    "fields",
    [{"normalize": False}, {"truncation_direction": "Left"}, {"prompt_name": "poem"},
     {"dimensions": 17}, {"inputs": []}],
)  # fmt: skip
async def test_what_tei_has_and_we_have_not_is_refused(api_http, fields):
    reply = await api_http.post("/embed", json={"inputs": "a"} | fields)
    assert reply.status_code == 400
    assert next(iter(fields)) in reply.json()["error"]


async def test_tei_describes_itself_and_its_health(api_http, api_pipeline):
    info = (await api_http.get("/info")).json()
    assert (info["model_id"], info["max_client_batch_size"]) == (MODEL, 8)
    healthy = await api_http.get("/health")
    assert (healthy.status_code, healthy.content) == (200, b"")
    api_pipeline.stages["safety"] = False
    ill = await api_http.get("/health")
    assert (ill.status_code, ill.json()["error_type"]) == (503, "Backend")


@pytest.mark.parametrize("path", ["/score", "/v1/score"])
async def test_vllm_scores_pairs(api_http, path):
    async def scores(first, second):
        body = {"model": RERANKER, "text_1": first, "text_2": second}
        reply = (await api_http.post(path, json=body)).json()
        assert [one["index"] for one in reply["data"]] == list(range(len(reply["data"])))
        return [one["score"] for one in reply["data"]], reply["usage"]["total_tokens"]

    assert await scores("a queue", "a queue") == ([1.0], 2)
    assert await scores("a queue", ["a", "a queue"]) == ([0.5, 1.0], 3)
    assert await scores(["a queue", "sea"], ["a", "sea"]) == ([0.5, 1.0], 2)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"text_1": ["a", "b"], "text_2": ["a"]}, "text_1"),
        ({"text_1": " "}, "text_1"),
        ({"text_2": []}, "text_2"),
        ({"text_2": ["a"] * 9}, "text_2"),
        ({"text_2": LONG}, "text_2"),
        ({"truncate_prompt_tokens": 5}, "truncate_prompt_tokens"),
        ({"model": "gpt-9"}, "model"),
    ],
)
async def test_a_bad_pair_is_refused_by_its_field(api_http, fields, param):
    body = {"model": RERANKER, "text_1": "a", "text_2": "b"} | fields
    reply = await api_http.post("/score", json=body)
    assert reply.status_code == (404 if param == "model" else 400)
    assert reply.json()["error"]["param"].partition("[")[0] == param
    body = {"text_1": "a", "text_2": LONG, "truncate_prompt_tokens": -1}
    assert (await api_http.post("/score", json=body)).status_code == 200
