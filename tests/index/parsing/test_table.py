"""Tables: spans, titles, headers, several tables in one sheet."""

from itertools import islice

import pytest

from index.parsing.table import Cell, grid, num_header_rows, spread, table_lines


def read(text, header_rows=None):
    """The lines of a drawn table: kind, cells and the columns that they are under."""
    rows = [[cell.strip() for cell in line.split("|")] for line in text.strip("\n").split("\n")]
    return [
        (line.kind, "|".join(line.cells), "|".join(line.columns))
        for line in table_lines(rows, header_rows)
    ]


def test_a_spanned_value_stands_in_every_row_and_column_that_it_spans():
    rows = [
        [Cell("Route", rows=2), Cell("2024", columns=2)],
        [Cell("adult"), Cell("child")],
        [Cell("Arnby", rows=2), Cell("11"), Cell("6")],
        [Cell("free", columns=2)],
    ]
    assert grid(rows) == [
        ["Route", "2024", "2024"],
        ["Route", "adult", "child"],
        ["Arnby", "11", "6"],
        ["Arnby", "free", "free"],
    ]


def test_a_row_of_one_cell_has_one_value_however_far_it_spans():
    assert grid([[Cell("Prices", columns=3)], [Cell("a"), Cell("b"), Cell("c")]])[0] == ["Prices"]


def test_a_row_without_cells_of_its_own_is_empty():
    rows = [[Cell("a", rows=3), Cell("b", rows=2)], [], [Cell("c")]]
    assert grid(rows) == [["a", "b"], [], ["a", "c"]]


def test_hostile_spans_are_bounded():
    assert grid([[Cell("a"), Cell("b", columns=10**9)], [Cell("c"), Cell("d")]]) == [
        ["a", "b"],
        ["c", "d"],
    ]
    rows = ([Cell("x", rows=10**9), Cell("y" * 10**6, columns=10**9)] for _ in range(3))
    assert max(sum(map(len, row)) for row in spread(rows)) < 1.1 * 10**6


def test_marked_headers_are_counted_unless_all_is_marked():
    head, body = [Cell("a", is_header=True)], [Cell("b")]
    assert num_header_rows([head, head, body]) == 2
    assert num_header_rows([body, head]) is None
    assert num_header_rows([head, head]) is None


def test_titles_above_the_header_are_told_from_it():
    assert read("""
Price list||
valid from|2024-01-01||
Plan|Price|Seats|Note
Team|30|10|none
Max|99|80|none""") == [
        ("title", "Price list", ""),
        ("title", "valid from|2024-01-01", ""),
        ("header", "Plan|Price|Seats|Note", "Plan|Price|Seats|Note"),
        ("row", "Team|30|10|none", "Plan|Price|Seats|Note"),
        ("row", "Max|99|80|none", "Plan|Price|Seats|Note"),
    ]


@pytest.mark.parametrize(
    ("table", "header"),
    [
        ("Region|2024|2024\nRegion|Q1|Q2\nNorth|5|7", "Region|2024 Q1|2024 Q2"),
        (
            "Region|2024||2025|\n|Q1|Q2|Q1|Q2\nNorth|5|7|6|8",
            "Region|2024 Q1|2024 Q2|2025 Q1|2025 Q2",
        ),
        ("Part|Length|Width\n|mm|mm\nPump|120|30\nHose|80|20", "Part|Length mm|Width mm"),
        ("Town|2022|2023|2024\nArnby|512|530|541", "Town|2022|2023|2024"),
        ("|Basic|Team\nPrice|low|high\nSupport|mail|phone", "|Basic|Team"),
        ("Name|Unit\nmin|1", "Name|Unit"),
        ("Day|Open\nMonday|morning\nTuesday|evening", "Day|Open"),
    ],
)
def test_the_header_is_found(table, header):
    lines = read(table)
    assert [line[1] for line in lines if line[0] == "header"] == [header]
    assert {line[2] for line in lines} == {header}


@pytest.mark.parametrize(
    "table",
    [
        "2024-01-02|5|pump\n2024-01-03|7|hose",
        "Arnby|Norway\nBirk|Sweden\nCole|Norway",
        "Phone|+47 55 12\nMail|office@example.org\nTown|Oslo",
        "Opens:|nine\nCloses:|five",
        "F-03|pressure too low|top up\nF-07|sensor broken|order one\nF-12|fan blocked|wait",
        "only|one row",
    ],
)
def test_a_table_without_header_has_no_columns(table):
    assert {line[0] for line in read(table)} == {"row"}
    assert {line[2] for line in read(table)} == {""}


def test_tables_between_empty_rows_have_headers_of_their_own():
    lines = read("""
Name|Price
Pump|12

Hose|4

Shops
Town|Street|Open
Oslo|Storgata|9
|
Source: the office""")
    assert lines == [
        ("header", "Name|Price", "Name|Price"),
        ("row", "Pump|12", "Name|Price"),
        ("row", "Hose|4", "Name|Price"),
        ("title", "Shops", ""),
        ("header", "Town|Street|Open", "Town|Street|Open"),
        ("row", "Oslo|Storgata|9", "Town|Street|Open"),
        ("row", "Source: the office", "Town|Street|Open"),
    ]


def test_a_header_that_is_repeated_is_read_once():
    lines = read("Name|Price\nPump|12\nName|Price\nHose|4")
    assert [line[1] for line in lines] == ["Name|Price", "Pump|12", "Hose|4"]


def test_a_list_of_one_column_keeps_what_it_repeats():
    assert [line[1] for line in read("Tap\nLid\nTap\nTap")] == ["Tap", "Lid", "Tap", "Tap"]


def test_a_sentence_heads_no_list_of_sentences():
    lines = read("Smoking is not permitted.\nThe windows are closed after ten.")
    assert [line[0] for line in lines] == ["row", "row"]


def test_a_header_that_is_marked_is_taken_at_its_word():
    assert read("12|30\n14|50", header_rows=1)[1] == ("row", "14|50", "12|30")
    assert read("Name|Price\nPump|12", header_rows=0)[1] == ("row", "Pump|12", "")
    assert {line[0] for line in read("|\n12|30\n14|50", header_rows=1)} == {"row"}
    assert read("Prices|\nName|Price\nPump|12", header_rows=2)[0][0] == "title"


def test_an_endless_table_is_read_row_by_row():
    def rows():
        yield ["Name", "Price"]
        while True:
            yield ["Pump", "12"]
            yield ["", ""]

    assert len(list(islice(table_lines(rows()), 1000))) == 1000
