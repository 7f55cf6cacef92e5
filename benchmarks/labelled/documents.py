"""Make the documents of the retrieval set from unpacked Debian packages.

    dpkg -x each package into PACKAGES/<package>
    python -m benchmarks.labelled.documents PACKAGES

The documents are committed, so this runs only when `pages.txt` changes. It keeps of each page what
the project's own parser reads in its main part, as plain HTML; menus and permalinks go.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from bs4 import BeautifulSoup, Tag

from index.parsing.document import Block, Document
from index.parsing.parse import parse

DATA = Path(__file__).resolve().parents[1] / "data" / "retrieval"
# Where the text of a page is, by source.
MAIN = {
    "postgresql": "body",
    "python": "div[role=main]",
    "apache": "#page-content",
    "django": "#bd .yui-b",
    "node": "#apicontent",
    "rust": "main",
}
# Navigation, and lines of Rust listings that the book itself does not show.
JUNK = (
    ".navheader, .navfooter, .toc, .headerlink, .permalink, .mark, .legacy, .boring, .buttons, "
    "#quickview, .top, .toplang, .seealso, .related, .lang-toggle, .api_metadata, .changelog, "
    ".contents, .nav-wrapper, .api_stability"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write every page of `pages.txt` into `documents/`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packages", type=Path, help="folder of the unpacked packages")
    parser.add_argument("--out", type=Path, default=DATA / "documents")
    options = parser.parse_args(arguments)
    for source, page, name in pages(options.packages):
        document = read_page(source, page)
        target = options.out / source / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(as_html(document), encoding="utf-8")
        print(f"{len(document.text):7d} characters  {source}/{target.name}")
    return 0


def pages(packages: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield the source, the file and the new name of each page that is listed."""
    source, root = "", packages
    for line in (DATA / "pages.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("= "):
            _, source, package, folder = line.split()
            root = packages / package / folder
        elif line and not line.startswith("#"):
            yield source, root / line, line.replace("/", "-")


def read_page(source: str, page: Path) -> Document:
    """Parse the main part of a page."""
    soup = BeautifulSoup(page.read_bytes(), "html.parser")
    body = soup.select_one(MAIN[source])
    if body is None:
        raise ValueError(f"{page} has no {MAIN[source]!r}")
    for junk in body.select(JUNK):
        junk.decompose()
    heading = body.find(["h1", "h2"])
    title = heading.get_text(" ", strip=True) if isinstance(heading, Tag) else page.stem
    return parse(page.name, f"<title>{escape(title)}</title><main>{body}</main>".encode())


def as_html(document: Document) -> str:
    """Write a document so that parsing it again gives the same blocks."""
    lines = [f"<!doctype html>\n<title>{escape(document.title)}</title>\n<main>"]
    path: tuple[str, ...] = ()
    in_table = False
    for block in document.blocks:
        starts_table = block.kind == "row" and block.columns in ("", block.text)
        if in_table and (block.kind != "row" or starts_table):
            lines.append("</table>")
        lines += headings(path, block.heading_path)
        path = block.heading_path
        if starts_table:
            lines.append("<table>")
        in_table = block.kind == "row"
        lines.append(element(block))
    return "\n".join([*lines, *(["</table>"] if in_table else []), "</main>\n"])


def headings(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Return the headings that lead from one section to the next."""
    shared = 0
    while shared < min(len(old), len(new)) and old[shared] == new[shared]:
        shared += 1
    return [
        f"<h{level}>{escape(text)}</h{level}>"
        for level, text in enumerate(new[shared:], start=shared + 1)
    ]


def element(block: Block) -> str:
    """Write one block as one element."""
    if block.kind == "code":
        return f"<pre>\n{escape(block.text)}\n</pre>"
    if block.kind == "row":
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in block.text.split(" | "))
        return f"<tr>{cells}</tr>"
    if block.text.startswith("- "):
        return f"<li>{escape(block.text[2:], quote=False)}</li>"
    return f"<p>{escape(block.text, quote=False)}</p>"


if __name__ == "__main__":
    raise SystemExit(main())
