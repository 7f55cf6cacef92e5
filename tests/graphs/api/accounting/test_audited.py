import json
from dataclasses import replace

import pytest

from graphs.audit.__main__ import main as audit
from graphs.usage.__main__ import main as usage
from index.catalog.accounts.records import AuditQuery

SECRET = "sk-very-secret"
CHAT = {"model": "rag", "messages": [{"role": "user", "content": "Confidential question?"}]}
EMBED = {"model": "bundled:embedder", "input": "three words here"}


async def rows(app):
    await app.state.accounts.journal.written()
    return app.state.services.corpus._catalog.audit(AuditQuery())


async def test_the_log_says_who_did_what_and_what_was_decided(api_http, api_app):
    headers = {"x-request-id": "r1", "authorization": f"Bearer {SECRET}"}
    await api_http.post("/v1/chat/completions", json=CHAT, headers=headers)
    await api_http.delete("/v1/files/file-none")
    await api_http.post("/v1/chat/completions", json={})
    await api_http.get("/v1/models")
    found = await rows(api_app)
    assert [(row.action, row.decision, row.status) for row in found] == [
        ("POST /v1/chat/completions", "allowed", 200),
        ("DELETE /v1/files/file-none", "not found", 404),
        ("POST /v1/chat/completions", "refused", 400),
    ]
    assert {(row.tenant, row.key_id, row.address) for row in found} == {("acme", "k1", "127.0.0.1")}
    assert found[0].request_id == "r1"
    assert SECRET not in str(found)
    assert "Confidential" not in str(found)


async def test_reads_are_noted_where_the_settings_say_so_and_nothing_where_it_is_off(
    api_http, api_app
):
    for log, num_rows in (("all", 1), ("off", 1)):
        services = api_app.state.services
        settings = services.config.audit.model_copy(update={"log": log})
        config = services.config.model_copy(update={"audit": settings})
        api_app.state.services = replace(services, config=config)
        await api_http.get("/v1/models")
        assert len(await rows(api_app)) == num_rows


async def test_who_reads_a_document_itself_is_noted_though_reads_are_not(
    api_http, api_app, api_catalog, api_ingest, caller, monkeypatch
):
    reader = replace(caller, scopes=frozenset({"ingest"}))
    monkeypatch.setattr("graphs.api.border.request_caller.DEFAULT_CALLER", reader)
    corpus = api_catalog.seen_by(reader.viewer)
    store = corpus.create_store(name="handbook")
    file = corpus.create_file(filename="b.txt", purpose="assistants", data=b"Bees hum.")
    corpus.attach_file(store.id, file.id)
    api_ingest()
    await api_http.get(f"/v1/vector_stores/{store.id}/files/{file.id}/content")
    await api_http.get(f"/v1/files/{file.id}/content", headers={"x-request-id": "r2"})
    await api_http.get("/v1/files/file-none/content")
    found = await rows(api_app)
    assert [(one.event, one.action, one.documents) for one in found] == [
        ("retrieval", "read passages", (file.id,)), ("retrieval", "read file", (file.id,)),
    ]  # fmt: skip
    assert (found[1].tenant, found[1].key_id, found[1].request_id) == ("acme", "k1", "r2")
    assert found == api_catalog.audit(AuditQuery(document=file.id))


async def test_what_a_path_hides_is_written_out(api_http, api_app):
    """PostgreSQL takes no NUL, and a terminal obeys what follows ESC."""
    await api_http.post("/v1/%00%1b[2J%0a\\%C3%A9")
    (row,) = await rows(api_app)
    assert row.action == r"POST /v1/\x00\x1b[2J\n\\\xe9"


async def test_usage_is_told_by_route_and_command(api_http, api_app, capsys, monkeypatch):
    for _ in range(2):
        await api_http.post("/v1/embeddings", json=EMBED)
    (row,) = (await api_http.get("/admin/v1/usage")).json()["data"]
    day = row.pop("day")
    assert row == {
        "object": "usage", "tenant": "acme", "key_id": "k1", "model": "bundled:embedder",
        "num_calls": 2, "num_prompt_tokens": 6, "num_completion_tokens": 0,
    }  # fmt: skip
    as_csv = await api_http.get("/admin/v1/usage", params={"format": "csv", "since": day})
    assert as_csv.text.splitlines()[1] == f"{day},acme,k1,bundled:embedder,2,6,0"
    assert as_csv.headers["content-type"] == "text/csv; charset=utf-8"
    for params in ({"until": "2020-01-01"}, {"key_id": "k2"}):
        assert (await api_http.get("/admin/v1/usage", params=params)).json()["data"] == []
    bad = await api_http.get("/admin/v1/usage", params={"since": "yesterday"})
    assert bad.status_code == 400

    url = api_app.state.services.corpus._catalog._engine.url
    monkeypatch.setenv("RAGFLEET_DATABASE_URL", url.render_as_string(hide_password=False))
    assert usage(["--format", "csv", "--tenant", "acme"]) == 0
    assert capsys.readouterr().out == as_csv.text
    monkeypatch.setenv("COLUMNS", "160")
    assert usage([]) == 0
    assert "bundled:embedder" in capsys.readouterr().out
    assert audit(["--key", "k1", "--since", day]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["action"] for line in lines] == ["POST /v1/embeddings"] * 2
    with pytest.raises(SystemExit):
        audit(["--since", "yesterday"])
