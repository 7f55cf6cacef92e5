import pytest

from index.parsing.parse import parse

LINES = [
    "Gate 5501\nKitchen 5502\nBoiler room 5503",
    "gate 5501\nkitchen 5502",
    "Host: alpha\nPort: 8000\nUser: bob",
    "host = alpha\nport = 8000",
    "Ann Berg\t5501\nBo Lund\t5502",
    "Garden Shop Ltd\n12 Mill Lane\nArnby AB1 2CD",
    "Roses are red,\nViolets are blue,\nSugar is sweet,\nAnd so are you.",
    "apples\npears\nplums",
    "2025-01-02 10:00:01 WARN the disk is nearly full, and more\n2025-01-02 10:00:09 INFO ok",
    "会议室 5501\n厨房 5502\n仓库 5503",
    "- one\n- two",
]
PROSE = [
    "The grey mare walked slowly along the\nlane and did not stop before\nshe had reached home.",
    "Die Pumpe kostet zwölf\nEuro.",
    "Each room has a table, a lamp and the\nBible, as everywhere in\nthe country.",
    "本店的退货政策规定，所有商品在购买后三十天内可以凭\n收据退货，但是食品除外。",  # noqa: RUF001
    "The result is as\nfollows: it is nine.",
]


def texts(text):
    return [block.text for block in parse("a.txt", text.encode()).blocks]


@pytest.mark.parametrize("text", LINES)
def test_lines_that_are_lines_stay_lines(text):
    assert texts(text) == [line.replace("\t", " ") for line in text.split("\n")]


@pytest.mark.parametrize("text", PROSE)
def test_wrapped_prose_is_one_paragraph(text):
    glue = "" if text.startswith("本") else " "
    assert texts(text) == [text.replace("\n", glue)]


def test_words_cut_at_a_hyphen_are_whole():
    text = "the main-\ntenance of USB-\nC plugs, pre- and post-\nand later use"
    assert texts(text) == ["the maintenance of USB-C plugs, pre- and post- and later use"]


@pytest.mark.parametrize("gap", ["\t", "   "])
def test_columns_are_a_table(gap):
    rows = [["Name", "Room", "Phone"], ["Ann Berg", "12", "5501"], ["Bo Lund", "14", "5502"]]
    blocks = parse("a.txt", "\n".join(gap.join(row) for row in rows).encode()).blocks
    assert [block.text for block in blocks] == [" | ".join(row) for row in rows]
    assert blocks[2].columns == "Name | Room | Phone"


def test_a_field_goes_on_in_the_lines_set_in_below_it():
    assert texts("Name: Ann\nNote: she comes\n  on Mondays\nRoom: 4") == [
        "Name: Ann", "Note: she comes on Mondays", "Room: 4",
    ]  # fmt: skip


def headings(text):
    return {block.heading_path for block in parse("a.txt", text.encode()).blocks}


@pytest.mark.parametrize(
    "text",
    [
        "12 Garden Street\n\nOpen daily from nine.",
        "Open daily from nine.\n\nCLOSED ON MONDAY",
        "1. Buy milk\n\n2. Buy bread\n\n3. Go home",
        "ARRIVE MONDAY STOP\n\nSEND MONEY STOP\n\nmore",
        "KX-44170\n\nis the number of the pump.",
        "3.50 Euro\n\nis what it costs.",
    ],
)
def test_a_line_by_itself_is_no_heading(text):
    assert headings(text) == {()}


def test_headings_are_counted_underlined_or_in_capitals_above_a_text():
    text = (
        "1 Aims\n\nText.\n\n2 Means\n\nThe text goes on.\n\n"
        "SAFETY FIRST\n\nRead it all.\n\nEnd\n---\nBye."
    )
    assert headings(text) == {("1 Aims",), ("2 Means",), ("SAFETY FIRST",), ("SAFETY FIRST", "End")}


def test_a_long_paragraph_takes_linear_time():
    assert len(texts("word and-\n" * 200_000)) == 1
