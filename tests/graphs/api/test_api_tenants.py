"""`/admin/v1/tenants`: an administrator of a tenant sees and ends that one."""

from dataclasses import replace

import pytest

from graphs.api.admin import tenants
from graphs.config import GatewayConfig
from graphs.settings import AuthSettings
from index.access import Viewer
from index.catalog.keys.records import KeyGrant


@pytest.fixture
def api_config(api_config):
    return GatewayConfig(**{**vars(api_config), "auth": AuthSettings(keys=True, fresh_s=0.01)})


@pytest.fixture
def admins(api_catalog, monkeypatch):
    monkeypatch.setattr(tenants, "_MARGIN_S", 0.0)
    headers = {}
    for tenant in ("acme", "birch"):
        grant = KeyGrant(tenant=tenant, scopes=frozenset({"admin", "query"}))
        headers[tenant] = {"authorization": f"Bearer {api_catalog.create_key(grant).token}"}
        seen = api_catalog.seen_by(Viewer(tenant=tenant))
        seen.create_file(filename="a.md", purpose="assistants", data=b"abc")
    return headers


async def test_a_tenant_is_told_of_itself(api_http, admins):
    reply = await api_http.get("/admin/v1/tenants", headers=admins["acme"])
    (told,) = reply.json()["data"]
    assert (told["id"], told["num_bytes"], told["num_keys"]) == ("acme", 3, 1)
    reply = await api_http.delete("/admin/v1/tenants/birch", headers=admins["acme"])
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "tenant_not_found")


async def test_a_tenant_ends_and_its_key_with_it(api_http, api_catalog, admins):
    other = api_catalog.create_key(KeyGrant(tenant="acme", scopes=frozenset({"query"}))).token
    reply = await api_http.delete("/admin/v1/tenants/acme", headers=admins["acme"])
    assert reply.json() == {"object": "tenant.deleted", "id": "acme", "deleted": True}
    assert [one.id for one in api_catalog.list_tenants()] == ["birch"]
    for headers in (admins["acme"], {"api-key": other}):
        assert (await api_http.get("/v1/files", headers=headers)).status_code == 401
    assert len((await api_http.get("/v1/files", headers=admins["birch"])).json()["data"]) == 1


async def test_a_deletion_that_takes_long_goes_on_when_asked_again(
    api_http, admins, monkeypatch, api_catalog
):
    monkeypatch.setattr(tenants, "_LONGEST_S", 0.0)
    path = "/admin/v1/tenants/acme"
    assert (await api_http.delete(path, headers=admins["acme"])).json()["deleted"] is False
    assert (await api_http.delete(path, headers=admins["acme"])).json()["deleted"] is True


async def test_without_keys_nobody_ends_everything_over_http(api_app, api_http, api_services):
    config = api_services.config.model_copy(update={"auth": AuthSettings()})
    api_app.state.services = replace(api_services, config=config)
    assert (await api_http.delete("/admin/v1/tenants/default")).status_code == 403
