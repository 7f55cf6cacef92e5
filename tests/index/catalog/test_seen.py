"""What a viewer sees of the catalog, on both databases."""

import pytest

from index.access import Viewer, access_text, principals_of
from index.catalog.keys.seen import of_own_key, seen_stores
from index.catalog.schema import responses
from index.errors import (
    InvalidAttributesError,
    NotWritableError,
    UnknownCursorError,
    UnknownFileError,
    UnknownStoreError,
    UnknownStoreFileError,
    UnknownUploadError,
)
from index.searching.fold import Fold
from index.searching.request import SearchRequest
from tests.index.conftest import drafts_of, unit_vectors

ACME, BIRCH = Viewer(tenant="acme"), Viewer(tenant="birch")
ANN = Viewer(tenant="acme", key_id="k1", principals=frozenset({"user:ann", "group:sales"}))
BOB = Viewer(tenant="acme", key_id="k2", principals=frozenset({"user:bob"}))


def upload(seen, name="a.md", access=None):
    made = seen.create_file(filename=name, purpose="assistants", data=b"words", access=access)
    return made.id


def test_what_another_tenant_has_is_missing_in_the_same_words(catalog):
    acme, birch = catalog.seen_by(ACME), catalog.seen_by(BIRCH)
    file_id, store_id = upload(acme), acme.create_store(name="docs").id
    acme.attach_file(store_id, file_id)
    own = birch.create_store(name="own").id
    for error, call, name in (
        (UnknownFileError, birch.get_file, file_id),
        (UnknownFileError, birch.file_content, file_id),
        (UnknownFileError, birch.delete_file, file_id),
        (UnknownFileError, lambda one: birch.attach_file(own, one), file_id),
        (UnknownFileError, lambda one: birch.set_file_access(one, None), file_id),
        (UnknownStoreError, birch.get_store, store_id),
        (UnknownStoreError, birch.find_store, store_id),
        (UnknownStoreError, birch.delete_store, store_id),
        (UnknownStoreError, birch.update_store, store_id),
        (UnknownStoreError, lambda one: birch.store_file_text(one, file_id), store_id),
        (UnknownStoreError, lambda one: birch.open_stores([one]), store_id),
    ):
        with pytest.raises(error) as told:
            call(name)
        with pytest.raises(error) as missing:
            call("nothing")
        assert str(told.value).replace(name, "nothing") == str(missing.value)
    for call in (birch.list_files, birch.list_stores):
        with pytest.raises(UnknownCursorError):
            call(after=file_id)
    assert [one.id for one in birch.list_stores().items] == [own]
    assert acme.get_file(file_id).id == file_id


def test_names_are_those_of_the_tenant(catalog):
    catalog.create_store(name="docs")
    acme = catalog.seen_by(ACME)
    with pytest.raises(UnknownStoreError):
        acme.find_store("docs")
    own = acme.create_store(name="docs").id
    assert acme.find_store("docs").id == own
    assert acme.open_stores(["docs"]).ids == (own,)
    assert acme.open_stores(None).ids == (own,)


def test_a_hidden_store_takes_no_name_from_one_that_is_seen(catalog):
    acme, ann = catalog.seen_by(ACME), catalog.seen_by(ANN)
    acme.create_store(name="docs", access="|user:bob|")
    open_one = acme.create_store(name="docs").id
    assert ann.find_store("docs").id == open_one
    assert ann.open_stores(None).ids == (open_one,)
    assert [one.id for one in ann.list_stores().items] == [open_one]


def test_lists_tell_upper_from_lower_case_and_parts_from_wholes(catalog):
    acme, ann = catalog.seen_by(ACME), catalog.seen_by(ANN)
    for access in ("group:SALES", "group:sale", "group:sales2", "user:an", "user:sales"):
        with pytest.raises(UnknownFileError):
            ann.get_file(upload(acme, access=f"|{access}|"))
    for access in ("|a:b|group:sales|", "|group:sales|user:bob|", "|user:ann|"):
        assert ann.get_file(upload(acme, access=access))
    with pytest.raises(UnknownFileError):
        ann.get_file(upload(acme, access="|"))


def test_a_hidden_file_is_not_in_its_store(catalog):
    acme, bob = catalog.seen_by(ACME), catalog.seen_by(BOB)
    store_id, file_id = acme.create_store(name="docs").id, upload(acme, access="|user:ann|")
    acme.attach_file(store_id, file_id)
    shown = upload(acme)
    acme.attach_file(store_id, shown)
    assert [one.file_id for one in bob.list_store_files(store_id, limit=1).items] == [shown]
    assert [one.id for one in bob.list_files().items] == [shown]
    for call in (bob.get_store_file, bob.store_file_text, bob.detach_file):
        with pytest.raises(UnknownStoreFileError):
            call(store_id, file_id)
    with pytest.raises(UnknownCursorError):
        bob.list_store_files(store_id, after=file_id)
    acme.set_file_access(file_id, "|user:bob|")
    assert len(bob.list_store_files(store_id).items) == 2


def test_a_key_for_some_stores_sees_and_changes_these_alone(catalog):
    acme = catalog.seen_by(ACME)
    one, two, three = (acme.create_store(name=name).id for name in "abc")
    held, other = upload(acme), upload(acme)
    acme.attach_file(one, held)
    limited = catalog.seen_by(
        Viewer(tenant="acme", key_id="k", principals=frozenset(), readable=frozenset({one, two}),
               writable=frozenset({two}))
    )  # fmt: skip
    assert {store.id for store in limited.list_stores().items} == {one, two}
    with pytest.raises(UnknownStoreError):
        limited.get_store(three)
    with pytest.raises(UnknownFileError):
        limited.get_file(other)
    own = upload(limited)
    assert {file.id for file in limited.list_files().items} == {held, own}
    limited.attach_file(two, own)
    for call in (
        lambda: limited.attach_file(one, own),
        lambda: limited.create_store(name="d"),
        lambda: limited.delete_store(one),
        lambda: limited.update_store(one, name="x"),
        lambda: limited.detach_file(one, held),
        lambda: limited.update_attributes(one, held, {}),
        lambda: limited.delete_file(held),
        lambda: limited.set_file_access(held, "|"),
    ):
        with pytest.raises(NotWritableError):
            call()
    limited.delete_file(own)


def test_an_upload_in_parts_belongs_to_its_tenant_and_key(catalog):
    begun = catalog.seen_by(ANN).create_upload(
        filename="a.md", purpose="assistants", num_bytes=1, file_expires_after_s=None,
        access="|user:ann|",
    )  # fmt: skip
    for viewer in (BIRCH, BOB):
        with pytest.raises(UnknownUploadError):
            catalog.seen_by(viewer).add_upload_part(begun.id, b"a")
    ann = catalog.seen_by(ANN)
    part = ann.add_upload_part(begun.id, b"a")
    done = ann.complete_upload(begun.id, [part.id])
    assert done.file.access == "|user:ann|"
    with pytest.raises(UnknownFileError):
        catalog.seen_by(BOB).get_file(done.file.id)


def test_hidden_passages_take_no_place_from_those_that_are_seen(catalog):
    acme = catalog.seen_by(ACME)
    store_id = acme.create_store(name="docs").id
    vectors = unit_vectors(1)
    for number in range(30):
        acme.attach_file(store_id, upload(acme, access="|" if number else None))
        job = catalog.claim_job("w", 60)
        catalog.complete_job(job, drafts_of(["bees hum"]), vectors, "words@1")
    fold = Fold(catalog)
    for mode in ("dense", "lexical", "hybrid"):
        for viewer, number in ((ANN, 1), (ACME, 5), (BIRCH, 0)):
            request = SearchRequest(
                stores=None, text="bees", vector=vectors[0], top_k=5, mode=mode, viewer=viewer
            )
            assert len(fold.search(request)) == number, (mode, viewer)


def test_work_on_a_file_of_any_tenant_is_handed_out_with_its_tenant(catalog):
    acme = catalog.seen_by(ACME)
    acme.attach_file(acme.create_store(name="docs").id, upload(acme))
    assert catalog.claim_job("w", 60).tenant == "acme"


def test_a_view_is_closed_with_its_database(catalog):
    acme = catalog.seen_by(ACME)
    catalog.close()
    with pytest.raises(Exception, match="closed"):
        acme.head()


def test_who_sees_everything_is_asked_no_conditions():
    assert of_own_key(responses, ACME) == ()
    assert len(seen_stores(ACME)) == 1
    assert seen_stores(None) == ()


@pytest.mark.parametrize(
    "wrong", ["ann", "user:", "user:a|b", "group:a\nb", "team:a", "user:" + "x" * 129]
)
def test_an_access_list_names_users_and_groups(wrong):
    with pytest.raises(InvalidAttributesError):
        access_text([wrong])
    assert principals_of(access_text(["user:ann", "group:a b"])) == {"user:ann", "group:a b"}
    assert access_text([]) == "|"
