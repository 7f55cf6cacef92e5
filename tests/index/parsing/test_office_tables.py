"""Tables of Word documents and slides: merged cells, marked headers, tables in cells."""

import io

import docx
import pptx
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from pptx.util import Inches

from index.parsing.parse import parse

FERRY = [
    ["Route", "Fee", ""],
    ["", "adult", "child"],
    ["Arnby", "11", "6"],
    ["", "12", "7"],
]
MERGES = [(0, 0, 1, 0, "Route"), (0, 1, 0, 2, "Fee"), (2, 0, 3, 0, "Arnby")]
ROWS = ["Route | Fee adult | Fee child", "Arnby | 11 | 6", "Arnby | 12 | 7"]


def saved(document):
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def word_table(document, rows, merges=()):
    table = document.add_table(rows=len(rows), cols=len(rows[0]))
    fill(table, rows, merges)
    return table


def fill(table, rows, merges):
    for i, cells in enumerate(rows):
        for j, text in enumerate(cells):
            table.cell(i, j).text = text
    for top, left, bottom, right, text in merges:
        table.cell(top, left).merge(table.cell(bottom, right))
        table.cell(top, left).text = text


def rows_of(name, data):
    return [block.text for block in parse(name, data).blocks if block.kind == "row"]


def test_merged_cells_of_word_stand_in_each_row_and_column():
    document = docx.Document()
    word_table(document, FERRY, MERGES)
    assert rows_of("a.docx", saved(document)) == ROWS


def test_merged_cells_of_slides_stand_in_each_row_and_column():
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    table = slide.shapes.add_table(4, 3, 0, 0, Inches(3), Inches(2)).table
    fill(table, FERRY, MERGES)
    assert rows_of("a.pptx", saved(deck)) == ROWS


def test_a_header_that_word_repeats_on_each_page_is_the_header():
    document = docx.Document()
    table = word_table(document, [["12", "30"], ["14", "50"]])
    mark = OxmlElement("w:tblHeader")
    table.rows[0]._tr.get_or_add_trPr().append(mark)
    assert parse("a.docx", saved(document)).blocks[-1].columns == "12 | 30"


def test_a_table_inside_a_cell_is_text_of_that_cell():
    document = docx.Document()
    table = word_table(document, [["Part", "Sizes"], ["Tap", ""], ["Lid", "9 mm"]])
    inner = table.cell(1, 1).add_table(1, 2)
    inner.cell(0, 0).text, inner.cell(0, 1).text = "3 mm", "5 mm"
    assert rows_of("a.docx", saved(document))[1:] == ["Tap | 3 mm 5 mm", "Lid | 9 mm"]


def test_hostile_spans_of_word_are_bounded():
    document = docx.Document()
    table = word_table(document, [["a", "b"], ["c", "d"]])
    properties = table.cell(0, 1)._tc.get_or_add_tcPr()
    for value in ("999999999", "-3", "x" * 999, "٣"):
        span = OxmlElement("w:gridSpan")
        span.set(qn("w:val"), value)
        for old in properties.findall(qn("w:gridSpan")):
            properties.remove(old)
        properties.append(span)
        assert rows_of("a.docx", saved(document)) == ["a | b", "c | d"]
