"""Slides as people make them: line ends, groups, charts, diagrams, furniture."""

import io
from zipfile import ZipFile

import pptx
import pytest
from lxml import etree
from pptx.chart.data import CategoryChartData, XyChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from index.parsing.parse import parse
from tests.hostile_files import archive
from tests.index.parsing.word_files import saved

A = "http://schemas.openxmlformats.org/drawingml/2006/main"


def slide_of(deck, layout=6):
    return deck.slides.add_slide(deck.slide_layouts[layout])


def box(slide, text, left=0, top=0):
    shape = slide.shapes.add_textbox(Inches(left), Inches(top), Inches(1), Inches(1))
    shape.text_frame.text = text
    return shape


def texts(deck, name="a.pptx"):
    return [block.text for block in parse(name, saved(deck)).blocks]


def test_line_ends_inside_a_title_and_a_text_are_blanks():
    deck = pptx.Presentation()
    slide = slide_of(deck, layout=1)
    slide.shapes.title.text = "Upper\vdeck"
    slide.placeholders[1].text_frame.text = "Cabin 9\vPort side"
    block = parse("a.pptx", saved(deck)).blocks[0]
    assert (block.heading_path, block.text) == (("Upper deck",), "Cabin 9 Port side")


def test_shapes_are_read_from_the_top_down_and_groups_inside():
    deck = pptx.Presentation()
    slide = slide_of(deck)
    box(slide, "third", top=4)
    box(slide, "second", left=5, top=1)
    box(slide, "first", left=1, top=1.1)
    group = slide.shapes.add_group_shape()
    inner = group.shapes.add_group_shape()
    inner.shapes.add_textbox(0, Inches(6), Inches(1), Inches(1)).text_frame.text = "fourth"
    assert texts(deck) == ["first", "second", "third", "fourth"]


def test_raised_digits_keep_a_mark():
    deck = pptx.Presentation()
    paragraph = box(slide_of(deck), "10").text_frame.paragraphs[0]
    for text, baseline in (("6", "30000"), (" per H", None), ("2", "-25000"), ("O", None)):
        run = paragraph.add_run()
        run.text = text
        if baseline:
            run.font._element.set("baseline", baseline)
    assert texts(deck) == ["10^6 per H2O"]


def test_a_chart_is_read_as_a_table_under_its_title():
    deck = pptx.Presentation()
    data = CategoryChartData()
    data.categories = ["North", "South"]
    data.add_series("2025", (12, 0.1 + 0.2))
    data.add_series("2026", (None, 15))
    place = [Inches(1)] * 4
    frame = slide_of(deck).shapes.add_chart(XL_CHART_TYPE.BAR_CLUSTERED, *place, data)
    frame.chart.has_title = True
    frame.chart.chart_title.text_frame.text = "Visitors"
    assert texts(deck) == ["Visitors", "| 2025 | 2026", "North | 12", "South | 0.3 | 15"]


def test_the_points_of_a_scatter_chart_are_read():
    deck = pptx.Presentation()
    data = XyChartData()
    data.add_series("Load").add_data_point(2, 7)
    slide_of(deck).shapes.add_chart(XL_CHART_TYPE.XY_SCATTER, *[Inches(1)] * 4, data)
    assert "2 | 7" in texts(deck)


def test_a_diagram_is_read_node_by_node():
    deck = pptx.Presentation()
    slide = slide_of(deck)
    slide.shapes.add_table(1, 1, *[Inches(1)] * 4)
    with ZipFile(io.BytesIO(saved(deck))) as file:
        members = {name: file.read(name) for name in file.namelist()}
    dgm = "http://schemas.openxmlformats.org/drawingml/2006/diagram"
    members["ppt/diagrams/data1.xml"] = (
        f'<dgm:dataModel xmlns:dgm="{dgm}" xmlns:a="{A}"><dgm:ptLst>'
        '<dgm:pt type="doc"><dgm:t><a:p><a:r><a:t>no</a:t></a:r></a:p></dgm:t></dgm:pt>'
        "<dgm:pt><dgm:t><a:p><a:r><a:t>Order</a:t></a:r></a:p></dgm:t></dgm:pt>"
        "<dgm:pt><dgm:t><a:p><a:r><a:t>Deli</a:t></a:r><a:r><a:t>very</a:t></a:r></a:p></dgm:t>"
        "</dgm:pt></dgm:ptLst></dgm:dataModel>"
    ).encode()
    rels = "ppt/slides/_rels/slide1.xml.rels"
    kind = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    members[rels] = members[rels].replace(
        b"</Relationships>",
        f'<Relationship Id="rId77" Type="{kind}/diagramData" Target="../diagrams/data1.xml"/>'
        "</Relationships>".encode(),
    )
    root = etree.fromstring(members["ppt/slides/slide1.xml"])
    data = next(root.iter(f"{{{A}}}graphicData"))
    data.clear()
    data.set("uri", dgm)
    etree.SubElement(data, f"{{{dgm}}}relIds").set(f"{{{kind}}}dm", "rId77")
    members["ppt/slides/slide1.xml"] = etree.tostring(root)
    document = parse("a.pptx", archive(members.items()))
    assert [block.text for block in document.blocks] == ["- Order", "- Delivery"]


def test_what_repeats_on_each_slide_or_is_hidden_is_not_read():
    deck = pptx.Presentation()
    slide = slide_of(deck)
    box(slide, "Seen.")
    box(slide, "Hidden.").element.nvSpPr.cNvPr.set("hidden", "1")
    layout = deck.slide_layouts[6]
    for placeholder in layout.placeholders:
        slide.shapes.clone_placeholder(placeholder)
    for placeholder in slide.placeholders:
        placeholder.text_frame.text = "Confidential"
    assert len(list(slide.placeholders)) > 0
    assert texts(deck) == ["Seen."]


def test_text_that_needs_a_newer_program_is_read():
    deck = pptx.Presentation()
    shape = box(slide_of(deck), "Inside.").element
    compatibility = "http://schemas.openxmlformats.org/markup-compatibility/2006"
    alternates = etree.SubElement(shape.getparent(), f"{{{compatibility}}}AlternateContent")
    for name in ("Choice", "Fallback"):
        etree.SubElement(alternates, f"{{{compatibility}}}{name}")
    alternates[1].append(etree.fromstring(etree.tostring(shape)))
    alternates[0].append(shape)
    assert texts(deck) == ["Inside."]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.pptm", "ms-powerpoint.presentation.macroEnabled"),
        ("a.ppsx", "openxmlformats-officedocument.presentationml.slideshow"),
        ("a.potx", "openxmlformats-officedocument.presentationml.template"),
    ],
)
def test_shows_and_templates_are_read_too(name, kind):
    deck = pptx.Presentation()
    box(slide_of(deck), "Words.")
    with ZipFile(io.BytesIO(saved(deck))) as file:
        members = {one: file.read(one) for one in file.namelist()}
    types = members["[Content_Types].xml"]
    plain = b"openxmlformats-officedocument.presentationml.presentation.main"
    assert plain in types
    members["[Content_Types].xml"] = types.replace(plain, f"{kind}.main".encode())
    assert parse(name, archive(members.items())).text == "Words."


def test_slides_stand_below_the_title_that_the_author_gave():
    deck = pptx.Presentation()
    deck.core_properties.title = "Harbour museum"
    for words in ("Harbour museum", "Rules"):
        deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = words
    box(deck.slides[1], "No flash")
    paths = [block.heading_path for block in parse("a.pptx", saved(deck)).blocks]
    assert paths == [("Harbour museum",), ("Harbour museum", "Rules")]
    deck.core_properties.title = "PowerPoint Presentation"
    paths = [block.heading_path for block in parse("a.pptx", saved(deck)).blocks]
    assert paths == [("Harbour museum",), ("Rules",)]
