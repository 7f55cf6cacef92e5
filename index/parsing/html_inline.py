"""The words of a block of HTML as they are met: links, images, raised text, notes."""

import re

from index.parsing.html_tree import Node, Page, words
from index.parsing.superscript import subscript, superscript
from index.parsing.wrapping import unwrap

_MARKED = frozenset({"sup", "sub", "a", "q", "s", "del", "strike"})  # what a mark is set for
_SAYS_NOTHING = frozenset(
    "here|click here|see here|read here|more|read more|see more|learn more|find out more|link|this"  # noqa: SIM905
    "|this link|this page|details|download|hier|hier klicken|mehr|weiter|ici|cliquez ici|aquí|qui"
    "|在这里|这里|こちら|여기".split("|")
)
_ADDRESS = re.compile(r"(?:https?://|mailto:)[^\s\"<>]{1,300}")
_NOTE_LABEL = re.compile(r"\A\W{0,3}(?:\d{1,3}|[a-z*])\W{1,3}(?=\S)")
_BACK = " \n↩↑^⏎\ufe0e"  # signs of the way back from a note
_MAX_NOTE_CHARS, _MIN_NOTE_CHARS = 300, 8
_NOTE = " (note: "
_CUT = -1  # the block ended within the element
_TAIL_PIECES = 4


class Inline:
    """The text of the block that is open."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._pieces: list[str] = []
        self._starts: list[int] = []  # where each open element of _MARKED begins
        self._raised = 0
        self._notes: dict[str, str] = {}

    def add(self, text: str) -> None:
        """Adds characters as they are."""
        self._pieces.append(text)

    def add_wrapped(self, text: str) -> None:
        """Adds text whose line ends mean nothing."""
        self._pieces.append(unwrap(text))

    def end_line(self) -> None:
        """Ends a line of a listing, unless it has ended."""
        if self._pieces and not self._pieces[-1].endswith("\n"):
            self.add("\n")

    def take(self) -> str:
        """Gives the text and begins the next block."""
        text = "".join(self._pieces)
        self._pieces.clear()
        self._starts = [_CUT] * len(self._starts)
        return text

    def enter(self, node: Node, tag: str) -> None:
        """Meets the start of an element."""
        if tag in _MARKED:
            self._starts.append(len(self._pieces))
            self._raised += tag == "sup"
        elif tag == "img":
            self.add(f" {node.attributes.get('alt') or ''} ")
        elif tag == "input" and node.attributes.get("type") == "checkbox":
            self.add("[x] " if "checked" in node.attributes else "[ ] ")
        elif tag == "math":
            self.add(f" {_formula(node)} ")

    def leave(self, node: Node, tag: str) -> None:
        """Meets the end of an element."""
        if tag not in _MARKED:
            return
        start = self._starts.pop()
        self._raised -= tag == "sup"
        if start == _CUT:
            return
        text = "".join(self._pieces[start:])
        del self._pieces[start:]
        if tag == "sup":
            self._add_raised(text)
        elif tag == "a":
            self.add(self._link(node, text))
        else:
            self.add(self._set_off(tag, text))

    def _before(self) -> str:
        return "".join(self._pieces[-_TAIL_PIECES:])

    def _add_raised(self, text: str) -> None:
        if not text.startswith(_NOTE):
            self.add(superscript(self._before(), text))
            return
        # A note belongs to the sentence that its mark follows.
        before = self._pieces.pop() if self._pieces else ""
        kept = before.rstrip(" .,;:!?\n")
        self._pieces += [kept, text, before[len(kept) :]]

    def _link(self, node: Node, text: str) -> str:
        attributes = node.attributes
        href = (attributes.get("href") or "").strip()
        is_mark = self._raised or attributes.get("role") == "doc-noteref"
        if is_mark and href.startswith("#") and self._before().strip():
            return self._note(node, href[1:])
        if href.startswith("#") and not text.strip(_BACK):
            return ""
        if not text.strip():
            return attributes.get("aria-label") or attributes.get("title") or text
        says = text.strip(" .:>»→\n").lower() if len(text) < _MAX_NOTE_CHARS else text
        if says in _SAYS_NOTHING and _ADDRESS.fullmatch(href):
            return f"{text} ({href})"
        return text

    def _note(self, link: Node, name: str) -> str:
        """The note that a mark leads to; nothing for a long one and for lists of literature."""
        parent = link.parent
        if parent is None or "reference" in (parent.attributes.get("class") or ""):
            return ""
        if name not in self._notes:
            self._notes[name] = self._note_text(name)
        note = self._notes[name]
        return f"{_NOTE}{note})" if note else ""

    def _note_text(self, name: str) -> str:
        node = self._page.notes.get(name)
        while node is not None and node.tag not in ("body", "html"):
            text = words(node, max_chars=_MAX_NOTE_CHARS + 1)
            if len(text) > _MAX_NOTE_CHARS:
                break
            text = _NOTE_LABEL.sub("", text).rstrip(_BACK + ".")
            if len(text) >= _MIN_NOTE_CHARS:
                return text
            node = node.parent
        return ""

    def _set_off(self, tag: str, text: str) -> str:
        if not text.strip():
            return text
        if tag == "sub":
            return subscript(self._before(), text)
        return f'"{text}"' if tag == "q" else f"~~{text.strip()}~~ "  # a price that holds no more


def _formula(node: Node) -> str:
    """A formula as its author wrote it in TeX, else its signs."""
    if written := node.attributes.get("alttext"):
        return written
    source = node.css_first('annotation[encoding="application/x-tex"]')
    return words(source if source is not None else node)
