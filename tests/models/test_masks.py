"""A mask is a pure function of the answer's ids."""

import pytest

from models.constraints import Choices, Regex
from models.engines.masks import make_mask
from models.errors import InvalidInputError

END = 0


def encode(texts):
    return [[ord(char) for char in text] for text in texts]


def test_an_answer_may_begin_with_any_choice_and_after_a_space():
    mask = make_mask(Choices(texts=("ab", "ac", "b")), encode, END)
    assert mask.next_ids([]) == sorted(map(ord, " ab"))


def test_it_goes_on_with_those_that_begin_like_it_and_then_ends():
    mask = make_mask(Choices(texts=("ab", "ac", "abd")), encode, END)
    assert mask.next_ids(encode(["a"])[0]) == [ord("b"), ord("c")]
    assert mask.next_ids(encode(["ab"])[0]) == [END, ord("d")]
    assert mask.next_ids(encode([" ac"])[0]) == [END]


def test_what_is_no_choice_goes_on_with_nothing():
    assert make_mask(Choices(texts=("ab",)), encode, END).next_ids([ord("x")]) == []


def test_choices_of_nothing_are_refused():
    with pytest.raises(InvalidInputError, match="got 0"):
        Choices(texts=())


def test_a_kind_without_a_mask_is_refused_by_name():
    with pytest.raises(InvalidInputError, match="regex"):
        make_mask(Regex(pattern="a"), encode, END)
