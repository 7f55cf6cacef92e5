"""OpenDocument files of raw XML."""

import pytest

from index.errors import FileLimitError, InvalidFileError
from index.parsing.parse import parse
from index.parsing.parse_limits import ParseLimits
from tests.hostile_files import archive

_URN = "urn:oasis:names:tc:opendocument:xmlns:{}:1.0"
_NAMES = ("office", "text", "table", "style", "presentation")
NAMESPACES = " ".join(
    [
        *(f'xmlns:{name}="{_URN.format(name)}"' for name in _NAMES),
        f'xmlns:draw="{_URN.format("drawing")}"',
        'xmlns:dc="http://purl.org/dc/elements/1.1/"',
    ]
)
STYLES = (
    '<style:style style:name="Up"><style:text-properties style:text-position="super 58%"/>'
    '</style:style><style:style style:name="Down"><style:text-properties '
    'style:text-position="-33% 58%"/></style:style><style:style style:name="Hide">'
    '<style:text-properties text:display="none"/></style:style><style:style style:name="Gone">'
    '<style:table-properties table:display="false"/></style:style><text:list-style '
    'style:name="Numbers"><text:list-level-style-number text:level="1" style:num-format="1" '
    'style:num-suffix=")"/></text:list-style>'
)


def file_of(kind, body, **more):
    content = (
        f"<office:document-content {NAMESPACES}><office:automatic-styles>{STYLES}"
        f"</office:automatic-styles><office:body><office:{kind}>{body}</office:{kind}>"
        "</office:body></office:document-content>"
    )
    return archive([("content.xml", content.encode()), *more.items()])


def blocks(name, kind, body):
    found = parse(name, file_of(kind, body)).blocks
    return [(block.page, block.heading_path, block.text) for block in found]


def texts(body):
    return [text for _, _, text in blocks("a.odt", "text", body)]


def p(content):
    return f"<text:p>{content}</text:p>"


def cell(content, more=""):
    return f"<table:table-cell {more}>{p(content)}</table:table-cell>"


def row(*cells, more=""):
    return f"<table:table-row {more}>{''.join(cells)}</table:table-row>"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('10<text:span text:style-name="Up">6</text:span> Hz', "10^6 Hz"),
        ('H<text:span text:style-name="Down">2</text:span>O', "H2O"),
        ('Seen <text:span text:style-name="Hide">no</text:span>too', "Seen too"),
        ('a<text:s text:c="9"/>b<text:tab/>c<text:line-break/>d', "a b c d"),
        ("<text:ruby><text:ruby-base>東京</text:ruby-base><text:ruby-text>x</text:ruby-text>"
         "</text:ruby>駅", "東京駅"),
        ("Read<office:annotation><text:p>no</text:p></office:annotation> it", "Read it"),
        ("<text:a>a link</text:a> of <text:date>May</text:date>", "a link of May"),
    ],
)  # fmt: skip
def test_pieces_of_a_paragraph_are_read_as_they_are_seen(content, expected):
    assert texts(p(content)) == [expected]


def test_deleted_text_and_contents_are_not_read():
    deleted = f"<text:deletion>{p('gone')}</text:deletion>"
    deleted = f"<text:tracked-changes>{deleted}</text:tracked-changes>"
    contents = f"<text:table-of-content>{p('Ports 3')}</text:table-of-content>"
    assert texts(deleted + contents + f"<text:section>{p('Kept.')}</text:section>") == ["Kept."]


def test_headings_lists_notes_and_boxes_are_kept_in_order():
    note = f"<text:note-body>{p('Only today.')}</text:note-body>"
    note = f"<text:note><text:note-citation>1</text:note-citation>{note}</text:note>"
    box = f"<draw:frame><draw:text-box>{p('In the box.')}</draw:text-box></draw:frame>"
    inner = f"<text:list><text:list-item>{p('inner')}</text:list-item></text:list>"
    items = f"<text:list-item>{p('one')}{inner}</text:list-item>"
    items += f"<text:list-item>{p('two')}</text:list-item>"
    body = (
        '<text:h text:outline-level="1">Fees</text:h>'
        + p(f"It costs 40{note} euros.{box}")
        + f'<text:list text:style-name="Numbers">{items}</text:list>'
    )
    found = blocks("a.odt", "text", body)
    assert {path for _, path, _ in found} == {("Fees",)}
    assert [text for _, _, text in found] == [
        "It costs 40 euros.",
        "Note: Only today.",
        "In the box.",
        "1) one",
        "- inner",
        "2) two",
    ]


def test_a_table_repeats_what_spans_rows():
    head = f"<table:table-header-rows>{row(cell('City'), cell('Fee'))}</table:table-header-rows>"
    rows = row(cell("Oslo", 'table:number-rows-spanned="2"'), cell("1"))
    rows += row("<table:covered-table-cell/>", cell("2"))
    found = texts(f"<table:table>{head}{rows}</table:table>")
    assert found == ["City | Fee", "Oslo | 1", "Oslo | 2"]


def test_a_sheet_is_read_as_shown_without_its_million_empty_rows():
    empty = '<table:table-cell table:number-columns-repeated="16384"/>'
    sheet = (
        '<table:table table:name="Prices">'
        + row(cell("Plan"), cell("Fee"), empty)
        + row(empty, more='table:number-rows-repeated="1048574"')
        + row(cell("Team", 'office:value="0.075"'), cell("7,5 %"))
        + "</table:table>"
    )
    hidden = f'<table:table table:style-name="Gone">{row(cell("secret"))}</table:table>'
    assert blocks("a.ods", "spreadsheet", sheet + hidden) == [
        (None, ("Prices",), "Plan | Fee"),
        (None, ("Prices",), "Team | 7,5 %"),
    ]


def test_cells_that_are_repeated_without_end_are_read_some_times():
    cells = cell("x", 'table:number-columns-repeated="9999999"')
    many = row(cells, more='table:number-rows-repeated="9999999"')
    data = file_of("spreadsheet", f"<table:table>{many}</table:table>")
    assert 0 < len(parse("a.ods", data).text) < 10_000_000


def test_slides_are_pages_under_their_titles():
    frame = "<draw:frame {}><draw:text-box>{}</draw:text-box></draw:frame>"
    slide = (
        "<draw:page>"
        + frame.format('presentation:class="title"', p("Ports"))
        + f"<draw:g><draw:custom-shape>{p('The port is 8000.')}</draw:custom-shape></draw:g>"
        + "<presentation:notes>"
        + frame.format('presentation:class="notes"', p("Say it loud."))
        + "</presentation:notes></draw:page>"
    )
    slide += f"<draw:page>{frame.format('', p('More.'))}</draw:page>"
    assert blocks("a.odp", "presentation", slide) == [
        (1, ("Ports",), "The port is 8000."),
        (1, ("Ports", "Notes"), "Say it loud."),
        (2, ("Slide 2",), "More."),
    ]
    with pytest.raises(FileLimitError, match="has 2 slides, at most 1 are allowed"):
        parse("a.odp", file_of("presentation", "<draw:page/>" * 2), ParseLimits(max_pages=1))


def test_title_and_day_are_those_of_the_properties():
    words = "<dc:title>The plan</dc:title><dc:date>2024-05-06T01:02:03</dc:date>"
    meta = f"<a {NAMESPACES}>{words}</a>"
    document = parse("a.odt", file_of("text", p("Words."), **{"meta.xml": meta.encode()}))
    assert (document.title, document.date) == ("The plan", "2024-05-06")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (file_of("text", p("x"), **{"META-INF/manifest.xml": b"<encryption-data/>"}), "encrypted"),
        (archive([("word/document.xml", b"<a/>")]), "the archive has no 'content.xml'"),
        (archive([("content.xml", b"<a>")]), "is broken"),
        (archive([("content.xml", b"<!DOCTYPE a [<!ENTITY a 'x'>]><a>&a;</a>")]), "declares XML"),
        (file_of("text", "<text:section>" * 5_000 + "</text:section>" * 5_000), "is broken"),
        (b"plain", "not what its name says"),
    ],
)  # fmt: skip
def test_broken_locked_and_hostile_files_are_refused(data, message):
    with pytest.raises(InvalidFileError, match=message):
        parse("a.odt", data)
