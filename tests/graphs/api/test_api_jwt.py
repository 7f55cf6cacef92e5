"""Tokens of an identity provider on every route, beside keys; the issuer and its keys are real."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from graphs.access.callers import asker
from graphs.accounts.settings import LimitSettings
from graphs.caller import DEFAULT_CALLER
from graphs.config import GatewayConfig
from graphs.settings import AuthSettings, JwtSettings
from index.catalog.keys.records import KeyGrant
from tests.graphs.token_issuer import TokenIssuer

SCOPES = {"rag.query": ("query",), "rag.ingest": ("ingest",), "rag.admin": ("admin",)}


@pytest.fixture(scope="module")
def running_issuer():
    with TokenIssuer() as running:
        running.add_key("e1", "ES256")
        yield running


@pytest.fixture
def issuer(running_issuer):
    running_issuer.is_up = True
    return running_issuer


@pytest.fixture
def api_config(api_config, issuer):
    jwt = JwtSettings(
        issuer=issuer.url, audience="ragfleet", tenant_claim="tid", scopes=SCOPES, leeway_s=5,
        user_claim="preferred_username", groups_claim="groups",
    )  # fmt: skip
    auth = AuthSettings(keys=True, jwt=jwt)
    limits = LimitSettings(failures_per_min=None)
    return GatewayConfig(**{**vars(api_config), "auth": auth, "limits": limits})


def bearer(token):
    return {"authorization": f"Bearer {token}"}


async def status(http, token, method="GET", path="/v1/files"):
    reply = await http.request(method, path, headers=bearer(token), json={})
    return reply.status_code


async def test_a_token_is_taken_like_a_key_and_beside_keys(api_http, api_catalog, issuer):
    for token in (issuer.token(), issuer.token(kid="e1", algorithm="ES256")):
        for headers in (bearer(token), {"api-key": token}, {"x-api-key": token}):
            assert (await api_http.get("/v1/files", headers=headers)).status_code == 200
    key = api_catalog.create_key(KeyGrant(scopes=frozenset({"query"}))).token
    assert await status(api_http, key) == 200


async def test_a_token_may_what_its_permissions_say(api_http, issuer):
    token = issuer.token(scope="openid rag.query")
    assert await status(api_http, token, "POST", "/v1/vector_stores") == 403
    assert await status(api_http, token, "GET", "/admin/v1/keys") == 403
    token = issuer.token(scope="rag.ingest rag.admin", sub="u-2")
    assert await status(api_http, token, "POST", "/v1/vector_stores") == 200
    assert await status(api_http, token, "GET", "/admin/v1/keys") == 200


def forged(issuer):
    """Tokens of everybody who is not the issuer, by name."""
    now = int(time.time())
    public = issuer.keys["k1"].public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    good = issuer.token()
    head, body, signature = good.split(".")

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    hs256 = part({"alg": "HS256", "kid": "k1", "typ": "JWT"})
    return {
        "expired": issuer.token(exp=now - 6),
        "not yet": issuer.token(nbf=now + 60),
        "issued later": issuer.token(iat=now + 60),
        "wrong audience": issuer.token(aud="account"),
        "no audience": issuer.token(aud=None),
        "wrong issuer": issuer.token(iss=issuer.url + "/"),
        "no issuer": issuer.token(iss=None),
        "no end": issuer.token(exp=None),
        "no subject": issuer.token(sub=None),
        "no tenant": issuer.token(tid=None),
        "no user": issuer.token(preferred_username=None),
        "no permission": issuer.token(scope="openid"),
        "none": f"{part({'alg': 'none', 'kid': 'k1'})}.{body}.",
        "None": f"{part({'alg': 'None', 'kid': 'k1'})}.{body}.{signature}",
        "public key as secret": hs256_signed(f"{hs256}.{body}", pem),
        "other key": issuer.token(key=other),
        "own key in its header": issuer.token(
            kid="mine", key=other, headers={"jku": "https://evil.example/keys", "jwk": {"kty": "x"}}
        ),
        "unknown key": issuer.token(kid="k9", key=other),
        "path as key": issuer.token(kid="../../dev/null", key=other),
        "no name of a key": issuer.token(kid=None, key=issuer.keys["k1"]),
        "other algorithm": issuer.token(algorithm="RS512"),
        "unknown must": issuer.token(headers={"crit": ["exp2"], "exp2": 1}),
        "changed": f"{head}.{part(issuer.claims(tid='other'))}.{signature}",
        "signature cut": good[:-4],
        "no signature": f"{head}.{body}.",
        "two tokens": f"{good}, {good}",
        "too long": issuer.token(padding="x" * 20_000),
        "deep": f"{'e' * 100}.{'[' * 5000}.x",
        "empty": "..",
    }


def hs256_signed(text, secret):
    digest = hmac.new(secret, text.encode(), hashlib.sha256).digest()
    return f"{text}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


async def test_no_other_token_is_taken_and_all_are_told_the_same(api_http, issuer, caplog):
    told = set()
    assert await status(api_http, issuer.token()) == 200
    for name, token in forged(issuer).items():
        reply = await api_http.get("/v1/files", headers=bearer(token))
        assert reply.status_code == 401, name
        assert reply.headers["www-authenticate"] == "Bearer"
        told.add(reply.text)
        assert token not in caplog.text
        reply = await api_http.get("/v1/nothing", headers=bearer(token))
        assert reply.status_code == 401, name
    assert len(told) == 1
    assert "padding" not in caplog.text


async def test_clocks_may_differ_a_little(api_http, issuer):
    now = int(time.time())
    assert await status(api_http, issuer.token(exp=now - 2)) == 200
    assert await status(api_http, issuer.token(nbf=now + 3)) == 200


async def test_a_token_ends_while_it_is_remembered(api_app, api_http, issuer):
    api_app.state.keyring._clock = lambda: 0.0  # what it knows is fresh for ever
    token = issuer.token(exp=int(time.time()) - 2)
    assert await status(api_http, token) == 200
    await asyncio.sleep(3.1)  # 5 s of leeway have passed
    assert await status(api_http, token) == 401


async def test_tenants_and_lists_hold_for_tokens(api_http, issuer):
    upload = {"file": ("plan.md", b"# Plan\n")}
    access = json.dumps({"groups": ["sales"]})
    form = {"purpose": "assistants", "access": access}
    ann = bearer(issuer.token(scope="rag.query rag.ingest"))
    made = await api_http.post("/v1/files", headers=ann, files=upload, data=form)
    path = f"/v1/files/{made.json()['id']}"
    seen = {
        name: (await api_http.get(path, headers=bearer(issuer.token(**claims)))).status_code
        for name, claims in {
            "ann": {},
            "colleague": {"sub": "u-2", "preferred_username": "bob"},
            "other group": {"sub": "u-3", "groups": ["legal"]},
            "every group": {"sub": "u-4", "groups": ["*"]},
            "admin": {"sub": "u-5", "groups": [], "scope": "rag.query rag.admin"},
            "other tenant": {"tid": "other"},
        }.items()
    }
    assert seen == {
        "ann": 200, "colleague": 200, "other group": 404, "every group": 404, "admin": 200,
        "other tenant": 404,
    }  # fmt: skip


async def test_one_who_is_revoked_here_has_no_token_that_counts(
    api_app, api_http, api_catalog, issuer
):
    now = 0.0
    api_app.state.keyring._clock = lambda: now
    token = issuer.token(sub="u-7", scope="rag.query rag.admin")
    assert await status(api_http, token) == 200
    headers = bearer(token)
    (own,) = (await api_http.get("/admin/v1/keys", headers=headers)).json()["data"]
    assert own["id"].startswith("jwt-")
    reply = await api_http.post(f"/admin/v1/keys/{own['id']}/rotate", json={}, headers=headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (400, "invalid_key")
    api_catalog.revoke_key(None, own["id"])
    now += 3.0
    assert await status(api_http, token) == 401
    assert await status(api_http, issuer.token(sub="u-7", jti="2")) == 401


async def test_work_goes_on_in_the_name_of_who_left_it(api_services, api_http, api_catalog, issuer):
    await status(api_http, issuer.token())
    (record,) = api_catalog.list_keys("acme")
    corpus = api_services.corpus.of(DEFAULT_CALLER)
    caller = await asker(corpus, "acme", record.id)
    assert (caller.scopes, caller.user) == ({"query"}, "ann")
    assert caller.groups == {"sales", "/staff"}
    await status(api_http, issuer.token(scope="rag.ingest"))  # the newest token counts
    assert (await asker(corpus, "acme", record.id)).scopes == {"ingest"}
    api_catalog.revoke_key(None, record.id)
    assert (await asker(corpus, "acme", record.id)).scopes == frozenset()


async def test_the_issuer_may_be_down_and_before_it_told_its_keys_nobody_comes_in(
    api_app, api_http, issuer
):
    token = issuer.token()
    issuer.is_up = False
    reply = await api_http.get("/v1/files", headers=bearer(token))
    assert (reply.status_code, reply.json()["error"]["code"]) == (503, "issuer_unavailable")
    issuer.is_up = True
    tokens = api_app.state.keyring._find_token.__self__
    tokens._issuer[1]._asked_at = float("-inf")
    assert await status(api_http, token) == 200
    issuer.is_up = False
    assert await status(api_http, issuer.token(jti="another")) == 200


async def test_a_rotated_key_is_taken(api_app, api_http, issuer):
    assert await status(api_http, issuer.token()) == 200
    issuer.add_key("k2", "RS256")
    token = issuer.token(kid="k2")
    assert await status(api_http, token) == 401  # asked less than a minute ago
    tokens = api_app.state.keyring._find_token.__self__
    tokens._issuer[1]._asked_at -= 60
    assert await status(api_http, token) == 200


async def test_tokens_that_are_over_lock_no_address_out(api_http, api_app, api_config, issuer):
    limits = LimitSettings(failures_per_min=3)
    config = GatewayConfig(**{**vars(api_config), "limits": limits})
    api_app.state.services = replace(api_app.state.services, config=config)
    ending = issuer.token(exp=int(time.time()) - 3)  # within the leeway, so it is remembered
    await status(api_http, ending)
    await asyncio.sleep(2.1)
    for late in (ending, *(issuer.token(exp=int(time.time()) - 60 - one) for one in range(9))):
        assert await status(api_http, late) == 401
    assert await status(api_http, issuer.token(sub="u-2")) == 200
    for one in range(4):
        assert await status(api_http, f"a.b.{one}") == 401
    assert await status(api_http, issuer.token(sub="u-3")) == 429
