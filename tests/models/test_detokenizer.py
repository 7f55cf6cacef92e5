from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.detokenizer import Detokenizer, StopScanner


class ByteTokenizer:
    """One token a byte, like the worst case of a byte-level vocabulary."""

    def decode(self, token_ids, *, skip_special_tokens):
        return bytes(token_ids).decode(errors="replace")


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\ufffd")), st.data())
def test_pieces_join_to_the_text_however_it_is_cut(text, data):
    ids = list(text.encode())
    cuts = sorted(data.draw(st.lists(st.integers(0, len(ids)), max_size=8)))
    detokenizer = Detokenizer(ByteTokenizer())
    bounds = [0, *cuts, len(ids)]
    pieces = [detokenizer.push(ids[a:b]) for a, b in pairwise(bounds)]
    assert "".join(pieces) + detokenizer.flush() == text


def test_half_a_character_is_not_shown():
    detokenizer = Detokenizer(ByteTokenizer())
    first, second = "é".encode()
    assert detokenizer.push([first]) == ""
    assert detokenizer.push([second]) == "é"


@given(st.text("abx", max_size=30), st.lists(st.text("abx", min_size=1, max_size=4), max_size=3))
def test_text_ends_before_the_first_stop_string(text, stops):
    scanner = StopScanner(stops)
    shown = "".join(scanner.push(char) for char in text if not scanner.stopped)
    shown += "" if scanner.stopped else scanner.flush()
    ends = [end for end in range(len(text) + 1) if any(text[:end].endswith(s) for s in stops)]
    if not ends:
        assert shown == text
    else:
        found = [text[: ends[0]].find(stop) for stop in stops if stop in text[: ends[0]]]
        assert shown == text[: min(found)]


@pytest.mark.parametrize(("text", "shown"), [("go on ST", "go on "), ("go on", "go on")])
def test_a_possible_start_of_a_stop_string_is_held_back(text, shown):
    assert StopScanner(["STOP"]).push(text) == shown
