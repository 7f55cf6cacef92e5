"""Archives that would hurt whoever unpacks them."""

import stat
from zipfile import ZipInfo

import docx
import openpyxl
import pytest

from index.errors import FileLimitError, InvalidFileError
from index.parsing.parse import parse
from index.parsing.parse_limits import ParseLimits
from tests.hostile_files import archive, deep_xml, with_many_members, with_member

LAUGHS = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>'
)
OUTSIDE = b'<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><a>&a;</a>'


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (ParseLimits(), r"unpacks to 1\d\d\d times its size, at most 100 times"),
        (ParseLimits(max_unpacked_mb=2), "unpacks to 4 MB, at most 2 MB"),
    ],
)
def test_a_bomb_is_refused_before_it_is_unpacked(limits, message):
    data = archive([("word/document.xml", bytes(4 * 2**20))])
    assert len(data) < 2**13
    with pytest.raises(FileLimitError, match=message):
        parse("a.docx", data, limits)


def test_a_size_that_is_a_lie_does_not_unpack_more():
    data = bytearray(archive([("word/document.xml", bytes(2**20))]))
    for mark, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = data.index(mark) + offset
        data[at : at + 4] = (1000).to_bytes(4, "little")
    with pytest.raises(InvalidFileError, match="broken"):
        parse("a.docx", bytes(data))


def test_a_hundred_thousand_members_are_refused():
    with pytest.raises(FileLimitError, match="has 100000 archive members, at most 10000"):
        parse("a.docx", with_many_members(100_000))


@pytest.mark.parametrize("name", ["../../etc/passwd", "/etc/passwd", "word\\..\\..\\x"])
def test_a_member_outside_the_archive_is_refused(name):
    with pytest.raises(InvalidFileError, match="has a member outside it"):
        parse("a.docx", archive([("word/document.xml", b"<a/>"), (name, b"x")]))


def test_a_link_as_a_member_is_refused():
    link = ZipInfo("word/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(InvalidFileError, match="has a link as a member: 'word/link'"):
        parse("a.docx", archive([("word/document.xml", b"<a/>"), (link, b"/etc/passwd")]))


@pytest.mark.parametrize("xml", [LAUGHS, OUTSIDE, LAUGHS.decode().encode("utf-16")])
@pytest.mark.parametrize(
    ("name", "make", "member"),
    [
        ("a.docx", docx.Document, "word/document.xml"),
        ("a.xlsx", openpyxl.Workbook, "xl/sharedStrings.xml"),
        ("a.xlsx", openpyxl.Workbook, "xl/worksheets/sheet1.xml"),
    ],
)
def test_xml_that_declares_entities_is_refused(name, make, member, xml):
    with pytest.raises(InvalidFileError, match=f"declares XML entities in '{member}'|broken XML"):
        parse(name, with_member(make(), member, xml))


def test_deep_xml_is_refused():
    with pytest.raises(InvalidFileError, match="broken"):
        parse("a.docx", deep_xml(5_000))


def test_an_archive_inside_an_archive_stays_closed():
    bomb = archive([("bomb", bytes(2**20))])
    document = docx.Document()
    document.add_paragraph("Words.")
    assert parse("a.docx", with_member(document, "word/embeddings/a.zip", bomb)).text == "Words."
