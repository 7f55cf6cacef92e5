"""What a search can do beside finding: fusing scores, diversity, near-duplicates, neighbours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from index.errors import InvalidSearchError
from index.records import ChunkDraft
from index.searching.diversity import diversify
from index.searching.fold import Fold
from index.searching.fusion import fuse_scores
from index.searching.request import SearchRequest

TEXT = "One begins. Two goes on. Three is next. Four ends it."
SPANS = [(0, 11), (12, 24), (19, 39), (40, 53)]  # the third shares five characters with the second


@pytest.fixture
def store_with(corpus):
    """Makes a store whose one file has these passages; gives its id and the fold of the corpus."""

    def make(spans=SPANS, vectors=None):
        store_id, file_id = corpus.store(), corpus.upload()
        corpus.catalog.attach_file(store_id, file_id)
        drafts = [
            ChunkDraft(text=TEXT[start:end], title="", char_start=start, char_end=end, ordinal=i)
            for i, (start, end) in enumerate(spans)
        ]
        if vectors is None:
            vectors = np.eye(len(spans), dtype=np.float32)
        corpus.catalog.complete_job(corpus.claim(), drafts, vectors, "f")
        return Fold(corpus.catalog), store_id

    return make


def find(store, **options):
    fold, store_id = store
    vector = np.asarray([1, 0, 0, 0], dtype=np.float32)
    options = {"mode": "dense", "vector": vector, **options}
    return fold.search(SearchRequest(stores=(store_id,), text="two", **options))


def spans_of(hits):
    return [hit.char_start for hit in hits]


@pytest.mark.parametrize(
    ("neighbours", "context"),
    [
        (0, ""),
        (1, "One begins.\nTwo goes on."),
        (2, "One begins.\nTwo goes on. Three is next."),
        (9, "One begins.\nTwo goes on. Three is next.\nFour ends it."),
    ],
)
def test_the_context_holds_the_neighbours_and_what_they_share_once(store_with, neighbours, context):
    best = find(store_with(), neighbours=neighbours)[0]
    assert (best.text, best.context) == ("One begins.", context)


def test_near_duplicates_of_a_better_hit_are_left_out(store_with):
    rows = np.asarray([[1, 0, 0, 0], [0.999, 0.0447, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0]])
    store = store_with(vectors=rows.astype(np.float32))
    assert spans_of(find(store)) == [0, 12, 19, 40]
    assert spans_of(find(store, max_similarity=0.98)) == [0, 19, 40]
    assert spans_of(find(store, max_similarity=0.98, top_k=2)) == [0, 19]


def test_diversity_prefers_what_is_unlike_the_hits_before(store_with):
    rows = np.asarray([[0.8, 0.6, 0, 0], [0.78, 0.6258, 0, 0], [0.7, 0, 0.7141, 0], [0, 0, 0, 1]])
    store = store_with(vectors=rows.astype(np.float32))
    assert spans_of(find(store, diversity=0.0))[:2] == [0, 12]
    assert spans_of(find(store, diversity=0.4))[:2] == [0, 19]


unit_rows = arrays.arrays(np.float32, (6, 3), elements=st.floats(-1, 1, width=32)).map(
    lambda rows: (
        (rows + np.float32(1e-3)) / np.linalg.norm(rows + np.float32(1e-3), axis=1)[:, None]
    )
)


@given(unit_rows, st.floats(0, 1), st.floats(0, 0.99), st.integers(1, 6))
def test_no_two_picked_are_more_alike_than_allowed(rows, diversity, most, limit):
    scores = {number: 1.0 - number / 10 for number in range(6)}
    picked = diversify(scores, rows, limit=limit, diversity=diversity, max_similarity=most)
    assert 1 <= len(picked) <= limit
    assert next(iter(picked)) == 0 or diversity == 1  # nothing is like what is not there yet
    for one in picked:
        for other in picked:
            assert one == other or rows[one] @ rows[other] <= most + 1e-5


def test_scores_are_fused_by_their_distance_and_not_their_rank():
    dense, lexical = {1: 0.9, 2: 0.2, 3: 0.1}, {2: 8.0, 3: 7.9, 1: 0.0}
    assert fuse_scores([dense, lexical], [1.0, 1.0]) == pytest.approx(
        {1: 0.5, 2: 0.5625, 3: 0.49375}
    )
    assert list(fuse_scores([dense, lexical], [3.0, 1.0])) == [1, 2, 3]
    assert fuse_scores([{}, {}], [1.0, 1.0]) == {}


def test_hybrid_search_can_fuse_scores(store_with):
    found = find(store_with(), mode="hybrid", fusion="score", lexical_weight=10.0)
    assert found[0].text == "Two goes on."


@pytest.mark.parametrize("bad", [{"diversity": 1.1}, {"neighbours": -1}, {"neighbours": 11}])
def test_numbers_out_of_bounds_are_refused(store_with, bad):
    with pytest.raises(InvalidSearchError, match="diversity must be in"):
        find(store_with(), **bad)


def test_a_corpus_without_a_store_has_no_hits(corpus):
    anywhere = SearchRequest(stores=None, text="words", mode="lexical")
    assert Fold(corpus.catalog).search(anywhere) == ()
