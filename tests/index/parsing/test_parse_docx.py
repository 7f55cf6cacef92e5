"""Word documents of raw XML: what people's files hold that python-docx does not write."""

import datetime
import io
import re
from zipfile import ZipFile

import docx
import pytest

from index.errors import InvalidFileError
from index.parsing.parse import parse
from tests.hostile_files import archive
from tests.index.parsing.word_files import paragraph, run, saved, word_file

RAISED, LOWERED = '<w:vertAlign w:val="superscript"/>', '<w:vertAlign w:val="subscript"/>'


def texts(body, name="a.docx", **parts):
    return [block.text for block in parse(name, word_file(body, **parts)).blocks]


def field(instruction, result):
    mark = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'
    return (
        f"{mark.format('begin')}<w:r><w:instrText>{instruction}</w:instrText></w:r>"
        f"{mark.format('separate')}{result}{mark.format('end')}"
    )


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((run("<w:t>AB</w:t><w:noBreakHyphen/><w:t>77</w:t>"),), "AB-77"),
        ((run("<w:t>main</w:t><w:softHyphen/><w:t>tenance</w:t>"),), "maintenance"),
        ((run("<w:t>Name</w:t><w:tab/><w:t>Kim</w:t>"),), "Name Kim"),
        ((run("<w:t>Room 12</w:t><w:br/><w:t>Building C</w:t>"),), "Room 12 Building C"),
        (("25 ", run('<w:sym w:font="Symbol" w:char="F0B0"/>'), "C"), "25 °C"),
        (("p ", run('<w:sym w:font="Symbol" w:char="F0A3"/>'), " 5"), "p ≤ 5"),
        ((run('<w:sym w:font="Wingdings" w:char="F0FE"/>'), " Done"), "☑ Done"),
        ((run('<w:sym w:font="Odd" w:char="zz"/>'), "Still"), "Still"),
        (("10", run("<w:t>6</w:t>", RAISED), " requests"), "10^6 requests"),
        (("10", run("<w:t>1</w:t>", RAISED), run("<w:t>2</w:t>", RAISED), " Hz"), "10^12 Hz"),
        (("the note", run("<w:t>2</w:t>", RAISED), "."), "the note^2."),
        (("on the 1", run("<w:t>st</w:t>", RAISED), " of May"), "on the 1st of May"),
        (("H", run("<w:t>2</w:t>", LOWERED), "O"), "H2O"),
        (("10", run("<w:t>2</w:t>", LOWERED)), "10_2"),
        (("A", "<w:ins>" + run("<w:t>dded</w:t>") + "</w:ins>"), "Added"),
        (("<w:moveTo>" + run("<w:t>Moved.</w:t>") + "</w:moveTo>",), "Moved."),
        (("<w:moveFrom>" + run("<w:t>Away</w:t>") + "</w:moveFrom>", "Here"), "Here"),
        (("<w:del>" + run("<w:delText>100</w:delText>") + "</w:del>", "150"), "150"),
        (("Seen", run("<w:t>not</w:t>", "<w:vanish/>")), "Seen"),
        (("Seen ", run("<w:t>too</w:t>", '<w:vanish w:val="0"/>')), "Seen too"),
        (("<w:smartTag>" + run("<w:t>Oslo</w:t>") + "</w:smartTag>",), "Oslo"),
        (("<w:hyperlink>" + run("<w:t>a link</w:t>") + "</w:hyperlink>",), "a link"),
        (("<w:bdo>" + run("<w:t>שלום</w:t>") + "</w:bdo>",), "שלום"),
        (("Date: ", field("DATE", run("<w:t>May 2</w:t>"))), "Date: May 2"),
        (("<w:fldSimple>" + run("<w:t>7</w:t>") + "</w:fldSimple>", " days"), "7 days"),
        (
            ("<w:sdt><w:sdtContent>" + run("<w:t>Chosen</w:t>") + "</w:sdtContent></w:sdt>",),
            "Chosen",
        ),
        (("Read", run('<w:commentReference w:id="0"/>')), "Read"),
    ],
)
def test_pieces_of_a_paragraph_are_read_as_they_are_seen(pieces, expected):
    assert texts(paragraph(*pieces)) == [expected]


def test_the_instructions_of_nested_fields_are_not_read():
    inner = field("MERGEFIELD age", run("<w:t>17</w:t>"))
    mark = '<w:r><w:fldChar w:fldCharType="{}"/></w:r>'
    body = paragraph(
        mark.format("begin"), inner, mark.format("separate"), "minor", mark.format("end")
    )
    assert texts(body + paragraph("After.")) == ["minor", "After."]


def test_ruby_is_read_once():
    ruby = (
        "<w:ruby><w:rt>" + run("<w:t>とうきょう</w:t>") + "</w:rt><w:rubyBase>"
        + run("<w:t>東京</w:t>") + "</w:rubyBase></w:ruby>"
    )  # fmt: skip
    assert texts(paragraph(run(ruby), "駅")) == ["東京駅"]


def test_notes_follow_the_paragraph_of_their_mark():
    mark = '<w:r><w:{0}Reference w:id="{1}"/></w:r>'
    body = paragraph("The fee is 40", mark.format("footnote", 2), " euros.") + paragraph(
        "Ends.", mark.format("endnote", 3)
    )
    notes = {
        "footnotes": '<w:footnote w:id="-1"><w:p><w:r><w:separator/></w:r></w:p></w:footnote>'
        f'<w:footnote w:id="2">{paragraph("Members pay half.")}</w:footnote>',
        "endnotes": f'<w:endnote w:id="3">{paragraph("At noon.")}</w:endnote>',
    }
    expected = ["The fee is 40 euros.", "Note: Members pay half.", "Ends.", "Note: At noon."]
    assert texts(body, **notes) == expected


def test_a_note_that_cites_itself_is_read_once():
    itself = paragraph("Again", '<w:r><w:footnoteReference w:id="1"/></w:r>')
    body = paragraph("Text", '<w:r><w:footnoteReference w:id="1"/></w:r>')
    found = texts(body, footnotes=f'<w:footnote w:id="1">{itself}</w:footnote>')
    assert found == ["Text", "Note: Again"]


def test_a_text_box_is_read_once_and_after_its_paragraph():
    box = "<w:txbxContent>" + paragraph("Mind the gap.") + "</w:txbxContent>"
    alternates = (
        f'<w:r><mc:AlternateContent><mc:Choice Requires="wps"><wps:txbx>{box}</wps:txbx>'
        f"</mc:Choice><mc:Fallback><w:pict><v:textbox>{box}</v:textbox></w:pict></mc:Fallback>"
        "</mc:AlternateContent></w:r>"
    )
    body = paragraph("Before ", alternates, "after.")
    assert texts(body) == ["Before after.", "Mind the gap."]
    only_old = alternates.replace(f"<wps:txbx>{box}</wps:txbx>", "")
    assert texts(paragraph(only_old)) == ["Mind the gap."]


def test_equations_are_written_on_one_line():
    def t(text):
        return f"<m:r><m:t>{text}</m:t></m:r>"

    half = f"<m:f><m:num>{t('a+b')}</m:num><m:den>{t('2')}</m:den></m:f>"
    power = f"<m:sSup><m:e>{t('x')}</m:e><m:sup>{t('2')}</m:sup></m:sSup>"
    root = f"<m:rad><m:deg/><m:e>{power}</m:e></m:rad>"
    total = (
        '<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr><m:sub>' + t("i=1") + "</m:sub><m:sup>"
        + t("n") + "</m:sup><m:e>" + t("i") + "</m:e></m:nary>"
    )  # fmt: skip
    body = paragraph("So ", f"<m:oMath>{t('y=')}{half}</m:oMath>", ".") + paragraph(
        f"<m:oMathPara><m:oMath>{root}{t('=')}{total}</m:oMath></m:oMathPara>"
    )
    assert texts(body) == ["So y=(a+b)/2.", "√(x^2)=∑_(i=1)^n i"]


def level(number, form, text, start=1):
    return (
        f'<w:lvl w:ilvl="{number}"><w:start w:val="{start}"/><w:numFmt w:val="{form}"/>'
        f'<w:lvlText w:val="{text}"/></w:lvl>'
    )


NUMBERING = (
    '<w:abstractNum w:abstractNumId="0">'
    + level(0, "decimal", "%1.")
    + level(1, "lowerLetter", "%2)")
    + level(2, "upperRoman", "%1.%3")
    + '</w:abstractNum><w:abstractNum w:abstractNumId="1">'
    + level(0, "bullet", "")
    + '</w:abstractNum><w:num w:numId="5"><w:abstractNumId w:val="0"/></w:num>'
    '<w:num w:numId="6"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0">'
    '<w:startOverride w:val="4"/></w:lvlOverride></w:num>'
    '<w:num w:numId="7"><w:abstractNumId w:val="1"/></w:num>'
)


def test_lists_are_numbered_as_word_numbers_them():
    steps = [(5, 0), (5, 1), (5, 1), (5, 2), (5, 0), (5, 1), (6, 0), (7, 0), (0, 0), (99, 0)]
    body = "".join(paragraph("step", numbering=step) for step in steps)
    markers = ["1.", "a)", "b)", "1.I", "2.", "a)", "4.", "-", "", "-"]
    assert texts(body, numbering=NUMBERING) == [f"{one} step".strip() for one in markers]


def style(style_id, name, more=""):
    return f'<w:style w:styleId="{style_id}"><w:name w:val="{name}"/>{more}</w:style>'


STYLES = (
    style("berschrift1", "heading 1")
    + style("x", "标题 2")
    + style("own", "Chapter", '<w:basedOn w:val="berschrift1"/>')
    + style("lined", "Lined", '<w:pPr><w:outlineLvl w:val="1"/></w:pPr>')
    + style("toc", "toc 1")
    + style("loop", "Loop", '<w:basedOn w:val="loop"/>')
    + style("t", "Title")
    + style("gone", "Gone", "<w:rPr><w:vanish/></w:rPr>")
    + style(
        "n",
        "Section",
        '<w:basedOn w:val="own"/><w:pPr><w:numPr><w:numId w:val="5"/></w:numPr></w:pPr>',
    )
)


def test_headings_are_told_by_style_outline_and_basis():
    body = "".join(
        paragraph(style or "text", style=style)
        for style in ("t", "toc", "berschrift1", "x", "loop", "own", "lined", "gone", "", "n")
    )
    document = parse(
        "a.docx", word_file(body + paragraph("end"), styles=STYLES, numbering=NUMBERING)
    )
    assert document.title == "t"
    assert [(block.heading_path, block.text) for block in document.blocks] == [
        ((), "t"),
        (("berschrift1", "x"), "loop"),
        (("own", "lined"), "text"),
        (("1. n",), "end"),
    ]


def test_a_long_paragraph_with_an_outline_level_is_text():
    words = "many words " * 30
    body = paragraph(words, style="lined")
    assert texts(body, styles=STYLES) == [words.strip()]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.docm", "application/vnd.ms-word.document.macroEnabled.main+xml"),
        (
            "a.dotx",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
        ),
        ("a.dotm", "application/vnd.ms-word.template.macroEnabledTemplate.main+xml"),
    ],
)
def test_files_with_macros_and_templates_are_read_too(name, kind):
    assert parse(name, word_file(paragraph("Words."), main_type=kind)).text == "Words."


def test_a_file_saved_as_strict_open_xml_is_read():
    with ZipFile(io.BytesIO(word_file(paragraph("Words."), styles=STYLES))) as file:
        members = {name: file.read(name) for name in file.namelist()}
    old, new = rb"http://schemas.openxmlformats.org/(\w+)/2006/", rb"http://purl.oclc.org/ooxml/\1/"
    members = {name: re.sub(old, new, content) for name, content in members.items()}
    assert b"purl" in members["word/document.xml"]
    assert parse("a.docx", archive(members.items())).text == "Words."


def test_the_day_of_the_last_change_is_known():
    document = docx.Document()
    document.add_paragraph("Words.")
    document.core_properties.modified = datetime.datetime(2026, 3, 4, 5)
    assert parse("a.docx", saved(document)).date == "2026-03-04"
    assert parse("a.docx", word_file(paragraph("Words."))).date is None


def test_a_broken_note_part_is_told():
    data = word_file(paragraph("Words."), footnotes="<w:footnote>")
    with pytest.raises(InvalidFileError, match="broken"):
        parse("a.docx", data)
