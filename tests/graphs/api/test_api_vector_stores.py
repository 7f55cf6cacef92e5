"""Vector stores, their files and their search through the OpenAI client, over the real corpus."""

import pytest
from openai import NotFoundError

from graphs.errors import StageUnavailableError
from graphs.pipeline.retrieval import Retrieval
from graphs.pipeline.stages import Stages

HANDBOOK = b"# Queues\n\nRequests wait in a bounded queue.\n\n# Nodes\n\nSpot nodes may vanish.\n"


@pytest.fixture
def stores(api_openai):
    return api_openai.vector_stores


@pytest.fixture
def add(api_openai, stores, api_ingest):
    """Uploads a file, puts it into a store, indexes it, and gives its record."""

    async def upload_and_index(store_id, name="handbook.md", data=HANDBOOK, **fields):
        file = await api_openai.files.create(file=(name, data), purpose="assistants")
        await stores.files.create(store_id, file_id=file.id, **fields)
        api_ingest()
        return await stores.files.retrieve(file.id, vector_store_id=store_id)

    return upload_and_index


async def test_store_is_created_changed_and_deleted(stores):
    store = await stores.create(
        name="docs", description="ours", metadata={"team": "a"},
        expires_after={"anchor": "last_active_at", "days": 7},
    )  # fmt: skip
    assert (store.object, store.name, store.status) == ("vector_store", "docs", "completed")
    assert store.model_extra["description"] == "ours"
    assert store.expires_at == store.last_active_at + 7 * 86_400
    assert store.file_counts.total == 0
    changed = await stores.update(store.id, name="papers", metadata=None)
    assert (changed.name, changed.metadata, changed.expires_after.days) == ("papers", {}, 7)
    assert (await stores.update(store.id, expires_after=None)).expires_after is None
    assert (await stores.retrieve(store.id)).name == "papers"
    assert (await stores.delete(store.id)).object == "vector_store.deleted"
    with pytest.raises(NotFoundError) as caught:
        await stores.retrieve(store.id)
    assert caught.value.code == "vector_store_not_found"


async def test_list_pages_through_all(stores):
    ids = [(await stores.create(name=str(number))).id for number in range(5)]
    assert [store.id async for store in await stores.list(limit=2, order="asc")] == ids


async def test_file_is_indexed_described_and_taken_out(stores, api_openai, add):
    store = await stores.create(name="docs")
    file = await add(store.id, attributes={"lang": "en", "year": 2024, "draft": False})
    assert (file.status, file.last_error, file.object) == ("completed", None, "vector_store.file")
    assert file.attributes == {"lang": "en", "year": 2024, "draft": False}
    assert file.vector_store_id == store.id
    assert file.model_extra == {"filename": "handbook.md"}
    texts = [
        part.text async for part in await stores.files.content(file.id, vector_store_id=store.id)
    ]
    assert texts == ["Queues\nRequests wait in a bounded queue.", "Nodes\nSpot nodes may vanish."]
    changed = await stores.files.update(
        file.id, vector_store_id=store.id, attributes={"lang": "fr"}
    )
    assert changed.attributes == {"lang": "fr"}
    assert (await stores.retrieve(store.id)).file_counts.completed == 1
    gone = await stores.files.delete(file.id, vector_store_id=store.id)
    assert gone.object == "vector_store.file.deleted"
    with pytest.raises(NotFoundError) as caught:
        await stores.files.retrieve(file.id, vector_store_id=store.id)
    assert caught.value.code == "vector_store_file_not_found"
    assert (await api_openai.files.retrieve(file.id)).id == file.id


async def test_files_given_at_creation_are_in_progress_until_indexed(
    stores, api_openai, api_ingest
):
    file = await api_openai.files.create(file=("a.txt", b"words"), purpose="assistants")
    store = await stores.create(name="docs", file_ids=[file.id, file.id])
    assert (store.status, store.file_counts.in_progress) == ("in_progress", 1)
    raw = await stores.files.with_raw_response.retrieve(file.id, vector_store_id=store.id)
    assert raw.headers["openai-poll-after-ms"] == "250"
    api_ingest()
    assert (await stores.retrieve(store.id)).status == "completed"


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.txt", b"GIF89a\x00\x01", "invalid_file"),
        ("a.md", b"# A\n\x00\x00\x01\x02", "invalid_file"),
        ("a.txt", b"  \n ", "invalid_file"),
        ("a.exe", b"text", "unsupported_file"),
    ],
)
async def test_file_that_cannot_be_read_fails_with_its_reason(stores, add, name, data, code):
    store = await stores.create(name="docs")
    file = await add(store.id, name, data)
    assert (file.status, file.last_error.code) == ("failed", code)
    assert file.last_error.message
    failed = await stores.files.list(store.id, filter="failed")
    assert [one.id for one in failed.data] == [file.id]
    assert (await stores.files.list(store.id, filter="completed")).data == []


async def test_static_chunking_is_kept_and_shown(stores, add):
    store = await stores.create(name="docs")
    file = await add(store.id, chunking_strategy=static(100, 50))
    assert file.chunking_strategy.static.max_chunk_size_tokens == 100
    assert file.chunking_strategy.static.chunk_overlap_tokens == 50


async def test_search_finds_the_passage_and_shows_its_heading(stores, add):
    store = await stores.create(name="docs")
    file = await add(store.id, attributes={"lang": "en"})
    page = await stores.search(
        store.id, query="where do requests wait", ranking_options={"ranker": "none"}
    )
    assert page.object == "vector_store.search_results.page"
    first = page.data[0]
    assert (first.file_id, first.filename) == (file.id, "handbook.md")
    assert first.content[0].text == "Queues\nRequests wait in a bounded queue."
    assert first.attributes == {"lang": "en"}
    assert first.score == pytest.approx(1.0)
    assert [hit.score for hit in page.data] == sorted(
        (hit.score for hit in page.data), reverse=True
    )
    assert all(0 <= hit.score <= 1 for hit in page.data)


async def test_filters_act_before_the_best_are_taken(stores, add):
    store = await stores.create(name="docs")
    await add(store.id, "en.md", attributes={"lang": "en"})
    french = await add(store.id, "fr.txt", b"Rien.", attributes={"lang": "fr"})
    wanted = {"type": "and", "filters": [{"type": "eq", "key": "lang", "value": "fr"}]}
    page = await stores.search(
        store.id, query="where do requests wait", filters=wanted, max_num_results=1
    )
    assert [hit.file_id for hit in page.data] == [french.id]


async def test_the_reranker_orders_what_a_wider_search_found(stores, add):
    store = await stores.create(name="docs")
    for name, data in [("a.txt", b"Queue queue queue"), ("b.txt", b"Of the sea"),
                       ("c.txt", b"Of hills"), ("d.txt", b"The sun")]:  # fmt: skip
        await add(store.id, name, data)
    options = {"query": "queue queue queue of the", "max_num_results": 1}
    fused = await stores.search(store.id, **options, ranking_options={"ranker": "none"})
    assert [hit.filename for hit in fused.data] == ["a.txt"]
    reranked = await stores.search(store.id, **options)
    assert [hit.filename for hit in reranked.data] == ["b.txt"]
    assert reranked.data[0].score == pytest.approx(2 / 3)


async def test_ranker_and_threshold_keep_the_relevant(stores, add):
    store = await stores.create(name="docs")
    await add(store.id)
    options = {"ranker": "auto", "score_threshold": 0.4}
    page = await stores.search(store.id, query="bounded queue.", ranking_options=options)
    assert [(hit.score, hit.content[0].text) for hit in page.data] == [
        (1.0, "Queues\nRequests wait in a bounded queue.")
    ]


async def test_several_queries_give_one_list(stores, add):
    store = await stores.create(name="docs")
    await add(store.id)
    page = await stores.search(
        store.id, query=["bounded queue", "spot nodes"], ranking_options={"ranker": "none"}
    )
    assert page.model_extra["search_query"] == ["bounded queue", "spot nodes"]
    assert len(page.data) == 2
    assert [hit.score for hit in page.data] == pytest.approx([1.0, 1.0])


async def test_empty_store_finds_nothing_and_unknown_store_is_404(stores):
    store = await stores.create(name="docs")
    assert (await stores.search(store.id, query="x")).data == []
    with pytest.raises(NotFoundError):
        await stores.search("vs_none", query="x")
    with pytest.raises(NotFoundError):
        await stores.files.create("vs_none", file_id="file-none")
    with pytest.raises(NotFoundError) as caught:
        await stores.files.create(store.id, file_id="file-none")
    assert caught.value.code == "file_not_found"


def static(size, overlap):
    sizes = {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}
    return {"type": "static", "static": sizes}


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("", {"name": 5}, "name"),
        ("", {"name": "a\0b"}, "name"),
        ("", {"name": "n" * 257}, "name"),
        ("", {"file_ids": "file-1"}, "file_ids"),
        ("", {"metadata": {"k": 5}}, "metadata.k"),
        ("", {"metadata": {str(key): "v" for key in range(17)}}, "metadata"),
        ("", {"metadata": {"k" * 65: "v"}}, f"metadata.{'k' * 65}"),
        ("", {"expires_after": {"anchor": "created_at", "days": 1}}, "expires_after.anchor"),
        ("", {"expires_after": {"anchor": "last_active_at", "days": 0}}, "expires_after.days"),
        ("", {"chunking_strategy": {"type": "magic"}}, "chunking_strategy"),
        ("", {"chunking_strategy": {"type": "static"}}, "chunking_strategy.static"),
        (
            "",
            {"chunking_strategy": static(99, 0)},
            "chunking_strategy.static.max_chunk_size_tokens",
        ),
        (
            "",
            {"chunking_strategy": static(100, 51)},
            "chunking_strategy",
        ),
        ("/vs_1/files", {}, "file_id"),
        ("/vs_1/files", {"file_id": "f", "attributes": {"k": [1]}}, "attributes.k"),
        ("/vs_1/files", {"file_id": "f", "attributes": {"k": "v" * 513}}, "attributes.k"),
        ("/vs_1/search", {}, "query"),
        ("/vs_1/search", {"query": []}, "query"),
        ("/vs_1/search", {"query": "x", "max_num_results": 51}, "max_num_results"),
        ("/vs_1/search", {"query": "x", "filters": {"type": "eq"}}, "filters"),
        ("/vs_1/search", {"query": "x", "filters": []}, "filters"),
        (
            "/vs_1/search",
            {"query": "x", "ranking_options": {"ranker": "best"}},
            "ranking_options.ranker",
        ),
    ],
)  # fmt: skip
async def test_bad_field_is_refused_by_name(api_http, path, body, param):
    reply = await api_http.post(f"/v1/vector_stores{path}", json=body)
    error = reply.json()["error"]
    assert (reply.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["param"] == param


async def test_without_a_reranker_a_search_goes_on_and_says_so(
    stores, add, api_http, api_pipeline, api_services
):
    class Lost:
        async def rerank(self, query, documents):
            raise StageUnavailableError("down")

    stages = Stages(
        embedder=api_services.embedder, retriever=api_services.retriever, reranker=Lost(),
        judge=Lost(), safety=None, generator=None,
    )  # fmt: skip
    api_pipeline.retrieval = Retrieval(api_services.config, stages)
    store = await stores.create(name="docs")
    await add(store.id, "a.md", b"# Bounds\n\nRequests wait in a queue.\n")
    body = {
        "query": "Bounds Requests wait in a queue.",
        "ranking_options": {"score_threshold": 0.9},
    }
    page = (await api_http.post(f"/v1/vector_stores/{store.id}/search", json=body)).json()
    assert page["degraded"] == ["rerank"]
    assert [one["filename"] for one in page["data"]] == ["a.md"]  # its cosine is above 0.9
    body["query"] = "nothing of the sort"
    page = (await api_http.post(f"/v1/vector_stores/{store.id}/search", json=body)).json()
    assert page["data"] == []


async def test_a_list_pages_backward(api_openai):
    ids = [(await api_openai.vector_stores.create(name=str(at))).id for at in range(5)]
    stores = api_openai.vector_stores
    page = await stores.list(order="asc", before=ids[4], limit=2)
    assert ([one.id for one in page.data], page.has_more) == (ids[2:4], True)
    page = await stores.list(order="asc", before=ids[2], limit=2)
    assert ([one.id for one in page.data], page.has_more) == (ids[:2], False)
    page = await stores.list(before=ids[0], limit=2)
    assert [one.id for one in page.data] == [ids[2], ids[1]]
    page = await stores.list(order="asc", after=ids[0], before=ids[4], limit=2)
    assert ([one.id for one in page.data], page.has_more) == (ids[1:3], True)
