"""Lists of HTML: what stands before the text of an item."""

import re

from index.parsing.document import DocumentBuilder
from index.parsing.html_tree import Node

_NUMBER = re.compile(r"\s*([+-]?\d{1,9})")


class Lists:
    """Adds blocks, each item with its mark, number or term before it.

    <ul><li>    - text
    <ol><li>    3. text
    <dt><dd>    Term: text
    """

    def __init__(self, builder: DocumentBuilder) -> None:
        self._builder = builder
        self._numbers: list[int | None] = []  # of each open list: of its next item
        self._letters: list[str] = []  # of each open list: "a" or "A" where it counts so
        self._marker = ""
        self._term = ""
        self._is_explained = False  # the term has its definition

    def enter(self, node: Node, tag: str) -> None:
        """Meets the start of a list, of an item, or of a listing."""
        if tag in ("ul", "ol", "menu", "dl"):
            start = _number(node, "start")
            self._numbers.append((1 if start is None else start) if tag == "ol" else None)
            self._letters.append(node.attributes.get("type") or "")
        elif tag == "li":
            self.release()
            self._marker = self._item_marker(node)
        elif tag == "dd" and self._term:
            self._marker = f"{self._term}{' ' if self._term[-1] in '.:?!' else ':'} "
            self._is_explained = True
        elif tag == "pre":
            self.release()

    def leave(self, tag: str) -> None:
        """Meets the end of a list or of an item."""
        if tag in ("ul", "ol", "menu", "dl") and self._numbers:
            self._numbers.pop()
            self._letters.pop()
        if tag == "dd":
            self.release()
        elif tag == "dl":
            self._drop_term()
        elif tag == "li":
            self._marker = ""

    def add_term(self, text: str) -> None:
        """Takes what the next definition explains; several terms may share one."""
        text = " ".join(text.split())
        if self._is_explained or not self._term:
            self._term, self._is_explained = text, False
        else:
            self._term += f", {text}"

    def add_block(self, text: str) -> None:
        """Adds text that is not blank; only the first of an item has its marker."""
        if text.strip():
            self._builder.add_block(self._marker + text)
            self._marker = ""

    def release(self) -> None:
        """Adds a term whose definition is no text; a bare mark or number is nothing."""
        if len(self._marker) > len("1000000. ") or self._marker.strip("- .0123456789"):
            self._builder.add_block(self._marker.rstrip(": "))
        self._marker = ""

    def _drop_term(self) -> None:
        if not self._is_explained:
            self._builder.add_block(self._term)
        self._term, self._is_explained = "", False

    def _item_marker(self, node: Node) -> str:
        if not self._numbers or self._numbers[-1] is None:
            return "- "
        value = _number(node, "value")
        number = self._numbers[-1] if value is None else value
        self._numbers[-1] = number + 1
        letter = self._letters[-1]
        if letter in ("a", "A") and 1 <= number <= 26:
            return f"{chr(ord(letter) + number - 1)}. "
        return f"{number}. "


def _number(node: Node, name: str) -> int | None:
    found = _NUMBER.match(node.attributes.get(name) or "")
    return int(found[1]) if found else None
