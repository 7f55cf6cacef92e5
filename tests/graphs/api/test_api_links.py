"""The links of citations open without a key, for whom and as long as they should."""

import dataclasses
from urllib.parse import urlsplit

import pytest

from graphs.config import GatewayConfig
from graphs.pipeline.events import Retrieved
from graphs.settings import AuthSettings
from index.catalog.accounts.records import AuditQuery
from index.catalog.keys.records import KeyGrant

TEXT = b"Bees hum in the garden."


@pytest.fixture
def api_config(api_config):
    return GatewayConfig(**{**vars(api_config), "auth": AuthSettings(keys=True)})


@pytest.fixture
def new_key(api_catalog):
    return api_catalog.create_key(
        KeyGrant(scopes=frozenset({"query", "ingest"}), groups=frozenset({"staff"}))
    )


@pytest.fixture
async def link(api_http, api_pipeline, api_passage, new_key):
    """Where the answer to a question says that its source is."""
    headers = {"authorization": f"Bearer {new_key.token}"}
    form = {"data": {"purpose": "assistants"}, "files": {"file": ("bees.txt", TEXT)}}
    file = (await api_http.post("/v1/files", headers=headers, **form)).json()
    passage = dataclasses.replace(api_passage, file_id=file["id"])
    api_pipeline.script = [
        dataclasses.replace(event, passages=(passage,)) if isinstance(event, Retrieved) else event
        for event in api_pipeline.script
    ]
    body = {"model": "rag", "messages": [{"role": "user", "content": "Where?"}]}
    answer = await api_http.post("/v1/chat/completions", json=body, headers=headers)
    url = urlsplit(answer.json()["search_results"][0]["url"])
    assert url.fragment == "chunk=7"
    assert url.path == f"/v1/files/{file['id']}/content"
    return f"{url.path}?{url.query}"


async def test_a_link_opens_in_a_browser_and_opens_nothing_else(api_http, link):
    reply = await api_http.get(link, headers={"accept": "text/html"})
    assert (reply.status_code, reply.content) == (200, TEXT)
    assert reply.headers["referrer-policy"] == "no-referrer"
    assert (await api_http.head(link)).status_code == 200
    path, query = link.split("?")
    for other in (path, f"{path}?{query}0", f"/v1/files?{query}", f"{path[:-8]}?{query}"):
        assert (await api_http.get(other)).status_code == 401, other
    assert (await api_http.delete(f"{path[:-8]}?{query}")).status_code == 401


async def test_who_reads_a_document_by_a_link_is_noted(api_http, api_app, link, new_key):
    await api_http.get(link)
    await api_app.state.accounts.journal.written()
    (row,) = api_app.state.services.corpus._catalog.audit(AuditQuery(document=link.split("/")[3]))
    assert (row.key_id, row.action, row.decision) == (new_key.record.id, "read file", "allowed")
    assert row.request_id


async def test_a_wrong_key_is_not_helped_by_a_link(api_http, link):
    reply = await api_http.get(link, headers={"authorization": "Bearer rf_wrong"})
    assert reply.status_code == 401


async def test_a_link_ends_with_its_key(api_http, api_catalog, link, new_key):
    api_catalog.revoke_key(None, new_key.record.id)
    assert (await api_http.get(link)).status_code == 401


async def test_a_link_reads_what_its_key_may_read_now(api_http, api_catalog, link, new_key):
    file_id = link.split("/")[3]
    headers = {"authorization": f"Bearer {new_key.token}"}
    body = {"access": {"groups": ["sales"]}}
    changed = await api_http.post(f"/v1/files/{file_id}", json=body, headers=headers)
    assert changed.status_code == 200
    assert (await api_http.get(link)).status_code == 404


async def test_a_link_that_is_over_says_so(api_http, api_app, link, monkeypatch):
    clock = api_app.state.links._clock
    monkeypatch.setattr(api_app.state.links, "_clock", lambda: clock() + 90_000)
    reply = await api_http.get(link)
    assert reply.status_code == 401
    assert "over" in reply.json()["error"]["message"]
