"""What became of a passage between its search and the reading of its text."""

import numpy as np
import pytest

from index.searching.filters import parse_filter
from index.searching.fold import Fold
from index.searching.hits import read_hits
from index.searching.ranking import join
from index.searching.request import SearchRequest


@pytest.fixture
def ranked(corpus):
    """Three files of two passages, ranked by a fold; what then changes, the fold does not know."""
    store_id, fold = corpus.store(), Fold(corpus.catalog)
    rows = np.eye(6, 8, dtype=np.float32)
    files = [
        corpus.add(store_id, [f"a{i}", f"b{i}"], rows[2 * i : 2 * i + 2], lang="en")
        for i in range(3)
    ]
    fold.catch_up()
    vector = np.array([6, 5, 4, 3, 2, 1, 0, 0], np.float32)

    def hits_after(change, **options):
        request = SearchRequest(
            stores=(store_id,), text="", vector=vector / np.linalg.norm(vector), mode="dense",
            **options,
        )  # fmt: skip
        ranking = join([fold.find(request)], request)
        change(corpus.catalog, store_id, files)
        return [hit.text for hit in read_hits(corpus.catalog, ranking, request)]

    return hits_after


def nothing(catalog, store_id, files):
    pass


def detach_first(catalog, store_id, files):
    catalog.detach_file(store_id, files[0])


def test_hits_come_in_the_order_of_the_ranking(ranked):
    assert ranked(nothing) == ["a0", "b0", "a1", "b1", "a2", "b2"]


@pytest.mark.parametrize("options", [{}, {"max_similarity": 0.9}, {"neighbours": 1}])
def test_the_next_takes_the_place_of_a_hit_that_is_gone(ranked, options):
    assert ranked(detach_first, top_k=3, **options) == ["a1", "b1", "a2"]


def test_a_file_that_changed_meanwhile_must_still_pass_the_filter(ranked):
    english = parse_filter({"type": "eq", "key": "lang", "value": "en"})

    def translate(catalog, store_id, files):
        catalog.update_attributes(store_id, files[1], {"lang": "de"})

    assert ranked(translate, top_k=3, filters=english) == ["a0", "b0", "a2"]


@pytest.mark.parametrize("options", [{}, {"diversity": 0.5}])
def test_a_store_that_is_gone_has_no_hits(ranked, options):
    assert ranked(lambda catalog, store_id, _: catalog.delete_store(store_id), **options) == []
