from hypothesis import given
from hypothesis import strategies as st

from index.fusion import fuse

rankings = st.lists(st.lists(st.integers(0, 20), unique=True), max_size=4)


@given(rankings)
def test_fused_scores_equal_the_formula_of_the_paper(some):
    expected = {
        identifier: sum(
            1 / (60 + ranking.index(identifier) + 1) for ranking in some if identifier in ranking
        )
        for ranking in some
        for identifier in ranking
    }
    fused = fuse(some)
    assert fused == expected
    assert list(fused) == sorted(expected, key=lambda i: (-expected[i], i))


def test_what_both_rankings_hold_beats_what_one_holds_higher():
    assert list(fuse([[1, 2], [3, 2]])) == [2, 1, 3]
