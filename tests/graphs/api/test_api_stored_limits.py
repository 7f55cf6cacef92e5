"""Limits of what a tenant stores, over HTTP."""

import pytest

from graphs.accounts.settings import LimitSettings, TenantLimits
from graphs.config import GatewayConfig
from index.parsing.parse import parse


@pytest.fixture
def api_config(api_config):
    limits = LimitSettings(tenant=TenantLimits(stored_bytes=2000, stored_passages=2))
    return GatewayConfig(**{**vars(api_config), "limits": limits})


async def upload(http, text, name="a.md"):
    form = {"purpose": "assistants"}
    return await http.post("/v1/files", data=form, files={"file": (name, text.encode())})


def told(reply):
    error = reply.json()["error"]
    return reply.status_code, error["code"], error["message"]


async def test_bytes_beyond_the_limit_are_413_with_value_and_limit(api_http):
    assert (await upload(api_http, "x" * 1500)).status_code == 200
    status, code, message = told(await upload(api_http, "x" * 501))
    assert (status, code) == (413, "storage_limit_exceeded")
    assert "2000" in message
    assert "1500 + 501" in message
    body = {"bytes": 501, "filename": "b.md", "mime_type": "text/plain", "purpose": "assistants"}
    assert told(await api_http.post("/v1/uploads", json=body))[:2] == (413, code)


async def test_a_store_takes_no_file_when_the_passages_are_used_up(api_http, api_ingest):
    words = " ".join(f"word{i}" for i in range(30))
    text = f"# One\n\n{words}\n\n# Two\n\n{words}\n"
    assert parse("a.md", text.encode())
    first = (await upload(api_http, text)).json()["id"]
    made = await api_http.post("/v1/vector_stores", json={"name": "s", "file_ids": [first]})
    path = f"/v1/vector_stores/{made.json()['id']}"
    api_ingest()
    assert (await api_http.get(path)).json()["file_counts"]["completed"] == 1
    other = (await upload(api_http, "# Other\n\nwords\n")).json()["id"]
    status, code, message = told(await api_http.post(f"{path}/files", json={"file_id": other}))
    assert (status, code) == (413, "storage_limit_exceeded")
    assert "2 + 1" in message
    await api_http.delete(f"{path}/files/{first}")
    assert (await api_http.post(f"{path}/files", json={"file_id": other})).status_code == 200
