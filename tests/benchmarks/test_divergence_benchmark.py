"""What the divergence benchmark counts; it runs the engines where vLLM is installed."""

import pytest

from benchmarks.divergence import first_difference, requests


@pytest.mark.parametrize(
    ("answer", "position"),
    [((1, 2, 3), None), ((1, 9, 3), 1), ((1, 2), 2), ((1, 2, 3, 4), 3), ((), 0)],
)
def test_an_answer_is_compared_up_to_its_first_difference(answer, position):
    assert first_difference(answer, (1, 2, 3)) == position


def test_the_requests_are_enough_for_the_tokens_and_all_have_seeds_of_their_own():
    asked = requests("seeded", 10_000)
    assert sum(one.sampling.max_tokens for one in asked) >= 10_000
    assert len({one.sampling.seed for one in asked}) == len(asked)
