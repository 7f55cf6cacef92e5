import pytest

from index.bulk.bulk_cutting import MAX_PARCEL_CHUNKS, BulkCutter
from index.bulk.bulk_parcel import Tally
from index.bulk.bulk_reading import Failure
from index.catalog.bulk_load import BulkDocument
from index.chunk import Cutting
from index.errors import UnknownStoreError
from index.parsing.parse_limits import ParseLimits
from index.records import Chunking

CUTTING = Cutting(chunking=Chunking(max_chunk_tokens=4), limits=ParseLimits())


@pytest.fixture
def cutter(corpus, word_spans):
    made = BulkCutter(corpus.catalog, corpus.store(), CUTTING, word_spans)
    yield made
    made.close()


def document(name, text="One is here. Two is here."):
    return BulkDocument(filename=name, data=text.encode())


def names(parcels):
    return [[one.document.filename for one in parcel.documents] for parcel in parcels]


def test_documents_are_cut_and_a_bad_one_is_a_failure_with_its_reason(cutter):
    found = [
        document("a.txt"),
        document("b.pdf"),
        Failure(name="c", reason="gone"),
        document("d.md"),
    ]
    (parcel,) = cutter.cut(found)
    assert names([parcel]) == [["a.txt", "d.md"]]
    assert [draft.text for draft in parcel.documents[0].drafts] == ["One is here.", "Two is here."]
    assert parcel.num_chunks == 4
    gone, broken = parcel.tally.failures
    assert (gone.reason, broken.name) == ("gone", "b.pdf")
    assert "is not a PDF" in broken.reason or "'b.pdf'" in broken.reason
    assert {"read", "parse", "chunk"} == set(parcel.tally.seconds)


def test_a_parcel_is_full_at_some_passages_and_every_document_is_in_one(cutter):
    many = " ".join(f"Word{number} is here." for number in range(MAX_PARCEL_CHUNKS))
    parcels = list(cutter.cut([document("a.txt"), document("b.txt", many), document("c.txt")]))
    assert names(parcels) == [["a.txt", "b.txt"], ["c.txt"]]


def test_what_the_store_holds_is_counted_and_not_cut(corpus, cutter, vectors_of):
    (parcel,) = cutter.cut([document("a.txt")])
    store_id = corpus.catalog.find_store("docs").id
    corpus.catalog.load_documents(store_id, parcel.documents, vectors_of(2), "words@1")
    (again,) = cutter.cut([document("a.txt"), document("a.txt", "Other text."), document("b.txt")])
    assert names([again]) == [["a.txt", "b.txt"]]
    assert again.tally.num_present == 1


def test_a_store_says_how_its_documents_are_cut(corpus, word_spans):
    store = corpus.catalog.create_store(name="docs", chunking=Chunking(max_chunk_tokens=100))
    cutter = BulkCutter(corpus.catalog, store.id, CUTTING, word_spans)
    (parcel,) = cutter.cut([document("a.txt")])
    assert parcel.num_chunks == 1
    cutter.close()


def test_an_unknown_store_is_refused(corpus, word_spans):
    with pytest.raises(UnknownStoreError, match="no vector store 'vs_none'"):
        BulkCutter(corpus.catalog, "vs_none", CUTTING, word_spans)


def test_tallies_add_up():
    one = Tally(num_loaded=1, seconds={"parse": 1.0}, began=5.0, ended=6.0)
    two = Tally(num_present=2, failures=(Failure(name="a", reason="b"),), seconds={"parse": 2.0})
    both = one + two
    assert both.num_documents == 4
    assert both.seconds == {"read": 0, "parse": 3.0, "chunk": 0, "embed": 0, "commit": 0}
    assert (both.began, both.ended) == (5.0, 6.0)
