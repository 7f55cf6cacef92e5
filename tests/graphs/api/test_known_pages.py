"""Which pages of browsers may use the server: by `Origin` anywhere, by `Host` on loopback."""

import asyncio
import dataclasses

import httpx
import pytest
from pydantic import ValidationError

from graphs.config import HttpSettings
from tests.graphs.serving import serving

EXTENSION = "chrome-extension://abc"
CHAT = "https://chat.example"
BODY = {"model": "bundled:embedder", "input": "two words"}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
ACCEPT = {"accept": "application/json, text/event-stream"}


@pytest.fixture
def settings(api_app, api_services):
    def change(**fields):
        http = HttpSettings(**api_services.config.http.model_dump() | fields)
        config = api_services.config.model_copy(update={"http": http})
        api_app.state.services = dataclasses.replace(api_services, config=config)

    return change


@pytest.mark.parametrize("asked", [("/v1/embeddings", BODY), ("/mcp", PING)])
@pytest.mark.parametrize(
    ("sent", "changed", "status"),
    [
        ((None, "rag.example"), {}, 200),
        (("http://127.0.0.1:8000", "127.0.0.1:8000"), {}, 200),
        (("http://localhost:8000", "localhost:8000"), {}, 200),
        (("http://[::1]:8000", "[::1]:8000"), {}, 200),
        (("http://192.168.0.7:8000", "192.168.0.7:8000"), {}, 200),
        (("http://evil.example:8000", "evil.example:8000"), {}, 403),
        (("http://evil.example", "127.0.0.1:8000"), {}, 403),
        (("http://localhost:3000", "localhost:8000"), {}, 403),
        (("http://localhost.evil.example", "localhost.evil.example"), {}, 403),
        (("http://127.0.0.1.evil.example", "127.0.0.1.evil.example"), {}, 403),
        (("null", "127.0.0.1:8000"), {}, 403),
        (("", "127.0.0.1:8000"), {}, 403),
        ((EXTENSION, "127.0.0.1:8000"), {}, 403),
        ((EXTENSION, "localhost"), {"cors_origins": [EXTENSION]}, 200),
        ((CHAT, "rag.example"), {"cors_origins": [CHAT]}, 200),
        (("https://evil.example", "rag.example"), {"cors_origins": [CHAT]}, 403),
        (("https://any.example", "rag.example"), {"cors_origins": ["*"]}, 200),
        (("https://rag.example", "rag.example"), {"public_url": "https://rag.example/api"}, 200),
        (("https://rag.example", "127.0.0.1:8000"), {"public_url": "https://rag.example"}, 200),
        (("https://evil.example", "evil.example"), {"public_url": "https://rag.example"}, 403),
        (("https://rag.example", "rag.example"), {"allowed_hosts": ["rag.example"]}, 200),
    ],
)  # fmt: skip
async def test_only_trusted_pages_may_ask(api_http, settings, asked, sent, changed, status):
    settings(**changed)
    path, body = asked
    origin, host = sent
    names = {"host": host} | ({} if origin is None else {"origin": origin})
    reply = await api_http.post(path, json=body, headers=ACCEPT | names)
    assert reply.status_code == status, reply.text
    if status == 403:
        error = reply.json()["error"]
        assert (error["code"], error["param"]) == ("origin_not_allowed", "Origin")
        assert "http.cors_origins" in error["message"]


async def test_a_form_of_another_page_uploads_nothing(api_http):
    """A browser asks nobody before it sends one."""
    sent = {"files": {"file": ("a.txt", b"Text.")}, "data": {"purpose": "assistants"}}
    reply = await api_http.post("/v1/files", **sent, headers={"origin": "https://evil.example"})
    assert reply.status_code == 403
    assert (await api_http.get("/v1/files")).json()["data"] == []


async def test_a_link_opens_from_any_page(api_http):
    sent = {"files": {"file": ("a.txt", b"Text.")}, "data": {"purpose": "assistants"}}
    file = (await api_http.post("/v1/files", **sent)).json()
    link = f"/v1/files/{file['id']}/content"
    reply = await api_http.get(link, headers={"referer": CHAT, "sec-fetch-site": "cross-site"})
    assert (reply.status_code, reply.text) == (200, "Text.")


@pytest.mark.parametrize(
    ("host", "changed", "status"),
    [
        ("127.0.0.1:8000", {}, 200),
        ("[::1]:8000", {}, 200),
        ("LOCALHOST.:1", {}, 200),
        ("app.localhost", {}, 200),
        ("host.docker.internal:8000", {}, 200),
        ("ragfleet.default.svc.cluster.local", {}, 200),
        ("printer", {}, 200),
        ("evil.example", {}, 403),
        ("evil.example:8000", {}, 403),
        ("127.0.0.1.nip.example", {}, 403),
        ("user@localhost.evil.example", {}, 403),
        ("rag.example", {"allowed_hosts": ["rag.example"]}, 200),
        ("rag.example:444", {"public_url": "https://rag.example/api"}, 200),
        ("evil.example", {"public_url": "https://rag.example/api"}, 403),
        ("any.example", {"cors_origins": ["*"]}, 200),
    ],
)
@pytest.mark.parametrize("path", ["/v1/models", "/openapi.json", "/healthz"])
async def test_a_name_that_can_be_rebound_reaches_no_route_by_loopback(
    api_app, settings, host, changed, status, path
):
    settings(**changed)
    async with serving(api_app) as url, httpx.AsyncClient() as client:
        forged = {"host": host, "x-forwarded-host": "localhost"}
        reply = await client.get(url.removesuffix("/v1") + path, headers=forged)
    assert reply.status_code == status
    if status == 403:
        error = reply.json()["error"]
        assert (error["code"], error["param"]) == ("host_not_allowed", "Host")
        assert "http.allowed_hosts" in error["message"]
        assert host.encode()[:40] in error["message"].encode()


async def test_by_another_address_any_name_is_served(api_app, api_http):
    reply = await api_http.get("/v1/models", headers={"host": "rag.example"})
    assert reply.status_code == 200


async def test_a_program_that_sends_no_host_is_served(api_app):
    async with serving(api_app) as url:
        reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
        writer.write(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert b" 200 " in await reader.readline()
        writer.close()


@pytest.mark.parametrize("host", ["https://rag.example", "rag.example:8000", "*", ""])
def test_a_host_is_a_name(host):
    with pytest.raises(ValidationError, match="allowed_hosts"):
        HttpSettings(allowed_hosts=[host])
