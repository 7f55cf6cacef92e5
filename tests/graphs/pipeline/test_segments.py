from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from graphs.pipeline.markers import Piece
from graphs.pipeline.segments import Segmenter, TokenQueue
from models.generation import GenerationChunk, WrittenToken


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


def test_what_is_not_judged_is_released_as_it_comes():
    segmenter = Segmenter(segment_chars=None, window_chars=25)
    marker = Piece(text="", num_raw=3)
    made = [segmenter.push(one) for one in ([Piece(text="on")], [marker], [Piece(text="e two")])]
    assert [texts_of(each) for each in made] == [["on"], [], ["e two"]]
    assert [one.num_raw for each in made for one in each] == [2, 10]
    assert segmenter.flush() == []


@given(st.text("ab \n", max_size=80), st.lists(st.integers(0, 80), max_size=6))
def test_segments_do_not_depend_on_how_the_text_arrives(text, cuts):
    bounds = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(bounds) if text[a:b]]
    whole = segments(text) if text else []
    assert texts_of(segments(*pieces)) == texts_of(whole)
    assert [s.window for s in segments(*pieces)] == [s.window for s in whole]


def queue_of(*texts, shown=None):
    """Tokens with these texts; the answer's own text may end before theirs."""
    queue = TokenQueue()
    tokens = tuple(
        WrittenToken(raw=text.encode(), logprob=-1.0, num_chars=len(text)) for text in texts
    )
    text = "".join(texts) if shown is None else shown
    queue.add(
        GenerationChunk(
            position=0, token_ids=(), text=text, finish_reason=None, num_prompt_tokens=1,
            tokens=tokens,
        )
    )  # fmt: skip
    return queue


def raws(tokens):
    return [token.raw.decode() for token in tokens]


def test_tokens_are_given_with_the_text_that_they_end_in():
    queue = queue_of("ab", "c", "", "d")
    assert raws(queue.up_to(1)) == []
    assert raws(queue.up_to(2)) == ["ab"]
    assert raws(queue.up_to(3)) == ["c"]  # what begins the next character waits for it
    assert raws(queue.rest()) == ["", "d"]


def test_tokens_behind_a_stop_string_are_left_out():
    assert raws(queue_of("ab", "cS", "TOP", shown="abc").rest()) == ["ab", "cS"]
    assert raws(queue_of("ab", "", shown="ab\ufffd").rest()) == ["ab", ""]
