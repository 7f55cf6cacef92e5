from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.chunk import chunk
from index.errors import InvalidChunkingError
from index.parsing.document import DocumentBuilder
from index.parsing.parse import parse
from index.records import Chunking
from index.sentences import split_sentences


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
        ("One > Two", "Second.\n\nMore.", 2),
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


PIECES = [
    "Word ", "end. ", "Why? ", "\n\n", "# Head\n", "\n- ", "x" * 30, "é。", "\ndef f():\n",
    "\n    y", "|a|b|\n|-|-|\n|c|d|\n", "\n```\n", "1, 2, 3\n", "\t", "TITLE\n\n",
]  # fmt: skip


@given(
    st.lists(st.sampled_from(PIECES)),
    st.integers(1, 12),
    st.integers(0, 6),
    st.sampled_from(["a.txt", "a.md", "a.py", "a.csv"]),
)
def test_passages_keep_their_bounds_and_cover_the_document(word_spans, pieces, size, overlap, name):
    document = parse(name, ("Start " + "".join(pieces)).encode())
    chunking = Chunking(max_chunk_tokens=size, chunk_overlap_tokens=min(overlap, size // 2))
    drafts = chunk(document, chunking, word_spans)
    covered: set[int] = set()
    for draft in drafts:
        span = range(draft.char_start, draft.char_end)
        assert draft.text == document.text[span.start : span.stop]
        assert draft.text.strip()
        assert len(word_spans(draft.text)) <= size
        covered.update(span)
    blank = " \t\n|" if name == "a.csv" else " \t\n"  # a row may be cut at its bars
    assert all(i in covered for i, char in enumerate(document.text) if char not in blank)
    assert [draft.ordinal for draft in drafts] == list(range(len(drafts)))
    assert all(a.char_start < b.char_start for a, b in pairwise(drafts))


def test_a_list_item_is_a_sentence_by_itself(word_spans):
    data = "Before\n\n- one\n- two. Three\n- four"
    expected = ["Before", "- one", "- two.", "Three", "- four"]
    (text,) = texts(data, word_spans, tokens=50)
    assert split_sentences(text) == expected
    assert split_sentences(texts(data, word_spans, tokens=50, filename="a.txt")[0]) == expected


def test_code_is_cut_at_definitions_and_never_inside_a_line_that_fits(word_spans):
    code = (
        "import os\n\n\ndef one(a):\n    x = a. B\n\n    return x\n\n\ndef two():\n    return 2\n"
    )
    chunks = chunk(parse("a.py", code.encode()), Chunking(max_chunk_tokens=12), word_spans)
    assert [(draft.title, draft.text) for draft in chunks] == [
        ("a.py", "import os"),
        ("one", "def one(a):\n    x = a. B"),
        ("one", "    return x"),
        ("two", "def two():\n    return 2"),
    ]


def test_code_is_not_split_into_sentences():
    code = 'print("One. Two.")\nprint("Three. Four.")'
    assert split_sentences(f"Prose. More.\n\n{code}\n\nEnd.") == ["Prose.", "More.", code, "End."]


def test_rows_stay_whole_under_the_header_of_their_table(word_spans):
    data = "Name,Text\n" + "".join(f"n{number},Some words. More words.\n" for number in range(4))
    chunking = Chunking(max_chunk_tokens=15)
    drafts = chunk(parse("a.csv", data.encode()), chunking, word_spans)
    assert [(draft.title, draft.text) for draft in drafts] == [
        ("a.csv > Name | Text", "Name | Text\n\nn0 | Some words. More words."),
        ("a.csv > Name | Text", "n1 | Some words. More words."),
        ("a.csv > Name | Text", "n2 | Some words. More words."),
        ("a.csv > Name | Text", "n3 | Some words. More words."),
    ]


def test_a_passage_has_the_page_on_which_it_starts(word_spans):
    builder = DocumentBuilder(title="a.pdf")
    for builder.page in (1, 2, 3):
        builder.add_block(f"Page {builder.page}.")
    drafts = chunk(builder.build(), Chunking(max_chunk_tokens=6), word_spans)
    assert [(draft.page, draft.text) for draft in drafts] == [
        (1, "Page 1.\n\nPage 2."),
        (3, "Page 3."),
    ]


def test_a_block_without_end_is_tokenized_in_parts(word_spans):
    longest = []

    def spans(text):
        longest.append(len(text))
        return word_spans(text)

    document = parse("a.txt", b"word " * 100_000 + b"x" * 500_000)
    drafts = chunk(document, Chunking(max_chunk_tokens=4096), spans)
    assert max(longest) <= 200_000
    assert sum(len(draft.text.replace(" ", "")) for draft in drafts) == 900_000


@pytest.mark.parametrize(("size", "overlap"), [(0, 0), (4097, 0), (100, 51), (100, -1)])
def test_chunk_sizes_out_of_bounds_are_refused(size, overlap):
    with pytest.raises(InvalidChunkingError, match=r"must be in \d"):
        Chunking(max_chunk_tokens=size, chunk_overlap_tokens=overlap)


def test_a_list_that_goes_on_in_the_next_passage_is_led_in_by_its_title(word_spans):
    data = "# Trip\n\nCome early today. You need:\n\n- a long rod\n- a sharp hook\n\nGo home now."
    drafts = chunk(parse("a.md", data.encode()), Chunking(max_chunk_tokens=8), word_spans)
    assert [(draft.title, draft.text) for draft in drafts] == [
        ("Trip", "Come early today."),
        ("Trip", "You need:\n\n- a long rod"),
        ("Trip > You need:", "- a sharp hook\n\nGo home now."),
    ]
