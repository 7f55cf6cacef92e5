from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphs.pipeline.events import Passage
from graphs.pipeline.markers import MarkerFilter


def passage(number):
    return Passage(
        number=number, chunk_id=str(number), file_id="file-1", filename="a.md", title="A",
        text="text", excerpt="text", char_start=0, char_end=4, score=1.0, attributes={},
    )  # fmt: skip


def filtered(*texts):
    markers = MarkerFilter({1: passage(1), 2: passage(2)})
    pieces = [piece for text in texts for piece in markers.push(text)]
    return [*pieces, *markers.flush()]


def shown(*texts):
    return "".join(piece.text for piece in filtered(*texts))


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("A fact. [1]", "A fact. [1]"),
        ("A fact [7].", "A fact."),
        ("  A fact. [1][2] ", "A fact. [1][2]"),
        ("Both [1, 2] agree", "Both [1][2] agree"),
        ("Half [2, 9] known", "Half [2] known"),
        ("An index a[i] and [x]", "An index a[i] and [x]"),
        ("[3]", ""),
        ("open [1", "open [1"),
        ("", ""),
    ],
)
def test_markers_without_a_passage_are_removed(raw, clean):
    assert shown(raw) == clean


def test_a_marker_carries_its_passage():
    cited = [piece for piece in filtered("One. [2]") if piece.passage]
    assert [(piece.text, piece.passage.number) for piece in cited] == [("[2]", 2)]


@given(st.text("ab [],12 9\n", max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_the_cut_of_the_stream_changes_nothing(text, cuts):
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(bounds)]
    assert shown(*pieces) == shown(text)


@given(st.text("ab [],12 9\n", max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_pieces_stand_for_all_that_was_written(text, cuts):
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = filtered(*(text[a:b] for a, b in pairwise(bounds)))
    assert sum(piece.num_read for piece in pieces) == len(text)
