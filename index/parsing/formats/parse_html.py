"""HTML to plain text under headings: what a reader of the page would see, without its furniture."""

from bs4 import BeautifulSoup
from bs4.element import CData, NavigableString, PageElement, Tag

from index.parsing.document import Document, DocumentBuilder
from index.parsing.parse_source import Source

# fmt: off
SKIPPED = frozenset({
    "script", "style", "noscript", "template", "head", "nav", "aside", "footer", "form",
    "button", "select", "svg", "math", "iframe", "object", "canvas", "audio", "video",
})
BLOCKS = frozenset({
    "address", "article", "blockquote", "body", "br", "dd", "details", "div", "dl", "dt",
    "fieldset", "figcaption", "figure", "header", "hr", "html", "li", "main", "ol", "p", "pre",
    "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul", "h1", "h2", "h3",
    "h4", "h5", "h6",
})
# fmt: on
_CELL_END = "\0"  # no text has it
HEADINGS = frozenset(f"h{level}" for level in range(1, 7))


def parse_html(source: Source) -> Document:
    """Reads a page: its `<main>` if it has one, else all, but no hidden parts or menus."""
    soup = _soup(source.text())
    title = soup.title.get_text().strip() if soup.title else ""
    reader = _Reader(source.builder(title))
    reader.read(soup.find("main") or soup)
    return reader.builder.build()


def words_of_html(text: str) -> str:
    """The words of a fragment of HTML, on one line."""
    return _soup(text).get_text(" ", strip=True)


def _soup(text: str) -> BeautifulSoup:
    # Without the tag, Beautiful Soup warns of text that looks like a path, a URL or XML.
    return BeautifulSoup(f"<html>{text}", "html.parser")


class _Reader:
    """Walks the tree with a stack of its own: depth is the author's choice, and may be hostile."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self.builder = builder
        self._pieces: list[str] = []  # text of the block that is open
        self._item_marker = ""  # at the start of a list item: what precedes its text
        self._rows: list[list[str]] = []  # of the table that is open
        self._listings = 0  # how many <pre> are open

    def read(self, root: Tag) -> None:
        stack: list[tuple[PageElement, bool]] = [(root, False)]
        while stack:
            node, closing = stack.pop()
            if not isinstance(node, Tag):
                self._add_text(node)
            elif closing:
                self._close(node)
            elif node.name not in SKIPPED and not _is_hidden(node):
                self._open(node)
                stack.append((node, True))
                stack.extend((child, False) for child in reversed(node.contents))

    def _add_text(self, node: PageElement) -> None:
        # Comments, doctypes and the like are subclasses.
        if type(node) in (NavigableString, CData):
            self._pieces.append(str(node))

    def _open(self, tag: Tag) -> None:
        if tag.name in BLOCKS:
            self._flush()
        if tag.name == "pre":
            self._listings += 1
        elif tag.name == "table":
            self._rows = []
        elif tag.name == "li":
            self._item_marker = "- "
        elif tag.name == "img":
            self._pieces.append(str(tag.get("alt", "")))

    def _close(self, tag: Tag) -> None:
        if tag.name in HEADINGS:
            self.builder.add_heading(int(tag.name[1]), self._take())
        elif tag.name == "tr":
            self._end_row()
        elif tag.name == "table":
            self.builder.add_table(self._rows)
            self._rows = []
        elif tag.name in BLOCKS:
            self._flush()
        elif tag.name in ("td", "th"):
            self._pieces.append(_CELL_END)
        if tag.name == "pre":
            self._listings -= 1

    def _end_row(self) -> None:
        cells = self._take().split(_CELL_END)
        self._rows.append(cells[:-1] if len(cells) > 1 else cells)

    def _flush(self) -> None:
        text = self._take().replace(_CELL_END, " ")
        if self._listings:
            self.builder.add_code(text)
        elif text.strip():
            self.builder.add_block(self._item_marker + text)
        if text.strip():
            self._item_marker = ""

    def _take(self) -> str:
        text = "".join(self._pieces)
        self._pieces.clear()
        return text


def _is_hidden(tag: Tag) -> bool:
    style = str(tag.get("style", "")).replace(" ", "").lower()
    return (
        tag.has_attr("hidden")
        or tag.get("aria-hidden") == "true"
        or "display:none" in style
        or "visibility:hidden" in style
    )
