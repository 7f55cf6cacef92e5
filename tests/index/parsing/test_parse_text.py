import pytest

from index.errors import FileLimitError, InvalidFileError
from index.parsing.parse import parse

TYPED = b"""SETUP GUIDE

Overview
This page tells how to start a node. It is
wrapped by hand
at forty characters.
- Install it.
- Start it,
  and wait.

Ports
=====
The port is
8000.

1.2 Limits of a node

Short heading

# Hashed
Text.
"""

PYTHON = b'''"""A module."""

import os

LIMIT = 3


# Waits.
@retry
async def wait(s):
    def inner(): ...


class Node:
    x = 1

    def start(self):
        pass
'''

GO = b"""package main

// Start starts.
func (n *Node) Start(port int) error {
\treturn nil
}

type Node struct {}
"""

JSON = b"""{"name": "api", "port": 8000, "ratio": 0.10, "on": true, "none": null, "big": 1e999,
 "hosts": ["a", "b"], "empty": [],
 "items": [{"id": 1, "tags": ["x"]}, {"id": 2, "text": "%s"}]}""" % (b"Long. " * 30)


def blocks(name, data):
    return [(block.heading_path, block.kind, block.text) for block in parse(name, data).blocks]


def test_headings_and_items_of_plain_text_are_not_joined_to_sentences():
    top, ports = ("SETUP GUIDE",), ("Ports",)
    hashed, limits = ("Hashed",), ("Ports", "1.2 Limits of a node")
    assert blocks("a.txt", TYPED) == [
        (top, "prose", "Overview"),
        (
            top,
            "prose",
            "This page tells how to start a node. It is wrapped by hand at forty characters.",
        ),
        (top, "prose", "- Install it."),
        (top, "prose", "- Start it, and wait."),
        (ports, "prose", "The port is 8000."),
        (limits, "prose", "Short heading"),
        (hashed, "prose", "Text."),
    ]


def test_python_is_cut_at_its_definitions_with_what_belongs_to_them():
    assert blocks("a.py", PYTHON) == [
        ((), "code", '"""A module."""\n\nimport os\n\nLIMIT = 3'),
        (("wait",), "code", "# Waits.\n@retry\nasync def wait(s):\n    def inner(): ..."),
        (("Node",), "code", "class Node:\n    x = 1\n\n    def start(self):\n        pass"),
    ]


@pytest.mark.parametrize(
    ("name", "line", "heading"),
    [
        ("a.ts", b"export default async function load(x) {", "load"),
        ("a.java", b"public final class Node {", "Node"),
        ("a.rs", b"pub(crate) fn run<T>(x: T) {", "run<T>"),
        ("a.rb", b"module Fleet", "Fleet"),
        ("a.php", b"function send($x) {", "send"),
        ("a.sql", b"CREATE OR REPLACE VIEW nodes AS", "nodes"),
        ("a.cpp", b"struct Node {", "Node"),
    ],
)
def test_definitions_of_other_languages_are_found(name, line, heading):
    assert parse(name, line).blocks[0].heading_path == (heading,)


def test_go_methods_are_found_behind_their_receiver():
    assert [path for path, _, _ in blocks("a.go", GO)] == [(), ("Start",), ("Node",)]


@pytest.mark.parametrize("name", ["a.yaml", "a.toml", "a.css", "a.sh", "a.c"])
def test_code_without_definitions_is_one_listing(name):
    assert blocks(name, b"a:\n  b: 1. Two\n\n") == [((), "code", "a:\n  b: 1. Two")]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b'Name,Text\nmin,"a, ""b""\nc"\n\n,\n'),
        ("a.csv", b'Name;Text\r\nmin;"a, ""b""\r\nc"\r\n'),
        ("a.tsv", b'Name\tText\nmin\t"a, ""b"" c"\n'),
    ],
)
def test_rows_of_a_table_are_blocks(name, data):
    table = parse(name, data).blocks
    assert [(row.kind, row.columns, row.text) for row in table] == [
        ("row", "Name | Text", "Name | Text"),
        ("row", "Name | Text", 'min | a, "b" c'),
    ]


def test_keys_of_json_are_headings():
    assert blocks("a.json", JSON) == [
        ((), "row", "name: api | port: 8000 | ratio: 0.10 | on: true | big: 1e999"),
        (("hosts",), "row", "a | b"),
        (("empty",), "prose", "empty"),
        (("items",), "row", "id: 1 | tags: x"),
        (("items",), "row", "id: 2 | text: " + ("Long. " * 30).strip()),
    ]


def test_json_lines_are_read_one_by_one():
    assert blocks("a.jsonl", b'{"a": 1}\n\n["b"]\n"c"\n') == [
        ((), "row", "a: 1"),
        ((), "row", "b"),
        ((), "prose", "c"),
    ]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.json", b'{"a": ', r"'a.json' is not JSON: .* line 1 column 7"),
        ("a.jsonl", b"\n{]\n{", r"'a.jsonl:2' is not JSON"),
        ("a.json", b"{}", "no text"),
    ],
)
def test_broken_files_are_refused_and_the_place_is_named(name, data, message):
    with pytest.raises(InvalidFileError, match=message):
        parse(name, data)


@pytest.mark.parametrize("depth", [100, 100_000])
def test_deep_json_is_refused(depth):
    with pytest.raises(FileLimitError, match="nested deeper than 64 levels"):
        parse("a.json", b"[" * depth + b"]" * depth)


def test_short_lines_right_above_their_paragraphs_are_headings():
    text = (
        "Harbour rules, as of May\n\nBerths\nGuests moor at the north pier.\n\n"
        "Quiet\nEngines are silent\nfrom ten on.\n\nTo bring\n- rope\n- fenders\n"
    )
    rules = "Harbour rules, as of May"
    assert blocks("a.txt", text.encode()) == [
        ((rules, "Berths"), "prose", "Guests moor at the north pier."),
        ((rules, "Quiet"), "prose", "Engines are silent from ten on."),
        ((rules, "To bring"), "prose", "- rope"),
        ((rules, "To bring"), "prose", "- fenders"),
    ]


def test_one_such_line_may_be_an_accident():
    found = blocks("a.txt", b"Letter\n\nBerths\nGuests moor here.\n")
    assert [path for path, _, _ in found] == [()] * 3
