"""The resources of `/mcp`: vector stores and their files."""

import json

import pytest
from mcp.shared.exceptions import MCPError

from index.catalog.accounts.records import AuditQuery


async def listed(client):
    """All resources, and the number of pages that they came on."""
    resources, cursor, num_pages = [], None, 0
    while num_pages == 0 or cursor is not None:
        page = await client.list_resources(cursor=cursor)
        resources += page.resources
        cursor, num_pages = page.next_cursor, num_pages + 1
    return resources, num_pages


async def test_stores_are_listed_each_before_its_files(client, store, api_catalog):
    empty = api_catalog.create_store(name="empty")
    resources, num_pages = await listed(client)
    assert [one.name for one in resources] == ["handbook", "queues.md", "b.txt", "empty"]
    assert resources[-1].uri == f"ragfleet://stores/{empty.id}"
    assert num_pages == 1


async def test_a_store_is_read_as_json_and_a_file_as_text(client, store):
    resources, _ = await listed(client)
    told = (await client.read_resource(resources[0].uri)).contents[0]
    assert told.mime_type == "application/json"
    assert json.loads(told.text)["file_counts"]["completed"] == 2
    file = (await client.read_resource(resources[2].uri)).contents[0]
    assert (file.mime_type, file.text) == ("text/plain", "Bees hum.")


async def test_who_reads_a_file_is_noted(client, store, api_app, api_catalog):
    uri = (await listed(client))[0][2].uri
    await client.read_resource(uri)
    await api_app.state.accounts.journal.written()
    (row,) = api_catalog.audit(AuditQuery(document=uri.rpartition("/")[2]))
    assert (row.event, row.action, row.decision) == ("retrieval", "read passages", "allowed")


async def test_a_file_that_is_not_indexed_is_not_listed(client, api_catalog):
    store = api_catalog.create_store(name="waiting")
    file = api_catalog.create_file(filename="a.txt", purpose="assistants", data=b"text")
    api_catalog.attach_file(store.id, file.id)
    assert [one.name for one in (await listed(client))[0]] == ["waiting"]


async def test_pages_end_anywhere_and_leave_nothing_out(client, api_catalog, monkeypatch):
    monkeypatch.setattr("graphs.api.mcp.resources._PAGE", 2)
    names = [f"store {number}" for number in range(5)]
    for name in names:
        api_catalog.create_store(name=name)
    resources, num_pages = await listed(client)
    assert [one.name for one in resources] == names
    assert num_pages == 3


async def test_pages_go_on_within_a_store(client, store, api_catalog, monkeypatch):
    monkeypatch.setattr("graphs.api.mcp.resources._PAGE", 1)
    api_catalog.create_store(name="next")
    resources, num_pages = await listed(client)
    assert [one.name for one in resources] == ["handbook", "queues.md", "b.txt", "next"]
    assert num_pages == 4


async def test_templates_say_how_addresses_are_made(client):
    templates = (await client.list_resource_templates()).resource_templates
    assert [one.name for one in templates] == ["store", "file"]


@pytest.mark.parametrize(
    ("uri", "told"),
    [
        ("ragfleet://stores/gone", "gone"),
        ("ragfleet://stores/gone/files/x", "gone"),
        ("ragfleet://files/x", "uri must be"),
        ("file:///etc/passwd", "uri must be"),
    ],
)
async def test_an_address_of_nothing_is_an_error_that_says_so(client, uri, told):
    with pytest.raises(MCPError, match=told) as failed:
        await client.read_resource(uri)
    assert failed.value.code == -32602


async def test_a_cursor_of_nobody_is_an_error(client):
    with pytest.raises(MCPError, match="cursor must be"):
        await client.list_resources(cursor="page 2")
