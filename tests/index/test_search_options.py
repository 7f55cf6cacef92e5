"""What a search can do beside finding: fusing scores, diversity, near-duplicates, neighbours."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from index.diversity import diversify
from index.errors import InvalidSearchError
from index.fusion import fuse_scores
from index.records import Change, Passage
from index.search import SearchRequest, search
from index.store_index import StoreIndex

TEXT = "One begins. Two goes on. Three is next. Four ends it."
SPANS = [(0, 11), (12, 24), (19, 39), (40, 53)]  # the third shares five characters with the second


def index_of(spans=SPANS, vectors=None):
    passages = tuple(
        Passage(
            chunk_id=10 + i, store_id="vs", file_id="file", filename="a.md", title="",
            text=TEXT[start:end], char_start=start, char_end=end,
        )
        for i, (start, end) in enumerate(spans)
    )  # fmt: skip
    if vectors is None:
        vectors = np.eye(len(spans), dtype=np.float32)
    index = StoreIndex()
    index.apply(
        [
            Change(
                number=1, kind="upsert", store_id="vs", file_id="file", filename="a.md",
                attributes={}, fingerprint="f", passages=passages, vectors=vectors,
            )
        ]
    )  # fmt: skip
    return {"vs": index}


def find(indexes, **options):
    vector = np.asarray([1, 0, 0, 0], dtype=np.float32)
    options = {"mode": "dense", "vector": vector, **options}
    return search(indexes, SearchRequest(store_ids=("vs",), text="two", **options))


@pytest.mark.parametrize(
    ("neighbours", "context"),
    [
        (0, ""),
        (1, "One begins.\nTwo goes on."),
        (2, "One begins.\nTwo goes on. Three is next."),
        (9, "One begins.\nTwo goes on. Three is next.\nFour ends it."),
    ],
)
def test_the_context_holds_the_neighbours_and_what_they_share_once(neighbours, context):
    best = find(index_of(), neighbours=neighbours)[0]
    assert (best.text, best.context) == ("One begins.", context)


def test_near_duplicates_of_a_better_hit_are_left_out():
    rows = np.asarray([[1, 0, 0, 0], [0.999, 0.0447, 0, 0], [0.6, 0.8, 0, 0], [0, 0, 1, 0]])
    indexes = index_of(vectors=rows.astype(np.float32))
    assert [hit.chunk_id for hit in find(indexes)] == [10, 11, 12, 13]
    assert [hit.chunk_id for hit in find(indexes, max_similarity=0.98)] == [10, 12, 13]
    assert [hit.chunk_id for hit in find(indexes, max_similarity=0.98, top_k=2)] == [10, 12]


def test_diversity_prefers_what_is_unlike_the_hits_before():
    rows = np.asarray([[0.8, 0.6, 0, 0], [0.78, 0.6258, 0, 0], [0.7, 0, 0.7141, 0], [0, 0, 0, 1]])
    indexes = index_of(vectors=rows.astype(np.float32))
    assert [hit.chunk_id for hit in find(indexes, diversity=0.0)][:2] == [10, 11]
    assert [hit.chunk_id for hit in find(indexes, diversity=0.4)][:2] == [10, 12]


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


def test_hybrid_search_can_fuse_scores():
    found = find(index_of(), mode="hybrid", fusion="score", lexical_weight=10.0)
    assert found[0].text == "Two goes on."


@pytest.mark.parametrize("bad", [{"diversity": 1.1}, {"neighbours": -1}, {"neighbours": 11}])
def test_numbers_out_of_bounds_are_refused(bad):
    with pytest.raises(InvalidSearchError, match="diversity must be in"):
        find(index_of(), **bad)
