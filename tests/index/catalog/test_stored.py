"""What a tenant may store, on both databases: counted whatever adds or deletes it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import event, func, select

from index.access import Viewer
from index.catalog.bulk_load import BulkDocument, CutDocument
from index.catalog.schema import files
from index.catalog.tenants.stored import stored_bytes, stored_passages
from index.errors import StoredLimitError
from index.records import Attachment
from tests.index.conftest import drafts_of, unit_vectors

ACME = Viewer(tenant="acme", most_bytes=100, most_passages=5)


@pytest.fixture
def acme(catalog):
    return catalog.seen_by(ACME)


def upload(seen, num_bytes, **options):
    data = b"x" * num_bytes
    return seen.create_file(filename="a.md", purpose="assistants", data=data, **options).id


def num_bytes(catalog, clock):
    with catalog._read() as connection:
        return stored_bytes(connection, "acme", int(clock()))


def num_passages(catalog):
    with catalog._read() as connection:
        return stored_passages(connection, "acme")


def test_a_file_that_does_not_fit_is_refused_with_value_and_limit(catalog, acme, clock):
    upload(acme, 60)
    upload(catalog.seen_by(Viewer(tenant="other")), 1000)
    with pytest.raises(StoredLimitError, match=r"at most 100 bytes together, got 60 \+ 41"):
        upload(acme, 41)
    upload(acme, 40)
    assert num_bytes(catalog, clock) == 100


def test_what_is_deleted_or_expires_makes_room(acme, clock):
    first = upload(acme, 60)
    upload(acme, 40, expires_after_s=3600)
    acme.delete_file(first)
    upload(acme, 60)
    clock.now += 3600
    upload(acme, 40)


def test_the_bytes_of_what_expired_go_and_passages_of_it_stay(catalog, acme, corpus, clock):
    def kept():
        with catalog._read() as connection:
            return connection.execute(select(files.c.id, func.length(files.c.content))).all()

    store_id = acme.create_store(name="s").id
    held = upload(acme, 60, expires_after_s=3600)
    acme.attach_file(store_id, held)
    corpus.complete(corpus.claim(), ["words"])
    upload(acme, 30, expires_after_s=3600)
    others = Viewer(tenant="other")
    foreign = upload(catalog.seen_by(others), 7, expires_after_s=3600)
    clock.now += 3600
    last = upload(acme, 100)
    assert sorted(kept()) == sorted([(held, 0), (foreign, 7), (last, 100)])
    assert num_passages(catalog) == 1


def test_uploads_in_parts_are_held_to_it_at_both_ends(acme):
    def begin(size):
        return acme.create_upload(
            filename="a.md", purpose="assistants", num_bytes=size, file_expires_after_s=None
        ).id

    with pytest.raises(StoredLimitError, match=r"got 0 \+ 101"):
        begin(101)
    first, second = begin(60), begin(60)
    parts = {one: acme.add_upload_part(one, b"x" * 60).id for one in (first, second)}
    acme.complete_upload(first, [parts[first]])
    with pytest.raises(StoredLimitError, match=r"got 60 \+ 60"):
        acme.complete_upload(second, [parts[second]])
    assert acme.complete_upload(first, [parts[first]]).status == "completed"


def test_uploads_at_once_do_not_pass_it_together(catalog, acme, clock):
    def one(_):
        try:
            upload(acme, 30)
        except StoredLimitError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(one, range(8))) == 3
    assert num_bytes(catalog, clock) == 90


def test_nobody_waits_while_the_bytes_of_a_file_come(catalog, acme):
    asked = []

    def note(_connection, _cursor, statement, *_):
        asked.append(statement)

    event.listen(catalog._engine, "before_cursor_execute", note)
    upload(acme, 60)
    held = next(at for at, one in enumerate(asked) if "FROM head" in one)
    assert any("INSERT INTO files" in one for one in asked[:held])


@pytest.fixture
def index(corpus, acme):
    """Attaches a file and indexes it with so many passages; gives its id."""

    def run(store_id, count, file_id=None):
        file_id = file_id or upload(acme, 1)
        acme.attach_file(store_id, file_id)
        corpus.complete(corpus.claim(), [f"{file_id} {i}" for i in range(count)])
        return file_id

    return run


def test_passages_that_do_not_fit_are_not_indexed(catalog, acme, corpus, index):
    store_id = acme.create_store(name="s").id
    index(store_id, 3)
    with pytest.raises(StoredLimitError, match=r"at most 5 passages together, got 3 \+ 3"):
        index(store_id, 3)
    corpus.clock.now += 60
    job = corpus.claim()
    corpus.complete(job, ["a", "b"])
    assert num_passages(catalog) == 5
    for attach in (
        lambda one: acme.attach_file(store_id, one),
        lambda one: acme.create_file_batch(store_id, [Attachment(file_id=one)]),
        lambda one: acme.create_store(name="t", file_ids=[one]),
    ):
        with pytest.raises(StoredLimitError, match=r"got 5 \+ 1"):
            attach(upload(acme, 1))


def test_a_file_that_is_indexed_again_counts_once(catalog, acme, corpus, index):
    store_id = acme.create_store(name="s").id
    file_id = index(store_id, 4)
    acme.detach_file(store_id, file_id)
    assert num_passages(catalog) == 0
    index(store_id, 5, file_id)
    acme.attach_file(store_id, file_id)  # nothing to do
    assert num_passages(catalog) == 5


@pytest.mark.parametrize("how", ["detach_file", "delete_file", "delete_store"])
def test_passages_go_with_what_holds_them(catalog, acme, index, how):
    store_id = acme.create_store(name="s").id
    file_id = index(store_id, 5)
    arguments = {"detach_file": (store_id, file_id), "delete_file": (file_id,)}
    getattr(acme, how)(*arguments.get(how, (store_id,)))
    assert num_passages(catalog) == 0
    index(acme.create_store(name="t").id, 5)


def test_bulk_loads_count_and_their_new_versions_count_once(catalog, acme, clock):
    store_id = acme.create_store(name="s").id

    def load(data, count):
        document = BulkDocument(filename="a.md", data=data)
        cut = CutDocument(document=document, drafts=tuple(drafts_of(["w"] * count)))
        catalog.seen_by(replace(ACME, most_bytes=None, most_passages=None)).load_documents(
            store_id, [cut], np.asarray(unit_vectors(count)), "words@1"
        )

    load(b"one", 7)
    load(b"other", 6)
    assert (num_bytes(catalog, clock), num_passages(catalog)) == (5, 6)
    with pytest.raises(StoredLimitError, match=r"got 6 \+ 1"):
        acme.attach_file(store_id, upload(acme, 1))
