import json

import pytest

from index.errors import FileLimitError
from index.parsing.parse import parse


def placed(name, text):
    return [(block.heading_path, block.text) for block in parse(name, text.encode()).blocks]


def test_a_record_is_one_row_with_all_that_it_holds():
    rows = [{"id": 7, "at": {"city": "Arnby", "zip": "00417"}, "tags": ["a", "b"]}, {"id": 8}]
    assert placed("a.json", json.dumps(rows)) == [
        ((), "id: 7 | at.city: Arnby | at.zip: 00417 | tags: a, b"),
        ((), "id: 8"),
    ]


def test_the_parts_of_a_large_record_know_whose_they_are():
    order = {"no": 7, "note": "long " * 60, "lines": [{"sku": "A"}, {"sku": "B"}]}
    path = ("orders", "no: 7")
    assert placed("a.json", json.dumps({"orders": [order]})) == [
        (path, "no: 7"),
        (path, f"note: {'long ' * 60}".strip()),
        ((*path, "lines"), "sku: A"),
        ((*path, "lines"), "sku: B"),
    ]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.ndjson"])
def test_json_lines_are_read_under_any_name(name):
    assert placed(name, '{"id": 1}\n{"id": 2, "t": "a\u2028b"}\n') == [
        ((), "id: 1"),
        ((), "id: 2 | t: a b"),
    ]


def test_a_bad_line_spoils_no_other():
    assert placed("a.jsonl", '{"id": 1}\n{bad line\n{"id": 2}') == [
        ((), "id: 1"),
        ((), "{bad line"),
        ((), "id: 2"),
    ]


def test_comments_and_trailing_commas_are_no_part_of_the_value():
    text = '// a\n{"u": "http://x//y", /* b */ "n": "1,]", // c\n}\n'
    assert placed("a.jsonc", text) == [((), "u: http://x//y | n: 1,]")]


def test_records_nested_in_records_end():
    deep = '[{"a":' * 30 + "1" + "}]" * 30
    assert placed("a.json", deep)[0][1].endswith(": 1")
    with pytest.raises(FileLimitError, match="nested deeper than 64 levels"):
        parse("a.json", ('[{"a":' * 50 + "1" + "}]" * 50).encode())
