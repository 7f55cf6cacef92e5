"""One error shape on every route, and the bounds on what a body may be."""

import asyncio
import dataclasses
import json
import logging
from typing import ClassVar

import pytest

from graphs.api.error_replies import ErrorReply, error_response
from graphs.api.errors import ERROR_TABLE, kind_of
from graphs.config import HttpSettings
from graphs.errors import GraphError
from index.errors import CorpusError, FingerprintMismatchError
from models.errors import EngineStoppedError, ModelError, ModelNotFoundError

JSON = {"content-type": "application/json"}
DIALECTS = {
    "/v1/embed",
    "/v2/chat",
    "/v2/embed",
    "/embed",
    "/info",
    "/health",
}  # with shapes of their own
ALL_METHODS = {"get", "put", "post", "delete", "patch"}


def error_of(reply):
    body = reply.json()
    assert set(body) in ({"error"}, {"error", "id", "message"})  # of reranks in Cohere's shape too
    assert set(body["error"]) == {"message", "type", "param", "code"}
    ErrorReply.model_validate(body)
    assert "Traceback" not in reply.text
    assert reply.headers["x-request-id"]
    return body["error"]


async def test_unknown_url_has_the_shape(api_http):
    reply = await api_http.get("/v1/nothing")
    assert reply.status_code == 404
    assert error_of(reply) == {
        "message": "Not Found: GET /v1/nothing",
        "type": "invalid_request_error",
        "param": None,
        "code": "unknown_url",
    }


@pytest.mark.parametrize(
    ("path", "is_told"),
    [("/chat/completions", True), ("/v1/v1/models", True), ("/v1/chats", False), ("/v2/x", False)],
)
async def test_a_base_url_that_ends_wrongly_is_told_so(api_http, path, is_told):
    error = error_of(await api_http.get(path))
    assert error["code"] == "unknown_url"
    assert ("a base URL has to end with it, once" in error["message"]) == is_told


def operations(app):
    paths = app.openapi()["paths"].items()
    return [
        (path.replace("{model_id}", "x"), set(methods))
        for path, methods in paths
        if path not in DIALECTS
    ]


async def test_wrong_method_has_the_shape_on_every_route(api_app, api_http):
    seen = 0
    for path, methods in operations(api_app):
        for method in ALL_METHODS - methods:
            reply = await api_http.request(method, path)
            assert (reply.status_code, error_of(reply)["code"]) == (405, "method_not_allowed"), path
            assert reply.headers["allow"]
            seen += 1
    assert seen > 60


async def test_invalid_body_has_the_shape_on_every_route(api_app, api_http):
    seen = 0
    for path, methods in operations(api_app):
        for method in methods & {"post"}:
            for body in (b"{", b"[1]", b'"x"', b"", b"\xff", b'{"file_id": 5, "query": 5}'):
                reply = await api_http.request(method, path, content=body, headers=JSON)
                # Stores and conversations can be made, or changed in nothing, of unknown fields;
                # a cancellation reads no body.
                reads_none = b"file_id" in body or path.endswith("/cancel")
                wanted = {400, 404} if reads_none else {400}
                makes_one = path in {"/v1/vector_stores", "/v1/conversations"}
                if not (makes_one and b"file_id" in body):
                    assert reply.status_code in wanted, (path, body)
                    assert error_of(reply)["type"] == "invalid_request_error"
                seen += 1
    assert seen >= 60


async def test_invalid_query_has_the_shape(api_http):
    reply = await api_http.get("/v1/vector_stores", params={"limit": "many"})
    assert reply.status_code == 400
    assert error_of(reply)["param"] == "limit"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"model": "rag",', "not valid JSON"),
        (b'{"model": "\xff"}', "not valid UTF-8"),
        (b'{"model": "\xed\xa0\x80"}', "not valid UTF-8"),
        (b'{"model": "\\ud800"}', "surrogate"),
        (b'{"\\udfff": 1}', "surrogate"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "number out of range"),
        (b"[" * 50_000, "recursion limit exceeded"),
        (b"", "Field required"),
    ],
)
async def test_malformed_json_is_a_400(api_http, body, said):
    reply = await api_http.post("/v1/chat/completions", content=body, headers=JSON)
    error = error_of(reply)
    assert (reply.status_code, error["param"]) == (400, None)
    assert said in error["message"]


async def test_surrogate_pairs_are_fine(api_http, api_pipeline):
    body = b'{"model": "rag", "messages": [{"role": "user", "content": "\\ud83d\\ude00"}]}'
    reply = await api_http.post("/v1/chat/completions", content=body, headers=JSON)
    assert reply.status_code == 200
    assert api_pipeline.requests[0].messages[0].content == "\U0001f600"


async def test_json_under_another_content_type_is_told(api_http):
    headers = {"content-type": "text/plain"}
    reply = await api_http.post("/v1/embeddings", content=b"{}", headers=headers)
    assert reply.status_code == 400
    assert "content-type: application/json" in error_of(reply)["message"]


async def test_declared_large_body_is_413(api_http):
    reply = await api_http.post("/v1/embeddings", content=b" " * (64 * 1024 + 1), headers=JSON)
    assert reply.status_code == 413
    assert error_of(reply)["code"] == "body_too_large"
    assert "65536 bytes" in error_of(reply)["message"]


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/files"])
async def test_counted_large_body_is_413(api_http, path):
    num_read = 0

    async def endless():
        nonlocal num_read
        yield b"--x\r\ncontent-disposition: form-data; name=file; filename=a.txt\r\n\r\n"
        while True:
            num_read += 1024
            yield b"a" * 1024

    content_type = (
        "multipart/form-data; boundary=x" if path == "/v1/files" else JSON["content-type"]
    )
    headers = {"content-type": content_type}
    async with asyncio.timeout(20):
        reply = await api_http.post(path, content=endless(), headers=headers)
    assert reply.status_code == 413
    assert error_of(reply)["code"] == "body_too_large"
    assert num_read <= 256 * 1024


async def test_body_that_never_arrives_is_408(api_app, api_http, api_services):
    config = api_services.config.model_copy(update={"http": HttpSettings(body_s=0.02)})
    api_app.state.services = dataclasses.replace(api_services, config=config)

    async def stuck():
        yield b"{"
        await asyncio.sleep(3600)

    reply = await api_http.post("/v1/embeddings", content=stuck(), headers=JSON)
    assert reply.status_code == 408
    assert error_of(reply)["code"] == "body_timeout"


async def test_unforeseen_error_is_a_500_without_its_text(api_http, api_embedder, caplog):
    api_embedder.error = ZeroDivisionError("/secret/path")
    body = {"model": "bundled:embedder", "input": "x"}
    with caplog.at_level(logging.ERROR):
        reply = await api_http.post("/v1/embeddings", json=body, headers={"x-request-id": "r-1"})
    assert reply.status_code == 500
    assert error_of(reply)["type"] == "server_error"
    assert "/secret/path" not in reply.text
    assert "r-1" in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_request_id_is_echoed_or_made(api_http):
    reply = await api_http.get("/healthz", headers={"x-request-id": "mine-1"})
    assert reply.headers["x-request-id"] == "mine-1"
    assert int(reply.headers["openai-processing-ms"]) >= 0
    for unfit in ("x" * 200, "a b", "a\tb"):
        reply = await api_http.get("/healthz", headers={"x-request-id": unfit})
        assert reply.headers["x-request-id"].startswith("req_")


def leaves(root):
    return [root, *(leaf for child in root.__subclasses__() for leaf in leaves(child))]


@pytest.mark.parametrize("root", [GraphError, ModelError, CorpusError])
def test_every_error_of_the_layers_has_status_and_code(root):
    for cls in leaves(root):
        if cls.__module__.startswith(("graphs.", "models.", "index.")):
            reply = error_response(cls("why"))
            assert reply.status_code in {400, 403, 404, 409, 413, 429, 500, 503, 504}, cls
            assert json.loads(reply.body)["error"]["code"] == cls.code


def test_the_corpus_blames_the_client_only_for_what_was_asked():
    for cls in leaves(CorpusError):
        is_asked_wrongly = issubclass(cls, ValueError | LookupError | PermissionError)
        assert (kind_of(cls("why")).status < 500) == is_asked_wrongly, cls


class ForeignError(Exception):
    """Such as those of urllib and SQLAlchemy, which have attributes of the same names as ours."""

    code = 502
    param = ("a", 1)
    detail = "/secret/path"
    headers: ClassVar = {"set-cookie": "secret=1"}


async def test_an_unforeseen_error_lends_nothing_to_the_reply(api_http, api_embedder):
    api_embedder.error = ForeignError()
    body = {"model": "bundled:embedder", "input": "x"}
    reply = await api_http.post("/v1/embeddings", json=body)
    assert reply.status_code == 500
    error = error_of(reply)
    assert (error["code"], error["param"]) == ("server_error", None)
    assert "secret" not in f"{reply.text}{reply.headers}"


def test_server_errors_do_not_show_their_text():
    for error in (ModelNotFoundError("/models/x"), EngineStoppedError("/models/x")):
        assert b"/models/x" not in error_response(error).body
        assert kind_of(error).status >= 500


def test_every_503_says_when_to_come_back():
    kinds = [kind for kind in ERROR_TABLE.values() if kind.status == 503]
    assert all(kind.retry_after_s for kind in kinds)


def test_conflicts_are_not_to_be_retried():
    reply = error_response(FingerprintMismatchError("other"))
    assert (reply.status_code, reply.headers["x-should-retry"]) == (409, "false")


async def test_a_refusal_by_a_route_is_no_fault_of_the_server_and_not_logged_as_one(
    api_http, caplog
):
    reply = await api_http.get("/admin/v1/requests/req_0")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "request_not_kept")
    assert [one for one in caplog.records if one.levelno >= logging.WARNING] == []
