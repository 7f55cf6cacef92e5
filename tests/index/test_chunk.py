from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.chunk import chunk
from index.errors import InvalidChunkingError
from index.parse import parse
from index.records import Chunking


def texts(data, word_spans, *, tokens, overlap=0, filename="a.md"):
    chunking = Chunking(max_chunk_tokens=tokens, chunk_overlap_tokens=overlap)
    return [draft.text for draft in chunk(parse(filename, data.encode()), chunking, word_spans)]


def test_sentences_are_packed_whole(word_spans):
    data = "One two. Three four. Five six."
    assert texts(data, word_spans, tokens=6) == ["One two. Three four.", "Five six."]


def test_passages_overlap_by_whole_sentences_where_they_fit(word_spans):
    data = "A one. B two. C three. D four."
    assert texts(data, word_spans, tokens=6, overlap=3) == [
        "A one. B two.",
        "B two. C three.",
        "C three. D four.",
    ]
    assert texts(data, word_spans, tokens=6, overlap=2) == ["A one. B two.", "C three. D four."]


def test_a_passage_stays_under_one_heading_path(word_spans):
    data = "Intro.\n# One\nFirst.\n## Two\nSecond.\n\nMore.\n# Three\nThird."
    drafts = chunk(parse("a.md", data.encode()), Chunking(max_chunk_tokens=99), word_spans)
    assert [(draft.title, draft.text, draft.ordinal) for draft in drafts] == [
        ("a.md", "Intro.", 0),
        ("One", "First.", 1),
        ("One > Two", "Second. More.", 2),
        ("Three", "Third.", 3),
    ]


def test_a_long_sentence_is_cut_at_white_space(word_spans):
    assert texts("one two-three four five", word_spans, tokens=3) == [
        "one",
        "two-three",
        "four five",
    ]


def test_a_word_without_end_is_cut_anyway():
    spans = [(i, i + 1) for i in range(10)]
    chunking = Chunking(max_chunk_tokens=4)
    drafts = chunk(parse("a.txt", b"abcdefghij"), chunking, lambda _: spans)
    assert [draft.text for draft in drafts] == ["abcd", "efgh", "ij"]


@pytest.mark.parametrize(
    "sentence",
    [
        "See e.g. Ray or i.e. Serve.",
        "Use version 2.60 of it.",
        "Dr. Lee and J. Doe agree.",
        "1. Start the node.",
        "Ask ray.serve.run now.",
    ],
)
def test_a_full_stop_inside_a_sentence_does_not_end_it(word_spans, sentence):
    following = "Next one is quite a bit longer than that."
    assert texts(f"{sentence} {following}", word_spans, tokens=15, filename="a.txt") == [
        sentence,
        following,
    ]


@given(
    st.lists(
        st.sampled_from(["Word ", "end. ", "Why? ", "\n\n", "# Head\n", "\n- ", "x" * 30, "é。"])
    ),
    st.integers(1, 12),
    st.integers(0, 6),
    st.sampled_from(["a.txt", "a.md"]),
)
def test_passages_keep_their_bounds_and_cover_the_document(word_spans, pieces, size, overlap, name):
    document = parse(name, ("Start " + "".join(pieces)).encode())
    chunking = Chunking(max_chunk_tokens=size, chunk_overlap_tokens=min(overlap, size // 2))
    drafts = chunk(document, chunking, word_spans)
    covered: set[int] = set()
    for draft in drafts:
        span = range(draft.char_start, draft.char_end)
        assert draft.text == " ".join(document.text[span.start : span.stop].split()) != ""
        assert len(word_spans(draft.text)) <= size
        covered.update(span)
    assert all(i in covered for i, char in enumerate(document.text) if not char.isspace())
    assert [draft.ordinal for draft in drafts] == list(range(len(drafts)))
    assert all(a.char_start < b.char_start for a, b in pairwise(drafts))


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (4097, 0), (100, 51), (100, -1)])
def test_chunk_sizes_out_of_bounds_are_refused(size, overlap):
    with pytest.raises(InvalidChunkingError, match=r"must be in \d"):
        Chunking(max_chunk_tokens=size, chunk_overlap_tokens=overlap)
