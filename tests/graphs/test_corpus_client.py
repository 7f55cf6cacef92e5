"""The corpus as the routes see it: over the Ingester, and as the fake of the API's tests is it."""

import asyncio
from types import SimpleNamespace

import pytest

from deployments.ingester import CLIENT_METHODS, Ingester
from graphs.caller import DEFAULT_CALLER, Caller
from graphs.config import FailoverSettings
from graphs.corpus.protocols import Corpus
from graphs.corpus_client import CallerCorpus, CorpusClient
from graphs.failover import Retries
from index.catalog.answers.records import Item, Outcome, StoredResponse
from index.catalog.catalog import Catalog
from index.errors import (
    UnknownConversationError,
    UnknownCursorError,
    UnknownFileBatchError,
    UnknownFileError,
    UnknownResponseError,
    UnknownStoreError,
    UnknownStoreFileError,
)
from index.records import Attachment, Chunking
from tests.graphs.fake_services import FakeCorpora

ITEM = Item(id="msg_1", data="{}")
SMALL = Chunking(max_chunk_tokens=100, chunk_overlap_tokens=10)


def client_over(catalog):
    """The client of the Ingester, over something with its method `catalog`."""
    handle = SimpleNamespace(catalog=SimpleNamespace(remote=catalog))
    return CorpusClient(handle, stage="Ingester", timeout_s=30, retries=Retries(FailoverSettings()))


@pytest.fixture(params=["client", "fake"])
def corpora(request, url):
    """Each of the two over each database."""
    if request.param == "fake":
        catalog = Catalog(url)
        yield FakeCorpora(catalog)
        catalog.close()
    else:
        ingester = Ingester.func_or_class(url, embedder=None)  # its worker is not started
        yield client_over(ingester.catalog)
        ingester._catalog.close()


@pytest.fixture
def corpus(corpora):
    return corpora.of(DEFAULT_CALLER)


def upload(corpus, name="a.md"):
    return corpus.create_file(filename=name, purpose="assistants", data=b"Some words.")


def names_of(kind):
    return {name for name in dir(kind) if not name.startswith("_")}


def test_routes_client_and_ingester_know_the_same_methods():
    assert names_of(Corpus) == CLIENT_METHODS == names_of(CallerCorpus) - {"call"}
    assert all(getattr(CallerCorpus, name).__name__ == name for name in CLIENT_METHODS)


async def test_files_are_uploaded_read_and_deleted(corpus):
    first, second = await upload(corpus), await upload(corpus, "b.md")
    assert await corpus.get_file(first.id) == first
    assert await corpus.file_content(first.id) == b"Some words."
    page = await corpus.list_files(limit=1, order="asc")
    assert (page.items, page.has_more) == ((first,), True)
    assert (await corpus.list_files(after=second.id)).items == (first,)
    await corpus.delete_file(first.id)
    with pytest.raises(UnknownFileError, match=first.id):
        await corpus.get_file(first.id)
    with pytest.raises(UnknownCursorError):
        await corpus.list_files(after=first.id)


async def test_stores_are_made_found_changed_and_deleted(corpus):
    made = await corpus.create_store(name="docs", metadata={"a": "b"}, chunking=SMALL)
    assert await corpus.get_store(made.id) == await corpus.find_store("docs") == made
    changed = await corpus.update_store(made.id, name="other")
    assert (changed.name, changed.metadata, changed.chunking) == ("other", {"a": "b"}, SMALL)
    assert [one.name for one in (await corpus.list_stores()).items] == ["other"]
    await corpus.delete_store(made.id)
    for call in (corpus.get_store, corpus.find_store, corpus.delete_store):
        with pytest.raises(UnknownStoreError, match=made.id):
            await call(made.id)


async def test_files_are_put_into_a_store_described_and_taken_out(corpus):
    file, store = await upload(corpus), await corpus.create_store(name="docs")
    put = await corpus.attach_file(store.id, file.id, attributes={"year": 2}, chunking=SMALL)
    assert await corpus.get_store_file(store.id, file.id) == put
    assert (put.status, put.attributes, put.chunking) == ("in_progress", {"year": 2}, SMALL)
    changed = await corpus.update_attributes(store.id, file.id, {"year": 3})
    assert (await corpus.list_store_files(store.id, status="in_progress")).items == (changed,)
    assert await corpus.store_file_text(store.id, file.id) == ()
    await corpus.detach_file(store.id, file.id)
    with pytest.raises(UnknownStoreFileError, match=file.id):
        await corpus.get_store_file(store.id, file.id)


async def test_files_are_put_into_a_store_together(corpus):
    files, store = [await upload(corpus) for _ in range(3)], await corpus.create_store(name="docs")
    attachments = [Attachment(file_id=file.id) for file in files]
    batch = await corpus.create_file_batch(store.id, attachments)
    assert await corpus.get_file_batch(store.id, batch.id) == batch
    page = await corpus.list_batch_files(store.id, batch.id, order="asc", limit=2)
    assert [one.file_id for one in page.items] == [file.id for file in files[:2]]
    stopped = await corpus.cancel_file_batch(store.id, batch.id)
    assert (stopped.status, stopped.file_counts.cancelled) == ("cancelled", 3)
    with pytest.raises(UnknownFileBatchError, match="vsfb_none"):
        await corpus.get_file_batch(store.id, "vsfb_none")


async def test_responses_are_stored_worked_on_and_read(corpus):
    asked = StoredResponse(
        id="resp_1", tenant="acme", key_id="k", created_at=1, status="queued", request="{}",
        items=(ITEM,), body="{}",
    )  # fmt: skip
    await corpus.create_response(asked, keep_s=60)
    run = await corpus.claim_response("a", 60)
    assert await corpus.keep_response(run, first_number=0, events=["e0"], lease_s=60)
    await corpus.finish_response(run, Outcome(status="completed", body="{}"))
    assert (await corpus.response_events("acme", "resp_1", 0)).events == ("e0",)
    assert (await corpus.cancel_response("acme", "resp_1", "")).status == "completed"
    assert [one.id for one in await corpus.response_chain("acme", "resp_1")] == ["resp_1"]
    await corpus.delete_response("acme", "resp_1")
    with pytest.raises(UnknownResponseError, match="resp_1"):
        await corpus.get_response("acme", "resp_1")


async def test_conversations_are_made_changed_and_deleted(corpus):
    made = await corpus.create_conversation("acme", metadata={"a": "b"}, keep_s=60)
    assert await corpus.get_conversation("acme", made.id) == made
    changed = await corpus.update_conversation("acme", made.id, metadata={})
    assert changed.metadata == {}
    await corpus.add_conversation_items("acme", made.id, [ITEM])
    assert (await corpus.list_conversation_items("acme", made.id)).items == (ITEM,)
    assert await corpus.get_conversation_item("acme", made.id, "msg_1") == ITEM
    assert await corpus.delete_conversation_item("acme", made.id, "msg_1") == changed
    await corpus.delete_conversation("acme", made.id)
    with pytest.raises(UnknownConversationError, match=made.id):
        await corpus.get_conversation("acme", made.id)


async def test_calls_of_one_caller_run_beside_each_other(corpus):
    made = await asyncio.gather(*(corpus.create_store(name=f"{n}") for n in range(4)))
    assert {one.id for one in (await corpus.list_stores()).items} == {one.id for one in made}


async def test_the_ingester_is_told_who_calls():
    told = []

    async def catalog(caller, method, *args, **kwargs):
        told.append((caller, method, args, kwargs))

    asker = Caller(tenant="acme", key_id="key-1")
    await client_over(catalog).of(asker).list_stores(limit=3)
    assert told == [(asker.viewer, "list_stores", (), {"limit": 3})]


@pytest.mark.parametrize("name", ["claim_job", "open_stores", "changes_since", "close", "_write"])
async def test_what_is_not_for_clients_stays_inside(tmp_path, name):
    assert hasattr(Catalog, name)
    assert not hasattr(CallerCorpus, name)
    ingester = Ingester.func_or_class(f"sqlite:///{tmp_path}/corpus.db", embedder=None)
    with pytest.raises(AttributeError, match=name):
        await ingester.catalog(DEFAULT_CALLER.viewer, name)
    ingester._catalog.close()
