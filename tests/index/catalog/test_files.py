import hashlib

import pytest

from index.errors import (
    InvalidAttributesError,
    InvalidFileError,
    UnknownCursorError,
    UnknownFileError,
)


def test_an_upload_is_read_back_byte_by_byte(catalog):
    data = bytes(range(256))
    record = catalog.create_file(filename="a.bin", purpose="user_data", data=data)
    assert catalog.get_file(record.id) == record
    assert catalog.file_content(record.id) == data
    assert (record.num_bytes, record.sha256) == (256, hashlib.sha256(data).hexdigest())
    assert (record.status, record.created_at, record.expires_at) == ("processed", 1_000_000, None)


def test_an_upload_outlives_its_catalog(corpus, url):
    from index.catalog.catalog import Catalog

    file_id = corpus.upload()
    corpus.catalog.close()
    again = Catalog(url)
    assert again.get_file(file_id).filename == "handbook.md"
    again.close()


@pytest.mark.parametrize(("filename", "data"), [("a.md", b""), ("", b"x"), ("n" * 256, b"x")])
def test_an_empty_file_or_a_bad_name_is_refused(catalog, filename, data):
    with pytest.raises(InvalidFileError, match=r"must have 1\.\."):
        catalog.create_file(filename=filename, purpose="assistants", data=data)


@pytest.mark.parametrize("filename", ["a\0.md", "a\ud800.md"])
def test_a_name_that_no_database_can_hold_is_refused(catalog, filename):
    with pytest.raises(InvalidAttributesError, match="NUL or a lone surrogate"):
        catalog.create_file(filename=filename, purpose="assistants", data=b"x")


def test_files_are_listed_page_by_page_in_both_orders(corpus):
    ids = [corpus.upload() for _ in range(5)]
    first = corpus.catalog.list_files(limit=2)
    assert ([file.id for file in first.items], first.has_more) == ([ids[4], ids[3]], True)
    rest = corpus.catalog.list_files(limit=3, after=ids[3])
    assert ([file.id for file in rest.items], rest.has_more) == ([ids[2], ids[1], ids[0]], False)
    ascending = corpus.catalog.list_files(order="asc", after=ids[1])
    assert [file.id for file in ascending.items] == ids[2:]


def test_files_are_listed_by_purpose(catalog):
    catalog.create_file(filename="a.md", purpose="assistants", data=b"x")
    catalog.create_file(filename="b.md", purpose="user_data", data=b"x")
    assert [file.filename for file in catalog.list_files(purpose="user_data").items] == ["b.md"]


def test_a_cursor_that_names_nothing_is_refused(catalog):
    with pytest.raises(UnknownCursorError):
        catalog.list_files(after="file-none")


def test_an_expired_file_is_gone(catalog, clock):
    record = catalog.create_file(filename="a.md", purpose="p", data=b"x", expires_after_s=60)
    clock.now += 59
    assert catalog.get_file(record.id).expires_at == 1_000_060
    clock.now += 1
    assert catalog.list_files().items == ()
    with pytest.raises(UnknownFileError):
        catalog.file_content(record.id)


def test_a_deleted_file_is_gone_from_every_store(corpus):
    stores = [corpus.store("one"), corpus.store("two")]
    file_id = corpus.upload()
    for store_id in stores:
        corpus.catalog.attach_file(store_id, file_id)
        corpus.complete(corpus.claim(), ["words"])
    corpus.catalog.delete_file(file_id)
    with pytest.raises(UnknownFileError):
        corpus.catalog.get_file(file_id)
    assert [corpus.catalog.get_store(store_id).file_counts.total for store_id in stores] == [0, 0]
    assert [change.kind for change in corpus.catalog.changes_since(2)] == ["delete", "delete"]
