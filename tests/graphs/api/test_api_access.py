"""Access lists over HTTP: set at upload, changed later, obeyed by the next search."""

import json

import pytest

from graphs.config import GatewayConfig
from graphs.settings import AuthSettings
from index.catalog.keys.records import KeyGrant


@pytest.fixture
def api_config(api_config):
    return GatewayConfig(**{**vars(api_config), "auth": AuthSettings(keys=True)})


@pytest.fixture
def key(api_catalog):
    def make(*groups):
        grant = KeyGrant(scopes=frozenset({"query", "ingest"}), groups=frozenset(groups))
        return {"authorization": f"Bearer {api_catalog.create_key(grant).token}"}

    return make


async def uploaded(http, headers, access):
    form = {"purpose": "assistants"} | ({} if access is None else {"access": access})
    file = {"file": ("bees.txt", b"Bees hum in the garden.")}
    return await http.post("/v1/files", data=form, files=file, headers=headers)


async def test_a_list_is_set_at_upload_and_obeyed_at_once_when_it_changes(
    api_http, key, api_ingest
):
    writer, reader = key("*"), key("staff")
    file = (await uploaded(api_http, writer, '{"groups": ["sales"]}')).json()
    assert file["access"] == {"users": [], "groups": ["sales"]}
    body = {"name": "docs", "file_ids": [file["id"]]}
    store = (await api_http.post("/v1/vector_stores", json=body, headers=writer)).json()
    assert "access" not in store
    api_ingest()

    async def found(place=f"/v1/vector_stores/{store['id']}"):
        reply = await api_http.post(
            f"{place}/search", json={"query": "Where do bees hum?"}, headers=reader
        )
        return reply.status_code, file["id"] in reply.text

    async def change(place, access):
        reply = await api_http.post(place, json={"access": access}, headers=writer)
        assert reply.status_code == 200, reply.text

    assert await found() == (200, False)
    await change(f"/v1/files/{file['id']}", {"groups": ["staff"]})
    assert await found() == (200, True)
    await change(f"/v1/vector_stores/{store['id']}", {"users": ["ann"]})
    assert await found() == (404, False)
    await change(f"/v1/vector_stores/{store['id']}", None)
    await change(f"/v1/files/{file['id']}", None)
    assert await found() == (200, True)


@pytest.mark.parametrize(
    "access", ["[]", "staff", '{"teams": ["a"]}', '{"users": [1]}', '{"users": ["a|b"]}',
               json.dumps({"users": [str(number) for number in range(65)]})],
)  # fmt: skip
async def test_what_is_no_list_is_refused(api_http, key, access):
    reply = await uploaded(api_http, key(), access)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "access")
