"""HTML to plain text under headings: what a reader of the page would see, without its furniture."""

import re

from index.parsing.document import MAX_HEADING_CHARS, Document, DocumentBuilder
from index.parsing.html_inline import Inline
from index.parsing.html_lists import Lists
from index.parsing.html_tree import HEADINGS, Node, Page, children, parse_tree, walk, words
from index.parsing.parse_source import Source
from index.parsing.table import Cell, grid, num_header_rows

# fmt: off
SKIPPED = frozenset({
    "script", "style", "noscript", "template", "head", "nav", "select", "datalist", "textarea",
    "svg", "iframe", "object", "canvas", "audio", "video", "rt", "rp",
})
BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd", "details",
    "dialog", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header",
    "hr", "html", "legend", "li", "main", "menu", "ol", "p", "pre", "section", "summary", "table",
    "tbody", "tfoot", "thead", "tr", "td", "th", "ul", *HEADINGS,
})
# fmt: on
_LINES = frozenset({*HEADINGS, "summary", "dt", "caption", "button"})  # blocks in these are words
_CELLS = frozenset({"td", "th"})
_CONTENT = frozenset({"main", "article", "blockquote", "figure"})  # asides in these belong to them
_NOTICE = re.compile(r"note|warn|caution|danger|tip|important|admonition|callout|hint|info")
_CONTROL = re.compile(r"accordion|collaps|faq|question")
_FOLDED_LEVEL, _BUTTON_LEVEL = 7, 10_000  # of what a click opens: below all headings


def parse_html(source: Source) -> Document:
    """Reads a page: its `<main>` if it has one, else all, but no hidden parts or menus."""
    page = parse_tree(source.text())
    for root in filter(None, (page.main, page.root)):
        builder = source.builder(page.title)
        builder.date = page.date
        HtmlReader(builder, page).read(root)
        document = builder.build()
        if document.blocks:
            break
    return document


def add_html(builder: DocumentBuilder, text: str) -> None:
    """Adds a part of a page to a document, and of it all that is seen."""
    page = parse_tree(text)
    HtmlReader(builder, page, is_page=False).read(page.root)


class HtmlReader:
    """Walks the tree and tells the builder what it comes upon."""

    def __init__(self, builder: DocumentBuilder, page: Page, *, is_page: bool = True) -> None:
        self._builder = builder
        self._page = page
        self._inline = Inline(page)
        self._lists = Lists(builder)
        self._content = 0 if is_page else 1  # how many elements that hold content are open
        self._lines = 0  # how many elements whose text is one line are open
        self._listings = 0  # how many <pre> are open
        self._folds = 0  # how many <details> are open
        self._rows: list[list[Cell]] | None = None  # of the table of data that is open
        self._caption = ""
        self._buttons: set[int] = set()  # elements that end what a button opens

    def read(self, root: Node) -> None:
        """Reads an element and all in it."""
        walk(root, self._enter, self._leave)
        self._flush()

    def _enter(self, node: Node) -> bool:
        if node.is_text_node:
            text = node.text_content or ""
            (self._inline.add if self._listings else self._inline.add_wrapped)(text)
        if not node.is_element_node or self._is_left_out(node):
            return False
        tag = node.tag or ""
        if tag in BLOCKS:
            self._boundary()
        self._inline.enter(node, tag)
        self._count(tag, 1)
        self._lines += self._is_line(tag)
        if not self._lines:
            self._open(node, tag)
        return tag != "math"

    def _leave(self, node: Node) -> None:
        tag = node.tag or ""
        if self._is_line(tag):
            self._lines -= 1
            if not self._lines:
                self._end_line(node, tag)
        self._inline.leave(node, tag)
        if tag == "pre" and not self._lines:
            self._builder.add_code(self._inline.take())
        elif tag in BLOCKS and tag != "br":
            self._boundary()
        if not self._lines:
            self._close(node, tag)
        self._count(tag, -1)

    def _is_line(self, tag: str) -> bool:
        return tag in _LINES or (tag in _CELLS and self._rows is not None)

    def _count(self, tag: str, step: int) -> None:
        self._content += step * (tag in _CONTENT)
        self._listings += step * (tag == "pre")
        self._folds += step * (tag == "details")

    def _open(self, node: Node, tag: str) -> None:
        """Begins what is no line of words."""
        if tag == "table" and node.mem_id not in self._page.layouts:
            self._lists.release()
            self._rows, self._caption = [], ""
        elif tag == "tr" and self._rows is not None:
            self._rows.append([])
        else:
            self._lists.enter(node, tag)

    def _close(self, node: Node, tag: str) -> None:
        if tag == "table" and self._rows is not None:
            rows, self._rows = self._rows, None
            marked = num_header_rows(rows)
            self._builder.add_table(grid(rows), title=self._caption, num_header_rows=marked)
        elif tag == "details":
            self._builder.end_section(_FOLDED_LEVEL + self._folds)
        elif node.mem_id in self._buttons:
            self._builder.end_section(_BUTTON_LEVEL)
        self._lists.leave(tag)

    def _end_line(self, node: Node, tag: str) -> None:
        """Ends a heading, a cell, a term or the like."""
        text = self._inline.take()
        if tag in _CELLS and self._rows is not None:
            row = node.parent
            group = row.parent if row is not None else None
            is_header = tag == "th" or (group is not None and group.tag == "thead")
            rows, columns = _span(node, "rowspan"), _span(node, "colspan")
            self._rows[-1].append(Cell(text, rows, columns, is_header=is_header))
        elif tag == "caption":
            self._caption = text
        elif tag == "dt":
            self._lists.add_term(text)
        else:
            self._add_heading(node, tag, text)

    def _add_heading(self, node: Node, tag: str, text: str) -> None:
        self._lists.release()
        if len(text) > 2 * MAX_HEADING_CHARS:  # its end tag was forgotten
            self._builder.add_block(text)
        elif tag == "summary":
            self._builder.add_heading(_FOLDED_LEVEL + self._folds, text)
        elif tag == "button":
            self._builder.end_section(_BUTTON_LEVEL)
            self._builder.add_heading(_BUTTON_LEVEL, text)
            self._buttons.add(_scope_of(node).mem_id)
        else:
            self._builder.add_heading(int(tag[1]), text)

    def _boundary(self) -> None:
        """Between two blocks: a blank where both are words of one line."""
        if self._lines:
            self._inline.add(" ")
        elif self._listings:
            self._inline.end_line()
        else:
            self._flush()

    def _flush(self) -> None:
        self._lists.add_block(self._inline.take())

    def _is_left_out(self, node: Node) -> bool:
        tag, attributes = node.tag or "", node.attributes
        if tag in SKIPPED or attributes.get("role") == "navigation":
            return True
        if tag in ("aside", "footer") and not self._content:
            kind = f"{attributes.get('class')} {attributes.get('role')}".lower()
            return tag == "footer" or not _NOTICE.search(kind)
        if tag == "button" and not self._lines and not _is_control(node):
            return True
        return self._page.is_hidden(node)


def _is_control(button: Node) -> bool:
    """Says whether a button is the title of what it opens, not one that does something."""
    attributes = button.attributes
    if "aria-expanded" in attributes or "aria-controls" in attributes:
        return "aria-haspopup" not in attributes
    kind = f"{attributes.get('class')} {attributes.get('data-bs-toggle')}".lower()
    text = words(button)  # a long one is a page whose button never ends
    return bool(_CONTROL.search(kind)) or text.endswith("?") or len(text) > MAX_HEADING_CHARS


def _scope_of(button: Node) -> Node:
    """The element that holds what a button opens: the first around it that holds more."""
    node = button
    while node.parent is not None and node.parent.tag != "body":
        node = node.parent
        if sum(child.is_element_node for child in children(node)) > 1:
            break
    return node


def _span(cell: Node, name: str) -> int:
    number = re.match(r"\s*(\d{1,5})", cell.attributes.get(name) or "")
    return int(number[1]) if number else 1
