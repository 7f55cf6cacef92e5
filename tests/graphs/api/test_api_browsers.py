"""Browsers, probes and proxies: CORS, HEAD, compressed bodies, links that open from anywhere."""

import dataclasses
import gzip
import json
import zlib

import pytest
from pydantic import ValidationError

from graphs.config import HttpSettings

BODY = {"model": "bundled:embedder", "input": "two words"}
PLAIN = json.dumps(BODY).encode()
PAGE = "https://chat.example"
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, content-type, x-stainless-os",
}
BARE = zlib.compressobj(wbits=-zlib.MAX_WBITS)
CODED = {
    "gzip": gzip.compress(PLAIN, mtime=0),
    "members": gzip.compress(PLAIN[:20], mtime=0) + gzip.compress(PLAIN[20:], mtime=0),
    "deflate": zlib.compress(PLAIN),
    "bare": BARE.compress(PLAIN) + BARE.flush(),
}


@pytest.fixture
def settings(api_app, api_services):
    """Serves with other HTTP settings."""

    def change(**fields):
        http = api_services.config.http.model_copy(update=fields)
        config = api_services.config.model_copy(update={"http": http})
        api_app.state.services = dataclasses.replace(api_services, config=config)

    return change


async def post(api_http, body, coding):
    headers = {"content-type": "application/json", "content-encoding": coding}
    return await api_http.post("/v1/embeddings", content=body, headers=headers)


@pytest.mark.parametrize(
    ("name", "coding"),
    [("gzip", "gzip"), ("gzip", "GZIP"), ("members", "gzip"), ("deflate", "deflate"),
     ("bare", "deflate")],
)  # fmt: skip
@pytest.mark.parametrize("size", [1, 7, 10_000])
async def test_a_compressed_body_is_read_however_it_is_cut(api_http, name, coding, size):
    async def pieces():
        for start in range(0, len(CODED[name]), size):
            yield CODED[name][start : start + size]

    reply = await post(api_http, pieces(), coding)
    assert (reply.status_code, reply.json()["usage"]["prompt_tokens"]) == (200, 2), reply.text


@pytest.mark.parametrize(
    ("body", "coding"),
    [(PLAIN, "gzip"), (CODED["gzip"][:-9], "gzip"), (b"", "gzip"), (b"\xff" * 9, "deflate")],
    ids=["plain", "cut", "empty", "no deflate"],
)
async def test_a_body_that_is_not_of_its_coding_is_refused(api_http, body, coding):
    reply = await post(api_http, body, coding)
    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (415, "unsupported_content_encoding")
    assert coding in error["message"]


@pytest.mark.parametrize(("number", "status"), [(100_000, 413), (2000, 415)])
async def test_a_body_of_empty_members_is_refused(api_http, number, status):
    reply = await post(api_http, gzip.compress(b"") * number, "gzip")
    assert reply.status_code == status
    if status == 415:
        assert "1000 members" in reply.json()["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/embeddings", "/v1/files"])
async def test_a_body_that_unfolds_beyond_the_limit_is_413(api_http, path):
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    assert len(bomb) < 128 * 1024
    kind = "multipart/form-data; boundary=x" if path == "/v1/files" else "application/json"
    headers = {"content-type": kind, "content-encoding": "gzip"}
    if path == "/v1/files":
        head = b'--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n'
        bomb = gzip.compress(head + bytes(1024 * 1024))
    else:
        bomb = gzip.compress(bytes(1024 * 1024))
    reply = await api_http.post(path, content=bomb, headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "body_too_large")


async def test_no_page_may_ask_unless_it_is_named(api_http):
    reply = await api_http.get("/healthz", headers={"origin": PAGE})
    assert "access-control-allow-origin" not in reply.headers
    asked = await api_http.options("/v1/embeddings", headers={"origin": PAGE} | PREFLIGHT)
    assert asked.status_code == 405


async def test_a_named_page_may_ask_and_read_what_clients_need(api_http, settings):
    settings(cors_origins=(PAGE,))
    asked = await api_http.options("/v1/embeddings", headers={"origin": PAGE} | PREFLIGHT)
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == PAGE
    assert "x-stainless-os" in asked.headers["access-control-allow-headers"]
    for body in (BODY, {"model": "none", "input": "x"}, {}):
        reply = await api_http.post("/v1/embeddings", json=body, headers={"origin": PAGE})
        assert reply.headers["access-control-allow-origin"] == PAGE
        assert reply.headers["access-control-allow-credentials"] == "true"
        assert "x-request-id" in reply.headers["access-control-expose-headers"]
    other = {"origin": "https://evil.example"}
    assert (await api_http.options("/v1/embeddings", headers=other | PREFLIGHT)).status_code == 400
    reply = await api_http.post("/v1/embeddings", json=BODY, headers=other)
    assert "access-control-allow-origin" not in reply.headers


async def test_every_page_may_ask_but_never_with_credentials(api_http, settings):
    settings(cors_origins=("*",))
    reply = await api_http.get("/healthz", headers={"origin": PAGE, "cookie": "a=b"})
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in reply.headers


@pytest.mark.parametrize(
    "origins", [["*", PAGE], ["chat.example"], [f"{PAGE}/"], ["https://*.example"], [""]]
)
def test_an_origin_that_no_browser_sends_is_refused(origins):
    with pytest.raises(ValidationError, match="cors_origins"):
        HttpSettings(cors_origins=origins)


@pytest.mark.parametrize("path", ["/v1/models", "/v1/files", "/v1/models/rag", "/docs",
                                  "/openapi.json", "/v1/files/none"])  # fmt: skip
async def test_head_is_answered_wherever_get_is(api_http, path):
    got, head = await api_http.get(path), await api_http.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


async def test_head_is_no_method_of_what_is_only_posted(api_http):
    assert (await api_http.head("/v1/embeddings")).status_code == 405


async def test_a_reply_names_the_version_of_the_api_and_no_limits_that_there_are_not(api_http):
    headers = (await api_http.post("/v1/embeddings", json=BODY)).headers
    assert headers["openai-version"] == "2020-10-01"
    assert int(headers["openai-processing-ms"]) >= 0
    assert not [name for name in headers if name.startswith("x-ratelimit")]


async def cited(api_http, **headers):
    body = {"model": "rag", "messages": [{"role": "user", "content": "Where?"}]}
    reply = await api_http.post("/v1/chat/completions", json=body, headers=headers)
    return reply.json()["search_results"][0]["url"].removesuffix("/v1/files/file-1/content#chunk=7")


@pytest.mark.parametrize(
    ("headers", "base"),
    [
        ({}, "http://ragfleet"),
        ({"host": "127.0.0.1:8000"}, "http://127.0.0.1:8000"),
        ({"host": "[::1]:8000"}, "http://[::1]:8000"),
        ({"x-forwarded-proto": "https"}, "https://ragfleet"),
        (
            {"x-forwarded-proto": "https, http", "x-forwarded-host": "rag.example, inner:80",
             "x-forwarded-prefix": "/rag/"},
            "https://rag.example/rag",
        ),
        ({"x-forwarded-proto": "javascript"}, ""),
        ({"x-forwarded-host": "a\"><script>"}, ""),
        ({"x-forwarded-prefix": "/../x y"}, ""),
    ],
)  # fmt: skip
async def test_a_citation_is_a_link_to_where_the_client_asked(api_http, headers, base):
    assert await cited(api_http, **headers) == base


async def test_the_configured_url_goes_before_what_a_request_says(api_http, settings):
    settings(public_url="https://docs.example/rag")
    assert await cited(api_http, host="inner:8000") == "https://docs.example/rag"
    with pytest.raises(ValidationError, match="public_url"):
        HttpSettings(public_url="docs.example")
