"""Who may ask what, where the settings want keys: every route, in every dialect's words."""

import asyncio
import re
from dataclasses import replace

import pytest
from fastapi.routing import APIRoute

from graphs.access.keyring import Keyring
from graphs.access.route_scopes import ROUTES, scopes_for
from graphs.accounts.settings import LimitSettings
from graphs.config import GatewayConfig
from graphs.settings import AuthSettings
from index.catalog.keys.records import KeyGrant, token_digest

TOLD = {"/healthz", "/readyz", "/health", "/docs", "/openapi.json", "/"}
OPEN = TOLD | {"/page/x"}
BODY = {"model": "rag", "messages": [{"role": "user", "content": "Where do requests wait?"}]}


@pytest.fixture
def api_config(api_config):
    limits = LimitSettings(failures_per_min=None)  # many strange keys come from one address here
    settings = {**vars(api_config), "auth": AuthSettings(keys=True), "limits": limits}
    return GatewayConfig(**settings)


@pytest.fixture
def make_key(api_catalog):
    def make(*scopes, **grant):
        return api_catalog.create_key(KeyGrant(scopes=frozenset(scopes), **grant)).token

    return make


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def served(app):
    """Every route that there is: method and an example of its path."""
    return [
        (method, re.sub(r"\{[^}]+\}", "x", route.path))
        for route in app.routes
        for method in sorted(route.methods - {"HEAD"})
    ]


def test_every_route_says_what_it_needs(api_app):
    unsaid = [one for one in served(api_app) if scopes_for(*one) is None]
    assert unsaid == []
    is_open = {path for method, path in served(api_app) if scopes_for(method, path) == ()}
    assert is_open == OPEN


def test_the_table_names_no_route_that_is_gone(api_app):
    paths = {path for _, path in served(api_app)}
    named = {re.sub(r"\{[^}]+\}", "x", path) for path in ROUTES}
    assert named - paths <= {"/metrics", "/admin/x"}


async def test_no_route_answers_without_a_key_and_all_say_the_same(api_app, api_http):
    told = set()
    for method, path in served(api_app):
        if path in OPEN:
            continue
        for headers in ({}, bearer("none"), bearer("rf_" + "0" * 16 + "_" + "A" * 43)):
            reply = await api_http.request(method, path, headers=headers, json={})
            assert reply.status_code == 401, (method, path, reply.text)
            assert reply.headers["www-authenticate"] == "Bearer"
            body = reply.json()
            body.pop("id", None)  # Cohere's clients want that of the request
            told.add(body["message"] if "message" in body else str(body.get("error")))
    assert len(told) == 2  # as OpenAI has errors, and the bare message of others


async def test_an_unknown_path_is_401_for_strangers_and_404_for_others(api_http, make_key):
    for path in ("/v1/nothing", "//v1/files", "/v1/files/", "/v1/../v1/files", "/V1/files"):
        assert (await api_http.get(path)).status_code == 401
        reply = await api_http.get(path, headers=bearer(make_key("query")))
        assert reply.status_code in {404, 200}, path
    reply = await api_http.put("/v1/files", headers=bearer(make_key("query")))
    assert reply.status_code == 405


async def test_a_route_that_is_not_in_the_table_answers_nobody(api_app, api_http, make_key):
    route = APIRoute("/v1/forgotten", lambda: "secret", methods=["GET"])
    api_app.routes.append(route)
    try:
        token = make_key("query", "ingest", "admin", "metrics")
        reply = await api_http.get("/v1/forgotten", headers=bearer(token))
    finally:
        api_app.routes.remove(route)
    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "insufficient_scope")


@pytest.mark.parametrize("header", ["Authorization", "api-key", "x-api-key"])
async def test_a_key_comes_in_the_header_that_the_client_knows(api_http, make_key, header):
    token = make_key("query")
    value = f"bearer {token}" if header == "Authorization" else token
    reply = await api_http.post("/v1/chat/completions", json=BODY, headers={header: value})
    assert reply.status_code == 200


@pytest.mark.parametrize(
    ("scopes", "method", "path", "status"),
    [
        ({"query"}, "GET", "/v1/files", 200),
        ({"query"}, "POST", "/v1/vector_stores", 403),
        ({"query"}, "DELETE", "/v1/files/file-1", 403),
        ({"query"}, "GET", "/admin/v1/keys", 403),
        ({"query"}, "GET", "/metrics", 403),
        ({"ingest"}, "POST", "/v1/vector_stores", 200),
        ({"ingest"}, "POST", "/v1/chat/completions", 403),
        ({"admin"}, "GET", "/admin/v1/keys", 200),
        ({"admin"}, "POST", "/v1/chat/completions", 403),
        ({"admin"}, "GET", "/v1/files", 403),
        ({"metrics"}, "GET", "/v1/models", 403),
    ],
)
async def test_a_key_does_what_its_scopes_say(api_http, make_key, scopes, method, path, status):
    headers = bearer(make_key(*scopes))
    reply = await api_http.request(method, path, json=BODY, headers=headers)
    assert reply.status_code == status
    if status == 403:
        assert reply.json()["error"]["message"] == "The API key does not allow this request."


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff{", b'{"model": 5}'])
async def test_a_key_without_the_scope_is_refused_before_its_body_is_looked_at(
    api_app, api_http, make_key, content
):
    headers = {scope: bearer(make_key(scope)) for scope in ("metrics", "query")}
    told = set()
    for method, path in served(api_app):
        if path in OPEN:
            continue
        other = "query" if scopes_for(method, path) == ("metrics",) else "metrics"
        reply = await api_http.request(method, path, content=content, headers=headers[other])
        assert reply.status_code == 403, (method, path, reply.text)
        body = reply.json()
        body.pop("id", None)
        told.add(body["message"] if "message" in body else str(body["error"]))
    assert len(told) == 2  # as OpenAI has errors, and the bare message of others


async def test_health_description_and_preflight_need_no_key(api_app, api_http, api_services):
    for path in TOLD:
        assert (await api_http.get(path)).status_code == 200
        assert (await api_http.get(path, headers=bearer("wrong"))).status_code == 200
    preflight = await api_http.options("/v1/chat/completions", headers={"origin": "null"})
    assert preflight.status_code == 401  # no page of another origin is known yet
    http = api_services.config.http.model_copy(update={"cors_origins": ("https://a.example",)})
    config = api_services.config.model_copy(update={"http": http})
    api_app.state.services = replace(api_services, config=config)
    asked = {"origin": "https://a.example", "access-control-request-method": "POST"}
    reply = await api_http.options("/v1/chat/completions", headers=asked)
    assert reply.status_code == 200
    reply = await api_http.post("/v1/chat/completions", headers={"origin": "https://a.example"})
    assert reply.status_code == 401
    assert reply.headers["access-control-allow-origin"] == "https://a.example"


async def test_a_revoked_key_ends_when_the_memory_is_old(api_app, api_http, api_catalog, make_key):
    token = make_key("query")
    now = 0.0
    keyring = api_app.state.keyring
    keyring._clock = lambda: now
    assert (await api_http.get("/v1/files", headers=bearer(token))).status_code == 200
    api_catalog.revoke_key(None, token.split("_")[1])
    now += 3.0
    assert (await api_http.get("/v1/files", headers=bearer(token))).status_code == 401


async def test_a_wrong_key_with_a_known_id_is_no_key(api_http, make_key):
    token = make_key("query")
    wrong = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert (await api_http.get("/v1/files", headers=bearer(wrong))).status_code == 401
    assert (await api_http.get("/v1/files", headers=bearer(token))).status_code == 200
    assert (await api_http.get("/v1/files", headers=bearer(wrong))).status_code == 401


async def test_no_error_tells_the_key_that_was_sent(api_http, api_catalog, make_key, caplog):
    token = make_key("query")
    api_catalog.revoke_key(None, token.split("_")[1])
    reply = await api_http.get("/v1/files", headers=bearer(token))
    assert token.split("_")[1] not in reply.text + str(reply.headers) + caplog.text


async def test_many_requests_ask_the_catalog_once():
    asked = []

    async def authenticate(key_id, digest):
        asked.append((key_id, digest))
        await asyncio.sleep(0.01)

    keyring = Keyring(authenticate, lambda: 3.0)
    token = "rf_" + "0" * 16 + "_" + "A" * 43
    assert await asyncio.gather(*(keyring.find(token) for _ in range(20))) == [None] * 20
    assert asked == [("0" * 16, token_digest(token))]
    assert await keyring.find("sk-other") is None
    assert len(asked) == 1


async def test_keys_are_managed_over_http_within_the_tenant(api_http, api_catalog, make_key):
    admin = bearer(make_key("admin", tenant="acme"))
    body = {"name": "n", "scopes": ["query"], "groups": ["g"], "limits": {"requests_per_min": 5}}
    made = (await api_http.post("/admin/v1/keys", json=body, headers=admin)).json()
    assert made["tenant"] == "acme"
    assert (await api_http.get("/v1/files", headers=bearer(made["key"]))).status_code == 200
    listed = (await api_http.get("/admin/v1/keys", headers=admin)).json()["data"]
    assert made["id"] in {one["id"] for one in listed}
    assert not any("key" in one for one in listed)
    path = f"/admin/v1/keys/{made['id']}"
    rotated = await api_http.post(f"{path}/rotate", json={"overlap_s": 0}, headers=admin)
    assert rotated.json()["id"] == made["id"]
    assert (await api_http.delete(path, headers=admin)).json()["status"] == "revoked"
    other = bearer(make_key("admin", tenant="other"))
    for method, end in (("GET", ""), ("DELETE", ""), ("POST", "/rotate")):
        reply = await api_http.request(method, path + end, headers=other, json={})
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "key_not_found")


async def test_an_admin_of_a_tenant_gives_no_more_than_it_may(api_http, make_key):
    admin = bearer(make_key("admin"))
    for body, status in (
        ({"scopes": ["metrics"]}, 403),
        ({"scopes": ["root"]}, 400),
        ({"scopes": ["query"], "limits": {"wishes": 3}}, 400),
        ({"scopes": []}, 400),
    ):
        reply = await api_http.post("/admin/v1/keys", json=body, headers=admin)
        assert reply.status_code == status, reply.text
