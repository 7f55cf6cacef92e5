"""Inputs of like length share a forward pass; none is lost."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.encoders.batches import batches_of

LENGTHS = st.lists(st.integers(1, 40), min_size=1, max_size=7)


def cost(batches, lengths, pass_tokens):
    return sum(len(batch) * max(lengths[i] for i in batch) + pass_tokens for batch in batches)


def best_cost(lengths, most, pass_tokens):
    """Tries every way of cutting the sorted inputs."""
    order = np.argsort(lengths, kind="stable")
    splits = (
        np.split(order, cuts)
        for number in range(len(order))
        for cuts in combinations(range(1, len(order)), number)
    )
    allowed = (split for split in splits if max(map(len, split)) <= most)
    return min(cost(split, lengths, pass_tokens) for split in allowed)


@given(lengths=LENGTHS, most=st.integers(1, 5), pass_tokens=st.integers(0, 60))
def test_no_other_split_costs_less_and_every_input_is_in_one_batch(lengths, most, pass_tokens):
    batches = batches_of(lengths, most=most, pass_tokens=pass_tokens)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    assert max(map(len, batches)) <= most
    assert cost(batches, lengths, pass_tokens) == best_cost(lengths, most, pass_tokens)


@pytest.mark.parametrize(("pass_tokens", "expected"), [(12, [3, 1]), (None, [4])])
def test_a_long_text_is_left_alone_where_padding_costs_time(pass_tokens, expected):
    batches = batches_of([100, 8, 9, 10], most=16, pass_tokens=pass_tokens)
    assert [len(batch) for batch in batches] == expected


def test_where_padding_is_free_batches_are_full():
    batches = batches_of([5, 100, 6, 90, 7], most=2, pass_tokens=None)
    assert [batch.tolist() for batch in batches] == [[0, 2], [4, 3], [1]]
