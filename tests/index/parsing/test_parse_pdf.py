"""PDFs are written by hand here: no library that writes them is a dependency."""

import pytest

from benchmarks.exam.pdf import pdf_of
from index.errors import FileLimitError, InvalidFileError
from index.parsing.parse import parse
from index.parsing.parse_limits import ParseLimits
from tests.hostile_files import looping_pdf


def stream(content):
    return b"<</Length %d>>\nstream\n%s\nendstream" % (len(content), content)


def text_pdf(pages, title=b""):
    """Pages of lines: (size, height, words)."""
    kids = b" ".join(b"%d 0 R" % (5 + 2 * number) for number in range(len(pages)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(pages), kids),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        b"<</Title(%s)>>" % title,
    ]
    for number, lines in enumerate(pages):
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %d 0 R"
            b"/Resources<</Font<</F 3 0 R>>>>>>" % (6 + 2 * number)
        )
        drawn = [b"BT /F %d Tf 72 %d Td (%s) Tj ET" % line for line in lines]
        objects.append(stream(b"\n".join(drawn)))
    return pdf_of(objects, b"/Root 1 0 R/Info 4 0 R")


BODY = [
    (12, 700, b"The port of the node is 8000, and it is"),
    (12, 686, b"open to all."),
    (12, 650, b"A gap starts a paragraph."),
    (12, 636, b"- One item."),
    (12, 622, b"- Another item."),
]


def test_sizes_tell_headings_and_gaps_tell_paragraphs():
    pages = [
        [(24, 760, b"The manual"), (18, 730, b"Ports"), *BODY],
        [(18, 760, b"Limits"), *BODY],
    ]
    document = parse("a.pdf", text_pdf(pages, title=b"Manual"))
    paragraphs = [
        "The port of the node is 8000, and it is open to all.",
        "A gap starts a paragraph.",
        "- One item.",
        "- Another item.",
    ]
    assert document.title == "Manual"
    assert [(block.page, block.heading_path, block.text) for block in document.blocks] == [
        (page, ("The manual", heading), text)
        for page, heading in ((1, "Ports"), (2, "Limits"))
        for text in paragraphs
    ]


def test_what_runs_through_the_pages_is_left_out():
    pages = [
        [(9, 770, b"Node manual %d" % number), *BODY, (9, 30, b"%d" % number)]
        for number in range(1, 5)
    ]
    document = parse("a.pdf", text_pdf(pages))
    assert document.text.count("manual") == 1  # a title is no noise where it stands first
    assert [block.page for block in document.blocks if "gap" in block.text] == [1, 2, 3, 4]


def test_a_pdf_without_text_is_refused():
    with pytest.raises(InvalidFileError, match="no text on its 2 pages: scanned pages"):
        parse("a.pdf", text_pdf([[], []]))


def test_too_many_pages_are_refused():
    with pytest.raises(FileLimitError, match="has 3 pages, at most 2 are allowed"):
        parse("a.pdf", text_pdf([BODY] * 3), ParseLimits(max_pages=2))


def test_an_encrypted_pdf_is_refused():
    data = text_pdf([BODY])
    lock = b"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>/ID[<00><00>]" % (
        b"41" * 32,
        b"42" * 32,
    )
    with pytest.raises(InvalidFileError, match="is encrypted: it needs a password"):
        parse("a.pdf", data.replace(b"/Info 4 0 R", b"/Info 4 0 R" + lock))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"plain text", "not what its name says: it is something else"),
        (b"PK\x03\x04rest", "not what its name says: it is a ZIP archive"),
        (b"%PDF-1.7\nnothing", "is broken"),
        (text_pdf([BODY])[:300], "is broken|no text"),
    ],
)
def test_what_is_no_pdf_is_refused(data, message):
    with pytest.raises(InvalidFileError, match=message):
        parse("a.pdf", data)


def test_a_page_tree_that_bites_its_tail_ends():
    with pytest.raises(InvalidFileError, match=r"is broken|no text"):
        parse("a.pdf", looping_pdf())


def test_a_million_declared_pages_are_refused():
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count 1000000/Kids[3 0 R]>>"]
    with pytest.raises(InvalidFileError, match=r"1000000 pages, at most 2000|is broken"):
        parse("a.pdf", pdf_of([*objects, b"<</Type/Page/Parent 2 0 R>>"]))
