"""Workbooks as a reader of the sheet sees them."""

import io
import zipfile
from datetime import timedelta

import openpyxl
import pytest

from index.parsing.parse import parse


def sheet(rows, *, formats=None, merges=()):
    book = openpyxl.Workbook()
    for cells in rows:
        book.active.append(cells)
    for where, code in (formats or {}).items():
        book.active[where].number_format = code
    for where in merges:
        book.active.merge_cells(where)
    return saved(book)


def saved(book):
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def changed(data, old, new):
    """Replaces bytes in the XML of the sheet."""
    source, out = zipfile.ZipFile(io.BytesIO(data)), io.BytesIO()
    with zipfile.ZipFile(out, "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(old, new))
    return out.getvalue()


def texts(data):
    return [block.text for block in parse("a.xlsx", data).blocks]


def test_values_are_read_as_they_are_shown():
    rows = [
        ["Item", "Rate", "Code", "Worked"],
        ["Loan", 0.0425, 52, timedelta(hours=30, minutes=5)],
    ]
    data = sheet(rows, formats={"B2": "0.00%", "C2": "00000", "D2": "[h]:mm"})
    assert texts(data)[1] == "Loan | 4.25% | 00052 | 30:05"


def test_a_formula_that_nobody_has_calculated_is_read_as_it_is():
    assert texts(sheet([["Item", "Total"], ["Hose", "=3*A9"]]))[1] == "Hose | =3*A9"


def test_a_merged_value_stands_in_each_row_and_column_of_it():
    rows = [
        ["Fees of 2024"],
        ["Region", "Price", None],
        [None, "adult", "child"],
        ["North", 10, 5],
        [None, 20, 8],
    ]
    data = sheet(rows, merges=["A1:C1", "A2:A3", "B2:C2", "A4:A5"])
    document = parse("a.xlsx", data)
    columns = "Region | Price adult | Price child"
    assert [(block.columns, block.text) for block in document.blocks] == [
        ("", "Fees of 2024"),
        (columns, columns),
        (columns, "North | 10 | 5"),
        (columns, "North | 20 | 8"),
    ]
    assert {block.heading_path for block in document.blocks} == {("Sheet", "Fees of 2024")}


def test_a_merged_range_of_a_whole_sheet_is_bounded():
    data = changed(sheet([["note"], ["a", "b"]], merges=["A1:B2"]), b"A1:B2", b"A1:XFD1048576")
    assert texts(data)[0] == "note"
    assert len(max(texts(data))) < 10_000
    assert max(map(len, texts(sheet([["x" * 400, "y"], ["a", "b"]], merges=["A1:A2"])))) < 500


def test_tables_below_each_other_have_their_own_columns():
    rows = [
        ["Name", "Price"],
        ["Pump", 12],
        [],
        ["Shops"],
        ["Town", "Open", "Hall"],
        ["Oslo", 9, "B"],
    ]
    assert [block.columns for block in parse("a.xlsx", sheet(rows)).blocks] == [
        "Name | Price",
        "Name | Price",
        "",
        "Town | Open | Hall",
        "Town | Open | Hall",
    ]


@pytest.mark.parametrize("code", ["[h", "0.0.0.0", "yyyy" * 60, ";;;;;;"])
def test_a_strange_format_loses_no_value(code):
    assert texts(sheet([["a", 1.5]], formats={"B1": code}))[0].startswith("a")
