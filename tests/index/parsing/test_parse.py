import contextlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import (
    FileLimitError,
    InvalidFileError,
    InvalidLimitError,
    UnsupportedFileError,
)
from index.parsing.parse import EXTENSIONS, parse, parser_of
from index.parsing.parse_limits import ParseLimits

MARKDOWN = b"""---
title: not a heading
---
Before *any* heading.

# Scaling a model

Set `num_replicas`, see
[the bounds](#bounds). ![a picture](p.png)

## Replica bounds

1. First.
2. Second.
   - Inner.

| Name | Unit |
|------|------|
| min  | 1    |

```python
x = 1

y = 2
```

> Quoted.

<div>Raw <b>HTML</b></div>

## Nothing here
# Other
End.
"""

HTML = b"""<?xml version="1.0"?><!DOCTYPE html>
<html><head><title>A &amp; B</title><style>p {}</style></head>
<body><nav>Menu</nav><main>
Loose text <b>in</b> bold
<h1>Scaling <i>a</i> model</h1>
<p>One<br>two</p>after
<h2>Bounds</h2>
<ul><li>First<li><p>Second</p></ul>
<table><tr><th>Name</th><td>Unit</td></tr></table>
<pre>x = 1
  y = 2</pre>
<img alt="a picture"><script>alert("x")</script><!-- secret -->
<p hidden>secret</p><p style="display: none">secret</p><span aria-hidden="true">secret</span>
</main><footer>Imprint</footer></body></html>"""


def blocks(filename, data):
    return [(block.heading_path, block.text) for block in parse(filename, data).blocks]


def test_the_tables_of_extensions_and_parsers_agree():
    assert all(callable(parser_of(f"a{extension}")) for extension in EXTENSIONS)
    assert {".pdf", ".docx", ".pptx", ".xlsx", ".csv", ".json", ".py", ".md"} <= EXTENSIONS


def test_plain_text_is_cut_at_empty_lines():
    document = parse("notes.txt", b"One\ntwo.\r\n \r\n\r\n  Three. ")
    assert [block.text for block in document.blocks] == ["One two.", "Three."]
    assert document.title == "notes.txt"


def test_markdown_keeps_words_and_headings_and_drops_markup():
    top = "not a heading"
    scaling, bounds = (top, "Scaling a model"), (top, "Scaling a model", "Replica bounds")
    assert blocks("handbook.md", MARKDOWN) == [
        ((top,), "Before any heading."),
        (scaling, "Set num_replicas, see the bounds. a picture"),
        (bounds, "1. First."),
        (bounds, "2. Second."),
        (bounds, "- Inner."),
        (bounds, "Name | Unit"),
        (bounds, "min | 1"),
        (bounds, "x = 1\n\ny = 2"),
        (bounds, "Quoted."),
        (bounds, "Raw HTML"),
        ((*scaling, "Nothing here"), "Nothing here"),
        ((top, "Other"), "End."),
    ]


def test_html_keeps_what_a_reader_sees():
    one, two = ("Scaling a model",), ("Scaling a model", "Bounds")
    assert parse("page.html", HTML).title == "A & B"
    assert blocks("page.html", HTML) == [
        ((), "Loose text in bold"),
        (one, "One"),
        (one, "two"),
        (one, "after"),
        (two, "- First"),
        (two, "- Second"),
        (two, "Name | Unit"),
        (two, "x = 1\n  y = 2"),
        (two, "a picture"),
    ]


@pytest.mark.parametrize(
    "data", [b"just.a.name", b"http://x.org/", b"<?xml version='1.0'?><a>b</a>"]
)
def test_html_that_is_none_is_read_without_a_warning(data):
    assert parse("page.htm", data).blocks


@pytest.mark.parametrize("name", ["a.TXT", "../../etc/a.txt", "C:\\docs\\a.txt", ".a.txt"])
def test_the_extension_tells_the_type(name):
    assert parse(name, b"text").blocks[0].text == "text"


@pytest.mark.parametrize("name", ["a.doc", "a", "md", "a.md.exe", ".md", ""])
def test_an_unknown_extension_is_refused(name):
    with pytest.raises(UnsupportedFileError, match=r"is not one of .* \.htm \.html "):
        parse(name, b"text")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"text\0text", "NUL byte at offset 4"),
        (bytes(range(1, 32)) * 9, "full of control characters"),
        (b"", "no text in its 0 bytes"),
        (b" \n\n ", "no text"),
        (b"PK\x03\x04\x14", "is not text: it is a ZIP archive"),
        (b"\x89PNG\r\n\x1a\n", "is not text: it is a PNG image"),
        (b"%PDF-1.7\n", "is not text: it is a PDF"),
        ("\u200b\u202e".encode(), "no text"),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html"])
def test_what_is_not_text_is_refused(name, data, message):
    with pytest.raises(InvalidFileError, match=message):
        parse(name, data)


def test_characters_hidden_as_entities_are_dropped_too():
    assert parse("a.html", b"<p>ig&#x200b;no&#8205;re</p>").text == "ignore"
    assert parse("a.md", b"ig&#x200b;nore").text == "ignore"


def test_a_listing_keeps_its_lines_and_a_paragraph_does_not():
    document = parse("a.md", b"One\ntwo.\n\n```\n  x = 1\n\n\n\n  y\n```\n")
    assert [(block.kind, block.text) for block in document.blocks] == [
        ("prose", "One two."),
        ("code", "  x = 1\n\n  y"),
    ]


@pytest.mark.parametrize("name", ["a.md", "a.html"])
def test_rows_know_the_header_of_their_table(name):
    data = {
        "a.md": b"| Name | Unit |\n|---|---|\n| min | 1 |\n\nText.\n\n| A |\n|---|\n| b |",
        "a.html": b"<table><tr><th>Name</th><th>Unit</th></tr><tr><td>min</td><td>1</td></tr>"
        b"</table>Text."
        b"<table><tr><td>A</td></tr><tr><td>b</td></tr></table>",
    }[name]
    assert [(block.columns, block.text) for block in parse(name, data).blocks] == [
        ("Name | Unit", "Name | Unit"),
        ("Name | Unit", "min | 1"),
        ("", "Text."),
        ("A", "A"),
        ("A", "b"),
    ]


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_characters": 1000}, "more than 1000 characters"),
        ({"max_blocks": 100}, "more than 100 paragraphs and rows"),
        ({"max_file_mb": 1}, r"has 1\.1 MB, at most 1 MB"),
    ],
)
def test_what_exceeds_a_limit_is_refused_with_the_limit(limits, message):
    data = b"word\n\n" * 200_000
    with pytest.raises(FileLimitError, match=message):
        parse("a.txt", data, ParseLimits(**limits))


@pytest.mark.parametrize("limits", [{"cpu_s": 0}, {"memory_mb": 64}, {"max_pages": 2.5}])
def test_a_limit_out_of_its_bounds_is_refused(limits):
    with pytest.raises(InvalidLimitError, match=r"must be a whole number in \d+\.\.\d+, got"):
        ParseLimits(**limits)


def test_characters_that_nobody_sees_are_dropped():
    hidden = "ig\u200bno\u200dre \u202ethis\u2066 \ue000\U000e0041\x1b\ufeff"
    assert parse("a.txt", ("\ufeff" + hidden).encode()).blocks[0].text == "ignore this"


MARKS = [
    "#",
    "\n",
    "\t",
    " ",
    "<",
    ">",
    "&",
    "*",
    "`",
    "|",
    "-",
    "1.",
    "[",
    "](",
    "<p>",
    "<pre>",
    "</b>",
    "e\u0301",
]


@given(
    st.lists(st.sampled_from([*MARKS, "word", "\u200b", "\U0001f600", "\x85"])).map("".join),
    st.sampled_from(["txt", "md", "html"]),
)
def test_any_text_is_read_or_refused_and_spans_hold(text, extension):
    try:
        document = parse(f"a.{extension}", text.encode())
    except InvalidFileError:
        return
    for block in document.blocks:
        end = block.char_start + len(block.text)
        assert document.text[block.char_start : end] == block.text != ""
        assert unicodedata.is_normalized("NFC", block.text)


@pytest.mark.parametrize("tag", [b"<div>", b"<b>", b"<p>", b"<ul><li>"])
def test_deep_html_is_read(tag):
    assert parse("a.html", tag * 2000 + b"x").text.removeprefix("- ") == "x"


@pytest.mark.parametrize("mark", [b"> ", b"[", b"*a ", b"![", b"- "])
def test_deep_markdown_ends(mark):
    with contextlib.suppress(InvalidFileError):  # what lies too deep is dropped
        assert parse("a.md", mark * 2000 + b"x").blocks
