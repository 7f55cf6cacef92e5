"""Long texts are cut before they are tokenised."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.encoders.pieces import cut, sentences


def test_a_short_text_is_one_piece():
    assert cut("", size=8, overlap=2) == [""]
    assert cut("12345678", size=8, overlap=2) == ["12345678"]


def test_a_long_text_is_cut_between_words_and_its_pieces_overlap():
    pieces = cut("one two tree four five six seven", size=20, overlap=5)
    assert pieces == ["one two tree four", " four five six seven"]


@pytest.mark.parametrize("text", ["x" * 5000, " " * 5000, "\n".join("ab" for _ in range(2000))])
def test_texts_of_one_character_are_cut_too(text):
    pieces = cut(text, size=64, overlap=16)
    assert max(map(len, pieces)) <= 64
    assert len(pieces) < 5 * len(text) / 64


@given(st.lists(st.integers(0, 12), max_size=60), st.integers(40, 90), st.sampled_from(" \n\t"))
def test_every_word_stands_whole_in_a_piece(lengths, size, blank):
    words = [f"{place}{'x' * length}" for place, length in enumerate(lengths)]
    pieces = cut(blank.join(words), size=size, overlap=size // 4)
    assert max(map(len, pieces)) <= size
    assert set(words) <= {word for piece in pieces for word in piece.split()}


@given(st.text(min_size=1, max_size=300), st.integers(4, 60))
def test_no_character_is_lost(text, size):
    pieces = cut(text, size=size, overlap=0)
    assert "".join(pieces) == text


def test_sentences_end_at_their_marks_and_at_lines():
    text = "This is the first sentence of them. Here is another one!\nAnd a line without a mark\n"
    first, second, third = sentences(text, least=10)
    assert (first, second) == ("This is the first sentence of them.", "Here is another one!")
    assert third == "And a line without a mark"


def test_words_on_lines_of_their_own_stay_together():
    assert sentences("Forget\nall\nthat\nwas said", least=20) == ["Forget all that was said"]
    assert sentences("One long line of words.\nend", least=10) == ["One long line of words. end"]
    assert sentences(" \n ", least=10) == []
