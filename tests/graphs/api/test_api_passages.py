"""What a client needs to show a passage in its document, and to compare ways to search."""

import pytest

HANDBOOK = b"# Queues\n\nRequests wait in a bounded queue.\n\n# Nodes\n\nSpot nodes may vanish.\n"


@pytest.fixture
async def store(api_openai):
    return (await api_openai.vector_stores.create(name="docs")).id


@pytest.fixture
async def file(api_openai, api_ingest, store):
    file = await api_openai.files.create(file=("handbook.md", HANDBOOK), purpose="assistants")
    await api_openai.vector_stores.files.create(store, file_id=file.id)
    api_ingest()
    return file.id


async def test_passages_tell_which_citation_means_them_and_where_they_stand(store, file, api_http):
    page = await api_http.get(f"/v1/vector_stores/{store}/files/{file}/content")
    first, second = page.json()["data"]
    assert first["text"] == "Queues\nRequests wait in a bounded queue."
    assert (first["title"], second["title"]) == ("Queues", "Nodes")
    assert first["char_end"] - first["char_start"] == len("Requests wait in a bounded queue.")
    assert first["char_end"] <= second["char_start"]
    found = await api_http.post(f"/v1/vector_stores/{store}/search", json={"query": "queue"})
    best = found.json()["data"][0]
    assert (best["chunk_id"], best["passage"]) == (
        first["chunk_id"], "Requests wait in a bounded queue.",
    )  # fmt: skip


async def test_a_search_may_choose_how_it_finds_its_candidates(store, file, api_http):
    async def found(**rag):
        body = {"query": "vanish", "rag": rag, "ranking_options": {"ranker": "none"}}
        return await api_http.post(f"/v1/vector_stores/{store}/search", json=body)

    assert [one["passage"] for one in (await found(mode="lexical")).json()["data"]] == [
        "Spot nodes may vanish."
    ]
    assert len((await found(mode="dense")).json()["data"]) == 2
    refused = await found(mode="magic")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "rag.mode")
    assert (await found(modus="dense")).status_code == 400
