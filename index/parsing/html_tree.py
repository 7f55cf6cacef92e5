"""The tree of a page, and what has to be known of it before it is read.

The parser builds what a browser builds (optional end tags, tables, forms). It is written in C:
only inside index/parsing/sandbox.py.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from index.parsing.document import iso_date, one_line

Node = LexborNode

HEADINGS = frozenset(f"h{level}" for level in range(1, 7))
MAX_DEPTH = 512  # of elements: browsers go no deeper (Blink, kMaximumHTMLParserDOMTreeDepth)
# What makes the table around it one of layout; in the header of a column it is its name.
_NO_CELLS = frozenset("table h1 h2 h3 h4 article main section".split())  # noqa: SIM905

# Elements that often have no end tag, so say nothing of how deep a page is; all others count, as
# each may make the parser look through all that is open above it.
_UNCOUNTED = frozenset(
    "html head body p li dt dd tr td th thead tbody tfoot caption colgroup option optgroup rp rt "  # noqa: SIM905
    "area base br col embed hr img input link meta param source track wbr path rect circle ellipse "
    "line polygon polyline use stop".split()
)
_TAG = re.compile(r"<(/?)([a-zA-Z][\w:.-]{0,40})")
_DATES = (  # the later of two days first
    "article:modified_time", "og:updated_time", "last-modified", "dcterms.modified",
    "dc.date.modified", "article:published_time", "datepublished", "dcterms.created", "dc.date",
    "dcterms.date", "date",
)  # fmt: skip


@dataclass
class Page:
    """A tree and what one look at all of it found.

    Attributes:
        root: its outermost element.
        title: of the window, else its first heading.
        date: by its metadata.
        main: the element that holds what the page is about, if it says so.
        shown: ids of hidden elements that a button shows.
        layouts: tables that hold headings or tables, so are no tables of data.
        notes: the elements that a raised link leads to, by id.
    """

    root: Node
    title: str = ""
    date: str | None = None
    main: Node | None = None
    shown: set[str] = field(default_factory=set)
    layouts: set[int] = field(default_factory=set)
    notes: dict[str, Node] = field(default_factory=dict)

    def is_hidden(self, node: Node) -> bool:
        """Says whether a reader does not see an element, nor gets to see it by a click."""
        attributes = node.attributes
        if "hidden" in attributes:
            hidden = attributes["hidden"] != "until-found"
        elif node.tag == "dialog":
            hidden = "open" not in attributes
        else:
            style = (attributes.get("style") or "").replace(" ", "").lower()
            hidden = (
                attributes.get("aria-hidden") == "true"
                or "display:none" in style
                or "visibility:hidden" in style
            )
        return hidden and (attributes.get("id") or "") not in self.shown


def parse_tree(text: str) -> Page:
    """Builds the tree of a page or of a part of one."""
    root = LexborHTMLParser(_flattened(text)).root
    if root is None:  # of an empty text
        return parse_tree("<p>")
    page = Page(root)
    _Scan(page).run()
    return page


def walk(root: Node, enter: Callable[[Node], bool], leave: Callable[[Node], None]) -> None:
    """Goes through a tree in reading order, without recursion; `enter` says whether to go in."""
    stack = [(root, False)]
    while stack:
        node, is_left = stack.pop()
        if is_left:
            leave(node)
        elif enter(node):
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(list(children(node))))


def children(node: Node) -> Iterator[Node]:
    """The nodes right inside this one."""
    child = node.child
    while child is not None:
        yield child
        child = child.next


def words(node: Node, max_chars: int = 1_000) -> str:
    """The text of a small element on one line, cut at so many characters."""
    pieces: list[str] = []
    num_chars = 0

    def enter(one: Node) -> bool:
        nonlocal num_chars
        if one.is_text_node:
            pieces.append(one.text_content or "")
            num_chars += len(pieces[-1])
        return num_chars < max_chars and one.tag not in ("script", "style", "template")

    walk(node, enter, lambda _: pieces.append(" "))
    return one_line("".join(pieces))[:max_chars]


class _Scan:
    """One walk over the whole tree."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._tables: list[int] = []  # that are open, and whether the open cell is a header
        self._in_header: list[bool] = []
        self._raised = 0
        self._wanted: set[str] = set()
        self._ids: dict[str, Node] = {}
        self._metadata: dict[str, str] = {}
        self._heading = ""

    def run(self) -> None:
        walk(self.page.root, self._enter, self._leave)
        self.page.title = self.page.title or self._heading
        self.page.date = next(
            (found for name in _DATES if (found := iso_date(self._metadata.get(name)))), None
        )
        self.page.notes = {name: self._ids[name] for name in self._wanted if name in self._ids}

    def _enter(self, node: Node) -> bool:
        if not node.is_element_node:
            return False
        tag, attributes = node.tag or "", node.attributes
        if name := attributes.get("id"):
            self._ids.setdefault(name, node)
        for key in ("aria-controls", "data-bs-target", "data-target"):
            self.page.shown.update((attributes.get(key) or "").replace("#", "").split())
        self._look_at_table(node, tag, attributes)
        self._look_at_page(node, tag)
        if tag == "sup":
            self._raised += 1
        elif tag == "a" and (self._raised or attributes.get("role") == "doc-noteref"):
            self._wanted.add((attributes.get("href") or "").removeprefix("#"))
        elif tag == "meta":
            name = attributes.get("property") or attributes.get("name") or ""
            self._metadata.setdefault(name.lower(), attributes.get("content") or "")
        return True

    def _look_at_page(self, node: Node, tag: str) -> None:
        if tag == "main" and self.page.main is None and not self.page.is_hidden(node):
            self.page.main = node
        elif tag == "title" and not self.page.title:
            self.page.title = words(node)
        elif tag == "h1" and not self._heading:
            self._heading = words(node)

    def _look_at_table(self, node: Node, tag: str, attributes: dict[str, str | None]) -> None:
        if tag in _NO_CELLS and self._tables and not self._in_header[-1]:
            self.page.layouts.add(self._tables[-1])
        if tag == "table":
            self._tables.append(node.mem_id)
            self._in_header.append(False)
            if attributes.get("role") in ("presentation", "none"):
                self.page.layouts.add(node.mem_id)
        elif tag in ("td", "th") and self._tables:
            self._in_header[-1] = tag == "th"

    def _leave(self, node: Node) -> None:
        if node.tag == "sup":
            self._raised -= 1
        elif node.tag == "table":
            self._tables.pop()
            self._in_header.pop()


def _flattened(text: str) -> str:
    """Makes void elements of those that lie too deep, since deep trees take the square of time."""
    if text.count("<") <= MAX_DEPTH:
        return text
    depth = 0
    pieces, end = [], 0
    for tag in _TAG.finditer(text):
        if tag[2].lower() in _UNCOUNTED:
            continue
        depth = max(0, depth - 1 if tag[1] else depth + 1)
        if depth > MAX_DEPTH or (tag[1] and depth == MAX_DEPTH):
            pieces += [text[end : tag.start()], f"<{tag[1]}wbr"]
            end = tag.end()
    return "".join([*pieces, text[end:]])
