"""Rows that are longer than a passage."""

import json

import pytest

from index.chunk import chunk
from index.parsing.parse import parse
from index.records import Chunking

COLUMNS = ["code", "name", "colour", "care", "warranty"]
ROWS = [
    ["7", "pump", "dark blue", "Wipe with a dry cloth. Keep away from fire.", "2 years"],
    ["8", "hose", "light green", "Rinse with cold water. Hang up to dry.", "9 years"],
]


def drafts(name, text, word_spans, tokens):
    return chunk(parse(name, text.encode()), Chunking(max_chunk_tokens=tokens), word_spans)


def table(rows):
    return "\n".join(";".join(cells) for cells in rows)


def test_each_part_of_a_wide_row_has_its_key_and_its_own_columns(word_spans):
    found = drafts("a.csv", table([COLUMNS, *ROWS]), word_spans, 12)
    assert [(one.title, one.text) for one in found] == [
        ("a.csv > code | name | colour | care | warranty", " | ".join(COLUMNS)),
        ("a.csv > code | name | colour", "7 | pump | dark blue"),
        ("a.csv > code: 7; name: pump > care", "Wipe with a dry cloth. Keep away from fire."),
        ("a.csv > code: 7; name: pump > warranty", "2 years"),
        ("a.csv > code | name | colour", "8 | hose | light green"),
        ("a.csv > code: 8; name: hose > care", "Rinse with cold water. Hang up to dry."),
        ("a.csv > code: 8; name: hose > warranty", "9 years"),
    ]


def test_a_cell_that_is_longer_than_a_passage_is_cut_at_its_sentences(word_spans):
    found = drafts("a.csv", table([COLUMNS, *ROWS]), word_spans, 7)
    assert ("a.csv > code: 8; name: hose > care", "Rinse with cold water.") in [
        (one.title, one.text) for one in found
    ]


def test_parts_of_different_rows_share_no_passage(word_spans):
    found = drafts("a.csv", table([COLUMNS, *ROWS]), word_spans, 20)
    assert not any("2 years" in one.text and "hose" in one.text for one in found)


def test_a_record_without_columns_repeats_its_first_fields(word_spans):
    record = {"id": 7, "name": "pump", "colour": "dark blue", "warranty": "2 years", "hall": "B"}
    found = drafts("a.jsonl", json.dumps(record), word_spans, 12)
    assert "id: 7; name: pump" in found[-1].title
    assert found[-1].text.endswith("hall: B")


def test_tables_with_other_columns_share_no_passage(word_spans):
    text = "Text.\n\n|a|b|\n|-|-|\n|1|2|\n\n|c|d|\n|-|-|\n|3|4|\n"
    assert [(one.title, one.text) for one in drafts("a.md", text, word_spans, 100)] == [
        ("a.md > a | b", "Text.\n\na | b\n\n1 | 2"),
        ("a.md > c | d", "c | d\n\n3 | 4"),
    ]


@pytest.mark.parametrize(
    "row", ["x" + "|" * 50_000, "x | " * 20_000, "a;" * 20_000, ";" * 9_999 + "x"]
)
def test_hostile_rows_are_cut_in_linear_time(word_spans, row):
    document = parse("a.csv", f"{row}\n{row}".encode())
    found = chunk(document, Chunking(max_chunk_tokens=20), word_spans)
    assert all(document.text[one.char_start : one.char_end] == one.text for one in found)
