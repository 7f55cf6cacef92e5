"""Office files, written by the libraries that others write them with."""

import datetime
import io

import docx
import openpyxl
import pptx
import pytest
from docx.enum.text import WD_BREAK
from docx.oxml import OxmlElement
from pptx.util import Inches

from index.errors import FileLimitError, InvalidFileError
from index.parsing.parse import parse
from index.parsing.parse_limits import ParseLimits


def saved(thing):
    buffer = io.BytesIO()
    thing.save(buffer)
    return buffer.getvalue()


def blocks(name, thing):
    document = parse(name, saved(thing))
    return [(block.page, block.heading_path, block.kind, block.text) for block in document.blocks]


def test_a_word_document_keeps_headings_items_and_tables():
    document = docx.Document()
    document.core_properties.title = "The manual"
    document.add_heading("Ports", level=1)
    document.add_paragraph("The port is ").add_run("8000").bold = True
    document.add_paragraph("One item", style="List Bullet")
    document.add_heading("Limits", level=2)
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ["Name", "Unit", "min", "1"], strict=True):
        cell.text = text
    inner = ("Ports", "Limits")
    assert parse("a.docx", saved(document)).title == "The manual"
    assert blocks("a.docx", document) == [
        (None, ("Ports",), "prose", "The port is 8000"),
        (None, ("Ports",), "prose", "- One item"),
        (None, inner, "row", "Name | Unit"),
        (None, inner, "row", "min | 1"),
    ]
    assert parse("a.docx", saved(document)).blocks[-1].columns == "Name | Unit"


def test_pages_are_known_where_word_noted_them():
    document = docx.Document()
    document.add_paragraph("First.")
    document.add_paragraph("").add_run()._r.append(OxmlElement("w:lastRenderedPageBreak"))
    document.add_paragraph("Second.").add_run().add_break(WD_BREAK.PAGE)
    assert [(page, text) for page, _, _, text in blocks("a.docx", document)] == [
        (1, "First."),
        (2, "Second."),
    ]


def test_hidden_and_deleted_words_are_not_read_but_inserted_ones_are():
    document = docx.Document()
    paragraph = document.add_paragraph("Seen ")
    paragraph.add_run("hidden").font.hidden = True
    for mark, words in (("w:del", "deleted"), ("w:ins", "inserted")):
        change = OxmlElement(mark)
        change.append(paragraph.add_run(words)._r)
        paragraph._p.append(change)
    assert parse("a.docx", saved(document)).text == "Seen inserted"


def test_slides_are_pages_under_their_titles():
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "Ports"
    slide.placeholders[1].text = "The port is 8000."
    slide.notes_slide.notes_text_frame.text = "Say it loud."
    second = deck.slides.add_slide(deck.slide_layouts[6])
    group = second.shapes.add_group_shape()
    group.shapes.add_textbox(0, 0, Inches(1), Inches(1)).text_frame.text = "In a group."
    table = second.shapes.add_table(2, 1, 0, 0, Inches(1), Inches(1)).table
    table.cell(0, 0).text, table.cell(1, 0).text = "Name", "min"
    assert blocks("a.pptx", deck) == [
        (1, ("Ports",), "prose", "The port is 8000."),
        (1, ("Ports", "Notes"), "prose", "Say it loud."),
        (2, ("Slide 2",), "prose", "In a group."),
        (2, ("Slide 2",), "row", "Name"),
        (2, ("Slide 2",), "row", "min"),
    ]
    with pytest.raises(FileLimitError, match="has 2 slides, at most 1 are allowed"):
        parse("a.pptx", saved(deck), ParseLimits(max_pages=1))


def test_sheets_are_sections_and_rows_know_their_header():
    book = openpyxl.Workbook()
    book.active.title = "Prices"
    book.active.append(["Name", "Price", "Since", "On"])
    book.active.append([])
    book.active.append(["a\u200bb", 0.1 + 0.2, datetime.datetime(2026, 1, 2), True])
    book.create_sheet("Empty")
    book.create_sheet("Hidden").append(["secret"])
    book["Hidden"].sheet_state = "hidden"
    book.create_sheet("More").append([datetime.datetime(2026, 1, 2, 3, 4), 7])
    found = parse("a.xlsx", saved(book)).blocks
    assert [(row.heading_path, row.columns, row.text) for row in found] == [
        (("Prices",), "Name | Price | Since | On", "Name | Price | Since | On"),
        (("Prices",), "Name | Price | Since | On", "ab | 0.3 | 2026-01-02 | TRUE"),
        (("More",), "", "2026-01-02 03:04:00 | 7"),
    ]


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.docx", docx.Document),
        ("a.pptx", pptx.Presentation),
        ("a.xlsx", openpyxl.Workbook),
    ],
)
def test_an_empty_office_file_is_refused(name, make):
    with pytest.raises(InvalidFileError, match="holds no text in its"):
        parse(name, saved(make()))


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.docx", saved(openpyxl.Workbook()), "the archive has no 'word/'"),
        ("a.xlsx", saved(docx.Document()), "the archive has no 'xl/'"),
        ("a.pptx", b"plain text", "not what its name says: it is something else"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "encrypted or old"),
        ("a.docx", saved(docx.Document())[:5000], "broken archive"),
    ],
)
def test_another_or_a_broken_format_is_refused(name, data, message):
    with pytest.raises(InvalidFileError, match=message):
        parse(name, data)
