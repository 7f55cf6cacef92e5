"""Plain paragraphs from Debian's documentation packages: the raw material of the bundled models.

Reads unpacked packages (`dpkg -x NAME.deb ROOT/NAME`) and writes one JSON object per paragraph with
the keys `doc`, `title`, `heading` and `paragraph`. Code blocks, tables and navigation are dropped.
Not a general HTML reader: it knows the shape of these packages only. None of the text is shipped.
"""

import argparse
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

# Package -> folder of its English pages; all under permissive licences (see the model cards).
SOURCES: dict[str, tuple[str, ...]] = {
    "python3.11-doc": ("usr/share/doc/python3.11/html",),
    "postgresql-doc-15": ("usr/share/doc/postgresql-doc-15/html",),
    "apache2-doc": ("usr/share/doc/apache2-doc/manual/en",),
    "python-django-doc": ("usr/share/doc/python-django-doc/html",),
    "nodejs-doc": ("usr/share/doc/nodejs/api",),
    "rust-doc": tuple(
        f"usr/share/doc/rust-doc/html/{part}"
        for part in (
            "book", "reference", "nomicon", "cargo", "rustc", "edition-guide", "embedded-book",
            "rustdoc", "rust-by-example", "std/collections", "std/sync", "std/io", "std/fs",
            "std/net", "std/process", "std/thread", "std/time", "std/string", "std/vec",
        )
    ),
}  # fmt: skip
SKIPPED_PAGES = re.compile(r"genindex|_modules|search\.html|print\.html|py-modindex|all\.html")
BLOCKS = {"p", "li", "dd", "dt", "td", "th", "div", "section", "article", "ul", "ol", "dl", "table"}
HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4}
SILENT = {"pre", "script", "style", "table", "nav", "head", "footer", "svg", "button", "header"}
NAVIGATION = {"sphinxsidebar", "related", "navheader", "navfooter", "sidebar", "toc", "footer"}
VOID = {"br", "img", "hr", "input", "meta", "link", "col", "wbr", "source", "area", "base"}


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    """One paragraph of a page; `heading` is the heading path below the page title."""

    doc: str
    title: str
    heading: str
    paragraph: str


class _PageReader(HTMLParser):
    """Collects (heading path, paragraph) pairs of one page in reading order."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[list[str], str]] = []
        self._path: dict[int, str] = {}
        self._buffer: list[str] = []
        self._silent: list[str] = []
        self._heading = 0

    def _flush(self) -> None:
        text = clean("".join(self._buffer))
        self._buffer = []
        if not text:
            return
        if self._heading:
            self._path = {k: v for k, v in self._path.items() if k < self._heading}
            self._path[self._heading] = re.sub(r"^[\dA-Z]+(\.\d+)*\.\s+", "", text)
        else:
            self.found.append(([self._path[k] for k in sorted(self._path)], text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Enters a block, a heading or a part to be dropped."""
        classes = set((dict(attrs).get("class") or "").split())
        if self._silent:
            if tag not in VOID:
                self._silent.append(tag)
        elif tag in SILENT or classes & NAVIGATION:
            self._silent.append(tag)
        elif tag in HEADINGS or tag in BLOCKS:
            self._flush()
            self._heading = HEADINGS.get(tag, 0)

    def handle_endtag(self, tag: str) -> None:
        """Leaves it again; unclosed tags inside a dropped part are closed with it."""
        if self._silent:
            if tag in self._silent:
                while self._silent.pop() != tag:
                    pass
        elif tag in HEADINGS or tag in BLOCKS:
            self._flush()
            self._heading = 0

    def handle_data(self, data: str) -> None:
        """Keeps text outside the dropped parts."""
        if not self._silent:
            self._buffer.append(data)


def clean(text: str) -> str:
    """One line, plain quotes, without link signs and footnote marks."""
    text = text.replace("\u2019", "'").replace("\u2018", "'").replace("\u201c", '"')
    text = text.replace("\u201d", '"').replace("\u00b6", " ").replace("\u2014", " - ")
    text = re.sub(r"[\u00a7\u200b\ufeff]|\[\d+\]", "", text)
    return re.sub(r"\s+", " ", text).strip()


def read_page(path: Path) -> Iterator[Paragraph]:
    """Yields the paragraphs of one HTML page."""
    reader = _PageReader()
    reader.feed(path.read_text(encoding="utf-8", errors="ignore"))
    reader.close()
    title = next((p[0] for p, _ in reader.found if p), path.stem)
    for headings, text in reader.found:
        if len(text) >= 40 and " " in text and text[-1] in ".:!?)":
            heading = " > ".join(headings[1:][-2:])
            yield Paragraph(doc=path.name, title=title, heading=heading, paragraph=text)


def read_packages(root: Path) -> Iterator[Paragraph]:
    """Yields every distinct paragraph of every package unpacked under `root`, in a fixed order."""
    seen: set[str] = set()
    for package, folders in SOURCES.items():
        for folder in folders:
            for page in sorted((root / package / folder).rglob("*.html")):
                relative = page.relative_to(root / package / folder).as_posix()
                if SKIPPED_PAGES.search(relative):
                    continue
                for item in read_page(page):
                    if item.paragraph not in seen:
                        seen.add(item.paragraph)
                        doc = f"{package}/{Path(folder).name}/{relative}"
                        yield Paragraph(
                            doc=doc,
                            title=item.title,
                            heading=item.heading,
                            paragraph=item.paragraph,
                        )


def main() -> None:
    """Command line: ROOT (unpacked packages) and OUT (JSONL)."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    unfinished = arguments.out.with_suffix(".tmp")
    with unfinished.open("w", encoding="utf-8") as file:
        for item in read_packages(arguments.root):
            file.write(json.dumps(vars(item), ensure_ascii=False) + "\n")
    os.replace(unfinished, arguments.out)


if __name__ == "__main__":
    main()
