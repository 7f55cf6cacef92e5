"""What keys an administrator of a tenant makes over HTTP: none that may more than its own."""

import time
from dataclasses import replace

import pytest

from graphs.accounts.settings import LimitSettings, SharedLimits
from graphs.config import GatewayConfig
from graphs.settings import AuthSettings
from index.catalog.keys.records import KeyGrant


@pytest.fixture
def api_config(api_config):
    return GatewayConfig(**{**vars(api_config), "auth": AuthSettings(keys=True)})


@pytest.fixture
def make_key(api_catalog):
    def make(*scopes, **grant):
        return api_catalog.create_key(KeyGrant(scopes=frozenset(scopes), **grant)).token

    return make


@pytest.fixture
def limited(api_app, api_services):
    """The server allows each key 600 requests a minute."""
    limits = LimitSettings(key=SharedLimits(requests_per_min=600))
    config = api_services.config.model_copy(update={"limits": limits})
    api_app.state.services = replace(api_services, config=config)


def bearer(token):
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize(
    ("own", "asked", "told"),
    [
        ({}, {"service_class": "priority"}, ("service_class", "'default'", "'priority'")),
        ({"service_class": "flex"}, {"service_class": "default"},
         ("service_class", "'flex'", "'default'")),
        ({}, {"limits": {"requests_per_min": 601}}, ("limits.requests_per_min", "600", "601")),
        ({"limits": {"max_concurrent": 2}}, {"limits": {"max_concurrent": 3}},
         ("limits.max_concurrent", "2", "3")),
    ],
)  # fmt: skip
async def test_no_key_is_made_over_http_that_may_more_than_its_maker(
    api_http, limited, make_key, own, asked, told
):
    body = {"scopes": ["query"], "service_class": "flex"} | asked
    headers = bearer(make_key("admin", **own))
    reply = await api_http.post("/admin/v1/keys", json=body, headers=headers)
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (400, told[0])
    assert [one for one in told if one not in error["message"]] == []


async def test_a_key_made_over_http_has_limits_within_those_of_its_maker(
    api_http, limited, make_key
):
    own = {"requests_per_min": 1000, "max_concurrent": 2}
    made = {}
    for name, token in {
        "plain": make_key("admin"),
        "own": make_key("admin", limits=own, service_class="priority"),
    }.items():
        headers = bearer(token)
        body = {"scopes": ["query"], "limits": {"tokens_per_min": 5}}
        reply = await api_http.post("/admin/v1/keys", json=body, headers=headers)
        made[name] = reply.json()["limits"]
    # What is not asked for is the server's, unless the maker's own is narrower.
    assert made == {
        "plain": {"tokens_per_min": 5},
        "own": {"tokens_per_min": 5, "max_concurrent": 2},
    }
    body = {"scopes": ["query"], "limits": {"requests_per_min": 1000}, "service_class": "priority"}
    reply = await api_http.post("/admin/v1/keys", json=body, headers=headers)
    assert (reply.status_code, reply.json()["service_class"]) == (200, "priority")


async def test_a_key_made_over_http_ends_no_later_than_its_maker(api_http, make_key):
    ends = int(time.time()) + 600
    admin = bearer(make_key("admin", expires_at=ends))
    made = await api_http.post("/admin/v1/keys", json={"scopes": ["query"]}, headers=admin)
    assert made.json()["expires_at"] == ends
    body = {"scopes": ["query"], "expires_in_s": 3600}
    reply = await api_http.post("/admin/v1/keys", json=body, headers=admin)
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (400, "expires_in_s")
    assert "got 3600" in error["message"]


@pytest.mark.parametrize(
    ("grant", "status"),
    [
        ({}, 200),
        ({"service_class": "priority"}, 403),
        ({"limits": {"requests_per_min": 601}}, 403),
        ({"limits": {"requests_per_min": 5}}, 200),
        ({"scopes": {"query", "metrics"}}, 403),
    ],
)
async def test_nobody_gets_the_text_of_a_key_that_may_more(
    api_http, api_catalog, limited, make_key, grant, status
):
    scopes = grant.get("scopes", {"query"})
    token = make_key(*scopes, **{name: one for name, one in grant.items() if name != "scopes"})
    admin = bearer(make_key("admin"))
    path = f"/admin/v1/keys/{token.split('_')[1]}/rotate"
    reply = await api_http.post(path, json={}, headers=admin)
    assert reply.status_code == status, reply.text
    lasting = make_key("admin").split("_")[1]
    short = bearer(make_key("admin", expires_at=int(time.time()) + 600))
    reply = await api_http.post(f"/admin/v1/keys/{lasting}/rotate", json={}, headers=short)
    assert reply.status_code == 403


async def test_a_key_of_more_than_others_renews_itself(api_http, limited, make_key):
    token = make_key("admin", "metrics", service_class="priority", limits={"tokens_per_min": 10**6})
    path = f"/admin/v1/keys/{token.split('_')[1]}/rotate"
    assert (await api_http.post(path, json={}, headers=bearer(token))).status_code == 200
