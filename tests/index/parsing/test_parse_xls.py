"""Workbooks of Excel 97 to 2003, and what only has their name."""

import io

import openpyxl
import pytest

from index.errors import FileLimitError, InvalidFileError
from index.parsing.parse import parse
from index.parsing.parse_limits import ParseLimits
from tests.index.parsing.xls_files import compound, label, merged, number, record, workbook

PERCENT, DATE = 10, 14  # built-in formats: 0.00% and a day


def rows(data, name="a.xls"):
    return [(block.heading_path, block.text) for block in parse(name, data).blocks]


def test_values_are_read_as_their_formats_show_them():
    records = label(0, 0, "Plan") + label(0, 1, "Fee") + label(0, 2, "Since")
    records += label(1, 0, "Größe") + number(1, 1, 0.075, style=1) + number(1, 2, 45_000, style=2)
    records += label(2, 0, "Small") + number(2, 1, 3) + number(2, 2, 0.1 + 0.2)
    assert rows(workbook([("Prices", False, records)], formats=(PERCENT, DATE))) == [
        (("Prices",), "Plan | Fee | Since"),
        (("Prices",), "Größe | 7.50% | 2023-03-15"),
        (("Prices",), "Small | 3 | 0.3"),
    ]


def test_merged_cells_stand_in_each_row_and_hidden_sheets_are_not_read():
    records = label(0, 0, "City") + label(0, 1, "Fee") + label(1, 0, "Oslo") + number(1, 1, 1)
    records += number(2, 1, 2) + merged(1, 2, 0, 0)
    found = rows(workbook([("A", False, records), ("B", True, label(0, 0, "secret"))]))
    assert [text for _, text in found] == ["City | Fee", "Oslo | 1", "Oslo | 2"]


def test_more_sheets_than_pages_are_refused():
    data = workbook([("A", False, label(0, 0, "x")), ("B", False, b"")])
    with pytest.raises(FileLimitError, match="has 2 sheets, at most 1 are allowed"):
        parse("a.xls", data, ParseLimits(max_pages=1))


def test_other_files_of_that_name_are_read_as_what_they_are():
    page = b"<table><tr><th>Plan<th>Fee</tr><tr><td>Team<td>3</tr></table>"
    assert rows(page)[-1][1] == "Team | 3"
    assert rows(b"Plan\tFee\nTeam\t3\nPro\t5\n")[-1][1] == "Pro | 5"
    book, buffer = openpyxl.Workbook(), io.BytesIO()
    book.active.append(["Team", 3])
    book.save(buffer)
    assert rows(buffer.getvalue())[-1][1] == "Team | 3"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"%PDF-1.7", "not what its name says: it is a PDF"),
        (compound(b""), "is broken"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\xff" * 5000, "is broken"),
        (workbook([("A", False, b"")]), "holds no text"),
        (workbook([("A", False, label(0, 0, "x"))])[:2000], "is broken"),
    ],
)
def test_broken_and_other_files_are_refused(data, message):
    with pytest.raises(InvalidFileError, match=message):
        parse("a.xls", data)


def test_an_encrypted_workbook_is_told_as_such():
    locked = workbook([("A", False, b"")])
    font = record(0x31, b"x")[:2]
    at = locked.index(font)
    with pytest.raises(InvalidFileError, match="encrypted: it needs a password"):
        parse("a.xls", locked[:at] + b"\x2f\0" + locked[at + 2 :])
