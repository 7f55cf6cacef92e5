"""Rich text as programs write it, and as nobody should."""

import pytest

from index.errors import InvalidFileError
from index.parsing.parse import parse

FONTS = rb"{\fonttbl{\f0\fcharset0 Arial;}{\f1\fcharset204 Arial Cyr;}{\f2\fcharset128 Mincho;}}"


def document(body, head=b""):
    return parse("a.rtf", rb"{\rtf1\ansi\ansicpg1252" + FONTS + head + body + b"}")


def texts(body):
    return [block.text for block in document(body).blocks]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (rb"Fee 5\'80 caf\'e9", "Fee 5€ café"),
        (rb"\f1 \'cf\'f0 \f0 \'e9", "Пр é"),
        (rb"\f2 \'93\'8c\'8b\'9e", "東京"),
        (b"\\f2 \\'93\r\n\\'8c", "東"),
        (rb"\u8364?x \u-10179?\u-8704?", "€x 😀"),
        (rb"{\uc3\u8364 abcd}e", "€de"),
        (rb"10{\super 6} H{\sub 2}O", "10^6 H2O"),
        (rb"Seen {\v hidden}too {\deleted gone}", "Seen too"),
        (rb"KX\_12 main\-tenance a\~b", "KX-12 maintenance a b"),
        (rb"a\line b\tab c", "a b c"),
        (b"wrap\\\r\nped", "wrapped"),
        (rb"{\field{\*\fldinst HYPERLINK x}{\fldrslt the link}}", "the link"),
        (rb"{\pict\wmetafile8 0102}after", "after"),
        (rb"{\header Top}{\footer Page 1}{\annotation no}Body", "Body"),
        (rb"{\*\unknown no}{\stylesheet{\s1 heading 1;}}Body", "Body"),
        (rb"\{a\} \\ b", r"{a} \ b"),
        (rb"\bin3 \{}x done", "x done"),
    ],
)
def test_letters_are_read_as_they_are_seen(body, expected):
    assert texts(body) == [expected]


def test_headings_tables_and_notes_are_kept():
    body = (
        rb"\pard\outlinelevel0 Ports\par\pard It costs 40{\footnote\pard Only today.} euros.\par"
        rb"\trowd\pard\intbl Plan\cell Fee\cell\row\trowd Team\cell 3\par EUR\cell\row"
        rb"\pard After it.\par"
    )
    assert [(block.heading_path, block.kind, block.text) for block in document(body).blocks] == [
        (("Ports",), "prose", "It costs 40 euros."),
        (("Ports",), "prose", "Note: Only today."),
        (("Ports",), "row", "Plan | Fee"),
        (("Ports",), "row", "Team | 3 EUR"),
        (("Ports",), "prose", "After it."),
    ]


def test_title_and_day_are_those_of_the_file():
    info = rb"{\info{\title The plan}{\author Kim}{\creatim\yr2024\mo3\dy5\hr7}}"
    found = document(b"Words.", head=info)
    assert (found.title, found.date, found.text) == ("The plan", "2024-03-05", "Words.")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"plain text", "not what its name says: it is something else"),
        (b"{\\rtf1" + b"{" * 5_000, "nested too deeply"),
        (b"{\\rtf1" + b"}" * 5_000, "holds no text"),
        (rb"{\rtf1\bin9999999999 x", "holds no text"),
    ],
)
def test_what_is_no_rich_text_is_refused(data, message):
    with pytest.raises(InvalidFileError, match=message):
        parse("a.rtf", data)
