"""Paths with slashes that no client means, over real HTTP."""

from dataclasses import replace

import httpx
import pytest

from graphs.api.dialects.paths import PlainPaths
from graphs.config import GatewayConfig
from graphs.settings import AuthSettings
from tests.graphs.serving import serving

BODY = {"model": "rag", "messages": [{"role": "user", "content": "Where do requests wait?"}]}


@pytest.fixture
async def base(api_app):
    async with serving(api_app) as url:
        yield url.removesuffix("/v1")


@pytest.mark.parametrize(
    "path", ["//v1/chat/completions", "/v1/chat/completions/", "/v1//chat///completions//"]
)
async def test_a_chat_is_answered_whatever_slashes_its_path_has(base, api_http, path):
    reply = await api_http.post(f"{base}{path}", json=BODY)
    assert reply.status_code == 200, reply.text


@pytest.mark.parametrize("path", ["/v1/models/", "//v1/models", "/v1/models/rag/", "//"])
async def test_reads_are_answered_too(base, api_http, path):
    reply = await api_http.get(f"{base}{path}")
    assert reply.status_code == 200, reply.text


async def test_what_is_no_path_stays_none(base, api_http):
    reply = await api_http.get(f"{base}/v1//nothing/")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "unknown_url")


async def test_keys_are_asked_for_whatever_the_path_looks_like(base, api_app, api_services):
    settings = {**vars(api_services.config), "auth": AuthSettings(keys=True)}
    api_app.state.services = replace(api_services, config=GatewayConfig(**settings))
    async with httpx.AsyncClient() as strange:
        for path in ("//v1/files", "/v1/files/", "/v1//files", "//admin/v1/keys"):
            assert (await strange.get(f"{base}{path}")).status_code == 401, path


async def test_slashes_within_a_name_stay(base, api_http, api_catalog):
    api_catalog.create_store(name="https://docs.example/")
    name = "rag:https%3A%2F%2Fdocs.example%2F"
    reply = await api_http.get(f"{base}//v1/models/{name}/")
    assert reply.status_code == 200, reply.text
    assert reply.json()["id"] == "rag:https://docs.example/"


async def test_the_page_is_found_where_the_application_is_mounted_below_a_prefix():
    asked = []

    async def app(scope, receive, send):
        asked.append(scope["path"])

    for path in ("/rag/", "/rag//v1/models/", "/rag/v1/models", "/rag//100%25"):
        scope = {"type": "http", "path": path, "root_path": "/rag"}
        await PlainPaths(app)(scope, None, None)
    assert asked == ["/rag/", "/rag/v1/models", "/rag/v1/models", "/rag/100%25"]
