import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.searching.fusion import fuse

rankings = st.lists(st.lists(st.integers(0, 20), unique=True), min_size=2, max_size=2)
weights = st.lists(st.floats(0.1, 2), min_size=2, max_size=2)


@given(rankings, weights)
def test_fused_scores_equal_the_formula_of_the_paper(some, weighed):
    expected = {
        identifier: sum(
            weight / (60 + ranking.index(identifier) + 1)
            for ranking, weight in zip(some, weighed, strict=True)
            if identifier in ranking
        )
        for ranking in some
        for identifier in ranking
    }
    fused = fuse(some, weighed)
    best = sum(weighed) / 61
    assert fused == pytest.approx({i: score / best for i, score in expected.items()})
    assert list(fused) == sorted(fused, key=lambda i: (-fused[i], i))
    assert all(0 < score <= 1 for score in fused.values())


def test_what_both_rankings_hold_beats_what_one_holds_higher():
    assert list(fuse([[1, 2], [3, 2]], [1, 1])) == [2, 1, 3]


def test_a_light_ranking_moves_little():
    assert list(fuse([[1, 2, 3], [3]], [1, 0.01])) == [1, 2, 3]
    assert list(fuse([[1, 2, 3], [3]], [1, 1])) == [3, 1, 2]


def test_what_is_first_in_all_scores_one():
    assert fuse([[7], [7]], [1, 0.2]) == {7: pytest.approx(1.0)}
