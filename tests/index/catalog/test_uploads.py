import pytest

from index.catalog import uploads
from index.errors import InvalidUploadError, UploadsFullError


def test_others_write_while_parts_are_put_together_and_two_ends_are_one(corpus, monkeypatch):
    catalog = corpus.catalog
    upload = catalog.create_upload(
        filename="a.md", purpose="assistants", num_bytes=6, file_expires_after_s=None
    )
    parts = [catalog.add_upload_part(upload.id, data).id for data in (b"abc", b"def")]
    values_of, made = uploads.file_values, []

    def written_meanwhile(**file):
        if not made:
            made.append(corpus.store())
            made.append(catalog.complete_upload(upload.id, parts).file)
        return values_of(**file)

    monkeypatch.setattr(uploads, "file_values", written_meanwhile)
    assert catalog.complete_upload(upload.id, parts).file == made[1]
    assert [file.id for file in catalog.list_files(limit=9).items] == [made[1].id]


def test_an_upload_that_is_cancelled_while_it_is_put_together_makes_no_file(corpus, monkeypatch):
    catalog = corpus.catalog
    upload = catalog.create_upload(
        filename="a.md", purpose="assistants", num_bytes=3, file_expires_after_s=None
    )
    part = catalog.add_upload_part(upload.id, b"abc")
    values_of = uploads.file_values

    def cancelled_meanwhile(**file):
        catalog.cancel_upload(upload.id)
        return values_of(**file)

    monkeypatch.setattr(uploads, "file_values", cancelled_meanwhile)
    with pytest.raises(InvalidUploadError, match="it is cancelled"):
        catalog.complete_upload(upload.id, [part.id])
    assert not catalog.list_files(limit=9).items


def test_all_pending_parts_together_have_a_limit(corpus, clock, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_PENDING_BYTES", 10)
    catalog = corpus.catalog
    names = {"filename": "a.md", "purpose": "assistants", "file_expires_after_s": None}
    first, second = (catalog.create_upload(**names, num_bytes=6) for _ in range(2))
    part = catalog.add_upload_part(first.id, b"abcdef")
    with pytest.raises(UploadsFullError, match="at most 10 bytes together, got 6 \\+ 5"):
        catalog.add_upload_part(second.id, b"abcde")
    catalog.add_upload_part(second.id, b"abcd")
    catalog.complete_upload(first.id, [part.id])
    catalog.add_upload_part(second.id, b"ef")
    clock.now += uploads.LIFE_S
    third = catalog.create_upload(**names, num_bytes=9)
    catalog.add_upload_part(third.id, b"abcdefghi")
