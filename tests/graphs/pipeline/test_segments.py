from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from graphs.pipeline.markers import Piece
from graphs.pipeline.segments import Segmenter


def segments(*texts):
    segmenter = Segmenter(segment_chars=10, window_chars=25)
    made = [segment for text in texts for segment in segmenter.push([Piece(text=text)])]
    return [*made, *segmenter.flush()]


def texts_of(made):
    return ["".join(piece.text for piece in segment.pieces) for segment in made]


def test_segments_end_at_white_space_after_their_size():
    assert texts_of(segments("one two three four five")) == ["one two three ", "four five"]


def test_a_word_without_end_is_cut_at_twice_the_size():
    assert [len(text) for text in texts_of(segments("x" * 45))] == [20, 20, 5]


def test_a_window_holds_the_segment_and_the_text_before_it():
    assert [segment.window for segment in segments("one two three four five")] == [
        "one two three ",
        "one two three four five",
    ]


@given(st.text("ab \n", max_size=80), st.lists(st.integers(0, 80), max_size=6))
def test_segments_do_not_depend_on_how_the_text_arrives(text, cuts):
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(bounds) if text[a:b]]
    whole = segments(text) if text else []
    assert texts_of(segments(*pieces)) == texts_of(whole)
    assert [s.window for s in segments(*pieces)] == [s.window for s in whole]
