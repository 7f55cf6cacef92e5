"""What clients send that is odd: harmless is taken, the rest is refused by its name."""

import json

import pytest

from index.errors import UnknownStoreError

ASKED = {"model": "rag", "messages": [{"role": "user", "content": "Which port?"}]}
JSON = {"content-type": "application/json"}
PART = b'--x\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
FORM = {"content-type": "multipart/form-data; boundary=x"}


async def sampling_of(api_http, api_pipeline, **fields):
    reply = await api_http.post("/v1/chat/completions", json=ASKED | fields)
    assert reply.status_code == 200, reply.text
    return api_pipeline.requests[-1].sampling


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"top_k": -1}, {"top_k": 0}),
        ({"top_p": 0}, {"top_p": None, "temperature": 0}),
        ({"top_p": 0, "temperature": 1.5}, {"top_p": None, "temperature": 0}),
        ({"max_tokens": 64.0}, {"max_tokens": 64}),
        ({"max_completion_tokens": 2e3, "seed": -7.0}, {"max_tokens": 2000, "seed": -7}),
        ({"stop": ""}, {"stop": ()}),
        ({"stop": ["", "END"]}, {"stop": ("END",)}),
        ({"stop": []}, {"stop": ()}),
    ],
)
async def test_odd_but_clear_values_are_taken(api_http, api_pipeline, sent, read):
    sampling = await sampling_of(api_http, api_pipeline, **sent)
    assert {name: getattr(sampling, name) for name in read} == read


async def test_a_byte_order_mark_before_the_body_is_passed_over(api_http):
    marked = b"\xef\xbb\xbf" + json.dumps(ASKED).encode()
    reply = await api_http.post("/v1/chat/completions", content=marked, headers=JSON)
    assert reply.status_code == 200
    twice = await api_http.post("/v1/chat/completions", content=marked[:3] + marked, headers=JSON)
    assert (twice.status_code, twice.json()["error"]["code"]) == (400, "invalid_json")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/files", "/v1/embeddings"])
@pytest.mark.parametrize("coding", ["br", "GZIP, br", "x" * 5000])
async def test_an_unknown_coding_of_a_body_is_refused_by_its_name(api_http, path, coding):
    body = json.dumps(ASKED).encode()
    headers = JSON | {"content-encoding": coding}
    reply = await api_http.post(path, content=body, headers=headers)
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (415, "Content-Encoding")
    assert coding[:40] in error["message"]
    assert len(error["message"]) < 200
    assert reply.headers["accept-encoding"] == "gzip, deflate, identity"


async def test_the_coding_identity_is_none(api_http):
    headers = {"content-encoding": "identity"}
    reply = await api_http.post("/v1/chat/completions", json=ASKED, headers=headers)
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("model", "rag", "param"),
    [
        ("rag:gone", None, "model"),
        ("rag", None, "model"),
        ("rag:gone", {"top_k": 2}, "model"),
        ("rag", {"vector_store_ids": ["gone"]}, "rag.vector_store_ids"),
    ],
)
async def test_an_unknown_store_is_told_with_the_field_that_names_it(
    api_http, api_pipeline, model, rag, param
):
    api_pipeline.script = [UnknownStoreError("no vector store has the id or name 'gone'")]
    body = ASKED | {"model": model, "rag": rag}
    for stream in (False, True):
        reply = await api_http.post("/v1/chat/completions", json=body | {"stream": stream})
        assert (reply.status_code, reply.json()["error"]["param"]) == (404, param)


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/v1/vector_stores/gone", "vector_store_id"),
        ("/v1/vector_stores/gone/files", "vector_store_id"),
        ("/v1/files/gone", "file_id"),
        ("/v1/files?after=gone", "after"),
    ],
)
async def test_an_unknown_id_is_told_with_its_name(api_http, path, param):
    assert (await api_http.get(path)).json()["error"]["param"] == param


@pytest.mark.parametrize("query", ["", " \n", ["ports", " "]])
async def test_a_blank_search_is_refused_whatever_the_store_holds(api_http, api_catalog, query):
    store = api_catalog.create_store(name="empty")
    reply = await api_http.post(f"/v1/vector_stores/{store.id}/search", json={"query": query})
    error = reply.json()["error"]
    assert (reply.status_code, error["param"].partition("[")[0]) == (400, "query")
    assert "must not be blank" in error["message"]


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("topk", "'top_k'"),
        ("vector_stores", "'vector_store_ids'"),
        ("treshold", "'score_threshold'"),
    ],
)
async def test_a_misspelt_option_is_told_what_was_meant(api_http, name, near):
    reply = await api_http.post("/v1/chat/completions", json=ASKED | {"rag": {name: 1}})
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (400, "unknown_parameter")
    assert near in error["message"]


async def test_an_option_of_another_server_is_told_what_there_is(api_http):
    reply = await api_http.post("/v1/chat/completions", json=ASKED | {"rag": {"zz": 1}})
    assert "score_threshold" in reply.json()["error"]["message"]


async def test_a_key_that_comes_with_another_body_is_told(api_http, api_pipeline):
    key = {"Idempotency-Key": "order-7"}
    replies = [
        await api_http.post("/v1/chat/completions", json=ASKED | fields, headers=key)
        for fields in ({}, {}, {"seed": 3}, {})
    ]
    assert [reply.status_code for reply in replies] == [200, 200, 422, 200]
    error = replies[2].json()["error"]
    assert (error["code"], error["param"]) == ("idempotency_key_reused", "Idempotency-Key")
    assert len(api_pipeline.requests) == 3


async def test_an_empty_upload_is_told_the_limits_of_this_server(api_http):
    files = {"file": ("a.txt", b"")}
    reply = await api_http.post("/v1/files", files=files, data={"purpose": "assistants"})
    error = reply.json()["error"]
    assert error["message"] == "a file must have 1..131072 bytes, got 0"
    assert (error["param"], error["code"]) == ("file", "invalid_file")


async def test_a_file_without_a_name_is_told_so(api_http):
    parts = [PART % (b"purpose", b"", b"assistants"), PART % (b"file", b"", b"text"), b"--x--\r\n"]
    reply = await api_http.post("/v1/files", content=b"".join(parts), headers=FORM)
    error = reply.json()["error"]
    assert (reply.status_code, error["param"], error["code"]) == (400, "file", "invalid_file")
    assert "has no file name" in error["message"]
    assert "UploadFile" not in error["message"]


@pytest.mark.parametrize("model", ["omni-moderation-latest", "text-moderation-stable"])
async def test_moderations_answer_to_the_names_that_clients_come_with(api_http, model):
    reply = await api_http.post("/v1/moderations", json={"input": "hello", "model": model})
    assert (reply.status_code, reply.json()["model"]) == (200, "bundled:safety")


async def test_blank_documents_are_ranked_like_others(api_http):
    body = {"query": "tower", "documents": ["", " ", "a tower", {"text": ""}]}
    reply = await api_http.post("/v1/rerank", json=body)
    assert reply.status_code == 200
    assert [one["index"] for one in reply.json()["results"]] == [2, 0, 1, 3]
