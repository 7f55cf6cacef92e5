"""What BM25 reads of texts and of queries."""

# ruff: noqa: RUF001 - letters of other scripts are meant

import unicodedata

import pytest

from index.searching.lexical import LexicalIndex
from index.searching.words import MAX_WORD_CHARS, indexed_words, query_words
from tests.index.searching.passages import passage

SUM = "0123456789abcdef" * 4
TEXTS = [
    f"The checksum is {SUM}.",
    "订单号ZX90185的包裹已于三月发出。",
    "本店的退货政策规定，三十天内可以退货。",
    "ราคาสินค้านี้ห้าบาท",
    "서울에서 만나요",
    "តម្លៃទំនិញនេះ",
    "The branch at Göteborg has ten seats.",
    "این کتابها اینجاست",
    "Written in C++ and C#, for .NET alone.",
    "E-0x1F shows on the KX-4412 with v4.2.1, see CVE-2024-1234.",
    "The KX-4413 is full-width: ＴＮ５５.",
    "x" * 300,
    "The annual fee is for the card.",
    "リモートワークの申請は人事部へ。",
]
QUERIES = [
    (SUM, 0), ("ZX90185", 1), ("退货政策", 2), ("สินค้า", 3), ("서울", 4), ("ទំនិញ", 5),
    (unicodedata.normalize("NFD", "Göteborg"), 6), ("goteborg", 6), ("کتاب\u200cها", 7),
    ("C++", 8), ("c#", 8), (".NET", 8), ("E-0x1F", 9), ("KX4412", 9), ("kx-4412", 9),
    ("4.2.1", 9), ("CVE-2024-1234", 9), ("KX-4413", 10), ("TN55", 10), ("ＴＮ５５", 10),
    ("X" * 300, 11), ("anualy", 12), ("fee for the crad", 12), ("人事部", 13), ("ﾘﾓｰﾄﾜｰｸ", 13),
]  # fmt: skip


@pytest.fixture(scope="module")
def index():
    made = LexicalIndex()
    made.update([], [(number, passage(number, text)) for number, text in enumerate(TEXTS)])
    made.publish()
    return made


@pytest.mark.parametrize(("query", "place"), QUERIES)
def test_words_of_any_script_and_length_are_found(index, query, place):
    assert next(iter(index.search(query, 3))) == place


@pytest.mark.parametrize("query", ["x" * 299, "\ud800", "-._:/", "ั", "🎈", "zzzzzz"])
def test_what_is_not_there_is_not_found(index, query):
    assert index.search(query, 3) == {}


def test_passages_with_an_identifier_of_the_question_are_named(index):
    assert list(index.search_named("Does the KX-4413 need v4.2.1 or 4.2.1?", 5)) == [9, 10]
    assert index.search_named("Does the KX-9999 need the annual fee?", 5) == {}


def test_an_identifier_that_many_passages_hold_names_none():
    many = LexicalIndex()
    many.update([], [(number, passage(number, "about KX-4412")) for number in range(30)])
    many.publish()
    assert many.search_named("KX-4412", 5) == {}


def test_plain_texts_are_handed_on_as_they_are():
    assert indexed_words("A plain text, of 3 lines.") == "A plain text, of 3 lines."


@pytest.mark.parametrize("unit", ["a", "1.", "a-1", "退", "ั", "+", ".a ", "C++ ", "x1-" * 9])
def test_hostile_text_is_read_in_linear_time_and_space(unit):
    text = unit * (200_000 // len(unit))
    assert len(query_words(text)) < 4 * len(text)
    assert len(max(query_words("a1-" * MAX_WORD_CHARS).split(), key=len)) < 4 * MAX_WORD_CHARS
