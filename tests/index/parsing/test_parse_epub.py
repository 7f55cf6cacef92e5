"""Books of chapters that are pages of HTML."""

import pytest

from index.errors import FileLimitError, InvalidFileError
from index.parsing.parse import parse
from index.parsing.parse_limits import ParseLimits
from tests.hostile_files import archive

CONTAINER = (
    b'<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
    b'<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
)


def book(*chapters, **more):
    items = "".join(
        f'<item id="c{n}" href="c%20{n}.xhtml" media-type="application/xhtml+xml"/>'
        for n in range(len(chapters))
    )
    order = "".join(f'<itemref idref="c{n}"/>' for n in reversed(range(len(chapters))))
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The book</dc:title>'
        '<dc:date>2020-01-02T03:04:05Z</dc:date></metadata><manifest><item id="nav" '
        f'href="nav.xhtml" properties="nav" media-type="application/xhtml+xml"/>{items}'
        f'</manifest><spine><itemref idref="nav"/><itemref idref="none"/>{order}</spine></package>'
    )
    members = {
        "META-INF/container.xml": CONTAINER,
        "OEBPS/book.opf": package.encode(),
        "OEBPS/nav.xhtml": b"<p>Contents</p>",
        **{f"OEBPS/c {n}.xhtml": text.encode() for n, text in enumerate(chapters)},
    }
    return archive((members | more).items())


def test_chapters_are_read_in_the_order_of_the_book():
    last = "<?xml version='1.0'?><!DOCTYPE html><html><body><h2>End</h2><p>Last.</p></body></html>"
    document = parse("a.epub", book(last, "<h1>Start</h1><p>First &amp; foremost.</p>"))
    assert (document.title, document.date) == ("The book", "2020-01-02")
    assert [(block.heading_path, block.text) for block in document.blocks] == [
        (("Start",), "First & foremost."),
        (("End",), "Last."),
    ]


def test_more_chapters_than_pages_are_refused():
    with pytest.raises(FileLimitError, match="has 2 chapters, at most 1 are allowed"):
        parse("a.epub", book("a", "b"), ParseLimits(max_pages=1))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            book("a", **{"META-INF/encryption.xml": b'<a><b URI="OEBPS/c 0.xhtml"/></a>'}),
            "its seller has locked it",
        ),
        (archive([("META-INF/container.xml", b"<a/>")]), "does not say what its parts are"),
        (archive([("a.txt", b"x")]), "the archive has no 'META-INF/container.xml'"),
        (book("a", **{"OEBPS/book.opf": b"<package>"}), "is broken"),
        (book(), "holds no text"),
    ],
)
def test_locked_and_broken_books_are_refused(data, message):
    with pytest.raises(InvalidFileError, match=message):
        parse("a.epub", data)


def test_entities_of_a_package_are_not_resolved():
    package = (
        b'<!DOCTYPE p [<!ENTITY a "haha"><!ENTITY b "&a;&a;&a;">]><package><title>&b;</title>'
        b'<item id="c" href="c%200.xhtml" media-type="text/html"/><itemref idref="c"/></package>'
    )
    assert parse("a.epub", book("Words.", **{"OEBPS/book.opf": package})).text == "Words."
