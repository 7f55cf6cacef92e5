"""Rerank through the Cohere client, and as Jina, vLLM and TEI clients ask for it."""

import pytest

QUERY = "bounded queue"
DOCUMENTS = ["the weather", "a bounded queue", "a queue"]


async def rerank(client, path="/v1/rerank", **fields):
    return await client.post(path, json={"query": QUERY, "documents": DOCUMENTS} | fields)


async def test_cohere_client_gets_indices_by_score(api_cohere):
    reply = await api_cohere.rerank(
        model="bundled:reranker", query=QUERY, documents=DOCUMENTS, top_n=2
    )
    assert [result.index for result in reply.results] == [1, 2]
    assert [result.relevance_score for result in reply.results] == [1.0, 0.5]
    assert reply.meta.api_version.version == "2"
    assert reply.meta.billed_units.search_units == 1


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
async def test_reply_is_the_superset_of_the_dialects(api_http, path):
    reply = (await rerank(api_http, path)).json()
    assert set(reply) == {"id", "object", "model", "results", "usage", "meta"}
    assert reply["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    assert [result["index"] for result in reply["results"]] == [1, 2, 0]
    has_text = ["document" in result for result in reply["results"]]
    assert has_text == [path != "/v2/rerank"] * 3


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank", "/v2/rerank"])
@pytest.mark.parametrize("wanted", [True, False])
async def test_return_documents_is_honoured_on_every_path(api_http, path, wanted):
    (first, *_) = (await rerank(api_http, path, return_documents=wanted)).json()["results"]
    assert first.get("document") == ({"text": "a bounded queue"} if wanted else None)


async def test_documents_may_be_objects(api_http):
    documents = [{"text": "x"}, {"text": "a bounded queue", "title": "ignored"}]
    reply = await rerank(api_http, documents=documents, rank_fields=["text"])
    assert reply.json()["results"][0]["index"] == 1


async def test_top_n_may_exceed_the_list(api_http):
    assert len((await rerank(api_http, top_n=50)).json()["results"]) == 3


async def test_texts_get_the_bare_list_of_tei(api_http):
    body = {"query": QUERY, "texts": DOCUMENTS, "truncate": True}
    reply = await api_http.post("/rerank", json=body)
    assert reply.json() == [
        {"index": 1, "score": 1.0},
        {"index": 2, "score": 0.5},
        {"index": 0, "score": 0.0},
    ]
    reply = await api_http.post("/rerank", json=body | {"return_text": True})
    assert reply.json()[0]["text"] == "a bounded queue"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"documents": []}, "documents"),
        ({"documents": None}, "documents"),
        ({"documents": ["x"] * 9}, "documents"),
        ({"documents": ["x", 5]}, "documents[1]"),
        ({"documents": [{"title": "x"}]}, "documents[0].text"),
        ({"documents": "x"}, "documents"),
        ({"texts": ["x"]}, "texts"),
        ({"texts": [], "documents": None}, "texts"),
        ({"query": " "}, "query"),
        ({"query": 5}, "query"),
        ({"top_n": 0}, "top_n"),
        ({"rank_fields": ["title"]}, "rank_fields"),
        ({"raw_scores": True}, "raw_scores"),
        ({"max_chunks_per_doc": 10}, "max_chunks_per_doc"),
        ({"truncate_prompt_tokens": 10}, "truncate_prompt_tokens"),
        ({"truncation_direction": "Left"}, "truncation_direction"),
    ],
)
async def test_bad_field_is_refused_by_name(api_http, fields, param):
    reply = await rerank(api_http, **fields)
    error = reply.json()["error"]
    assert (reply.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["param"] == param


LONG = "queue " * 130


async def test_what_of_a_document_is_not_read_is_told(api_http, api_cohere):
    reply = await api_cohere.rerank(
        model="bundled:reranker", query=QUERY, documents=[LONG, "a queue"]
    )
    (warning,) = reply.meta.warnings
    assert "1 documents are longer than the 100 tokens" in warning
    assert (await rerank(api_http)).json()["meta"].get("warnings") is None


@pytest.mark.parametrize("field", ["documents", "texts"])
async def test_a_client_that_wants_no_cut_gets_none(api_http, field):
    body = {"query": QUERY, field: ["a queue", LONG], "truncate": False}
    error = (await api_http.post("/rerank", json=body)).json()["error"]
    assert (error["param"], error["code"]) == (f"{field}[1]", "context_length_exceeded")
    body["truncate"] = True
    assert (await api_http.post("/rerank", json=body)).status_code == 200


async def test_documents_may_be_bounded_no_lower_than_they_are_read(api_http):
    assert (await rerank(api_http, max_tokens_per_doc=4096)).status_code == 200
    error = (await rerank(api_http, max_tokens_per_doc=2)).json()["error"]
    assert error["param"] == "max_tokens_per_doc"


async def test_unknown_model_is_404(api_http):
    reply = await rerank(api_http, model="rerank-v9")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "model_not_found")
