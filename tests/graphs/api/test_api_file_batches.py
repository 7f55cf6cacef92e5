"""Batches of files through the OpenAI client, over the real corpus."""

import asyncio

import pytest
from openai import BadRequestError, NotFoundError


@pytest.fixture
def stores(api_openai):
    return api_openai.vector_stores


@pytest.fixture
def batches(stores):
    return stores.file_batches


@pytest.fixture
async def store_id(stores):
    return (await stores.create(name="docs")).id


@pytest.fixture
def upload(api_openai):
    async def upload_text(name="a.txt", data=b"Some words."):
        return (await api_openai.files.create(file=(name, data), purpose="assistants")).id

    return upload_text


@pytest.fixture
def ingesting(api_ingest):
    """Awaits a call while an ingester works beside it."""

    async def beside(call):
        task = asyncio.ensure_future(call)
        while not task.done():
            api_ingest()
            await asyncio.sleep(0.005)
        return await task

    return beside


async def test_batch_is_made_described_and_done(batches, store_id, upload, api_ingest):
    file_ids = [await upload(), await upload()]
    batch = await batches.create(store_id, file_ids=[*file_ids, file_ids[0]])
    assert (batch.object, batch.vector_store_id) == ("vector_store.files_batch", store_id)
    assert (batch.status, batch.file_counts.to_dict()) == ("in_progress", counts(in_progress=2))
    assert await batches.retrieve(batch.id, vector_store_id=store_id) == batch
    api_ingest()
    done = await batches.retrieve(batch.id, vector_store_id=store_id)
    assert (done.status, done.file_counts.to_dict()) == ("completed", counts(completed=2))


async def test_shared_fields_are_of_every_file_id(batches, store_id, upload):
    batch = await batches.create(
        store_id,
        file_ids=[await upload(), await upload()],
        attributes={"year": 2024, "draft": False},
        chunking_strategy=static(100, 50),
    )
    files = await batches.list_files(batch.id, vector_store_id=store_id)
    assert [file.attributes for file in files.data] == [{"year": 2024, "draft": False}] * 2
    assert [file.chunking_strategy.static.max_chunk_size_tokens for file in files.data] == [100] * 2


async def test_files_say_their_own_and_ignore_the_shared_fields(batches, store_id, upload):
    first, second = await upload(), await upload()
    batch = await batches.create(
        store_id,
        files=[
            {"file_id": first, "attributes": {"lang": "en"}},
            {"file_id": second, "chunking_strategy": static(200, 0)},
        ],
        attributes={"lang": "fr"},
        chunking_strategy=static(100, 50),
    )
    files = (await batches.list_files(batch.id, vector_store_id=store_id, order="asc")).data
    assert [(file.id, file.attributes) for file in files] == [
        (first, {"lang": "en"}),
        (second, {}),
    ]
    assert files[0].chunking_strategy is None
    assert files[1].chunking_strategy.static.max_chunk_size_tokens == 200


async def test_create_and_poll_waits_for_all_files(batches, stores, store_id, upload, ingesting):
    file_ids = [await upload("a.txt", b"Requests wait in a queue."), await upload("b.exe")]
    batch = await ingesting(
        batches.create_and_poll(store_id, file_ids=file_ids, poll_interval_ms=10)
    )
    assert (batch.status, batch.file_counts.to_dict()) == (
        "completed",
        counts(completed=1, failed=1),
    )
    page = await stores.search(store_id, query="where do requests wait")
    assert [hit.file_id for hit in page.data] == [file_ids[0]]


async def test_upload_and_poll_sends_files_and_ids(batches, store_id, upload, ingesting):
    known = await upload("known.txt")
    batch = await ingesting(
        batches.upload_and_poll(
            store_id,
            files=[("a.txt", b"One."), ("b.txt", b"Two.")],
            file_ids=[known],
            poll_interval_ms=10,
        )
    )
    assert (batch.status, batch.file_counts.completed) == ("completed", 3)
    files = await batches.list_files(batch.id, vector_store_id=store_id)
    assert known in [file.id for file in files.data]


async def test_batch_whose_files_all_fail_has_failed(batches, store_id, upload, api_ingest):
    batch = await batches.create(store_id, file_ids=[await upload("a.exe")])
    api_ingest()
    batch = await batches.retrieve(batch.id, vector_store_id=store_id)
    assert (batch.status, batch.file_counts.to_dict()) == ("failed", counts(failed=1))


async def test_poll_interval_is_told_while_files_are_in_progress(
    batches, store_id, upload, api_ingest
):
    raw = await batches.with_raw_response.create(store_id, file_ids=[await upload()])
    assert raw.headers["openai-poll-after-ms"] == "250"
    api_ingest()
    raw = await batches.with_raw_response.retrieve(raw.parse().id, vector_store_id=store_id)
    assert "openai-poll-after-ms" not in raw.headers


async def test_cancelled_batch_keeps_what_is_indexed(batches, stores, store_id, upload, api_ingest):
    done = await upload()
    batch = await batches.create(store_id, file_ids=[done])
    api_ingest()
    batch = await batches.create(store_id, file_ids=[done, await upload(), await upload()])
    cancelled = await batches.cancel(batch.id, vector_store_id=store_id)
    assert (cancelled.status, cancelled.file_counts.to_dict()) == (
        "cancelled",
        counts(completed=1, cancelled=2),
    )
    api_ingest()
    assert await batches.retrieve(batch.id, vector_store_id=store_id) == cancelled
    store = await stores.retrieve(store_id)
    assert (store.status, store.file_counts.cancelled) == ("completed", 2)
    waiting = await batches.list_files(batch.id, vector_store_id=store_id, filter="cancelled")
    assert [file.status for file in waiting.data] == ["cancelled"] * 2


async def test_files_of_a_batch_are_paged(batches, store_id, upload):
    file_ids = [await upload() for _ in range(5)]
    batch = await batches.create(store_id, file_ids=file_ids)
    await batches.create(store_id, file_ids=[await upload()])
    options = {"vector_store_id": store_id, "limit": 2}
    pages = await batches.list_files(batch.id, order="asc", **options)
    assert [file.id async for file in pages] == file_ids
    assert [file.id async for file in await batches.list_files(batch.id, **options)] == (
        file_ids[::-1]
    )
    with pytest.raises(BadRequestError) as caught:
        await batches.list_files(batch.id, before="file-none", **options)
    assert caught.value.param == "before"
    with pytest.raises(BadRequestError) as caught:
        await batches.list_files(batch.id, after="file-none", **options)
    assert caught.value.code == "unknown_cursor"


async def test_unknown_file_refuses_the_whole_batch_by_name(batches, stores, store_id, upload):
    with pytest.raises(NotFoundError, match="no file 'file-none'") as caught:
        await batches.create(store_id, file_ids=[await upload(), "file-none"])
    assert caught.value.code == "file_not_found"
    assert (await stores.files.list(store_id)).data == []


async def test_unknown_store_or_batch_is_404(batches, stores, store_id, upload):
    batch = await batches.create(store_id, file_ids=[await upload()])
    with pytest.raises(NotFoundError) as caught:
        await batches.create("vs_none", file_ids=[await upload()])
    assert caught.value.code == "vector_store_not_found"
    for call in (batches.retrieve, batches.cancel, batches.list_files):
        with pytest.raises(NotFoundError) as caught:
            await call(batch.id, vector_store_id="vs_none")
        assert caught.value.code == "vector_store_not_found"
        with pytest.raises(NotFoundError, match="vsfb_none") as caught:
            await call("vsfb_none", vector_store_id=store_id)
        assert caught.value.code == "vector_store_file_batch_not_found"
    await stores.delete(store_id)
    with pytest.raises(NotFoundError) as caught:
        await batches.retrieve(batch.id, vector_store_id=store_id)
    assert caught.value.code == "vector_store_not_found"


async def test_file_named_in_two_ways_is_refused(api_http, store_id, upload):
    file_id = await upload()
    files = [{"file_id": file_id}, {"file_id": file_id, "attributes": {"a": 1}}]
    reply = await api_http.post(f"/v1/vector_stores/{store_id}/file_batches", json={"files": files})
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (400, "files")
    assert (error["code"], file_id in error["message"]) == ("invalid_file_batch", True)


def counts(**states):
    none = dict.fromkeys(("in_progress", "completed", "failed", "cancelled"), 0)
    return none | states | {"total": sum(states.values())}


def static(size, overlap):
    sizes = {"max_chunk_size_tokens": size, "chunk_overlap_tokens": overlap}
    return {"type": "static", "static": sizes}


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({}, "file_ids", "missing_required_parameter"),
        ({"file_ids": None, "files": None}, "file_ids", "missing_required_parameter"),
        ({"file_ids": ["f"], "files": [{"file_id": "f"}]}, "files", "invalid_value"),
        ({"file_ids": []}, "file_ids", "invalid_value"),
        ({"files": []}, "files", "invalid_value"),
        ({"file_ids": ["f"] * 2001}, "file_ids", "invalid_value"),
        ({"files": [{"file_id": "f"}] * 2001}, "files", "invalid_value"),
        ({"file_ids": "f"}, "file_ids", "invalid_type"),
        ({"file_ids": ["f", 5]}, "file_ids[1]", "invalid_type"),
        ({"files": [{"file_id": "f"}, {}]}, "files[1].file_id", "missing_required_parameter"),
        (
            {"files": [{"file_id": "f", "attributes": {"k": [1]}}]},
            "files[0].attributes.k",
            "invalid_type",
        ),
        ({"file_ids": ["f"], "attributes": {"k": "v" * 513}}, "attributes.k", None),
        (
            {"file_ids": ["f"], "chunking_strategy": static(99, 0)},
            "chunking_strategy.static.max_chunk_size_tokens",
            "invalid_value",
        ),
        (
            {"files": [{"file_id": "f", "chunking_strategy": static(100, 51)}]},
            "files[0].chunking_strategy",
            "invalid_chunking_strategy",
        ),
    ],
)
async def test_bad_field_is_refused_by_name(api_http, body, param, code):
    reply = await api_http.post("/v1/vector_stores/vs_1/file_batches", json=body)
    error = reply.json()["error"]
    assert (reply.status_code, error["type"]) == (400, "invalid_request_error")
    assert error["param"] == param
    assert code in {None, error["code"]}


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "order=up", "filter=done"])
async def test_bad_query_is_refused_by_name(api_http, query):
    reply = await api_http.get(f"/v1/vector_stores/vs_1/file_batches/vsfb_1/files?{query}")
    error = reply.json()["error"]
    assert (reply.status_code, error["param"]) == (400, query.split("=")[0])
