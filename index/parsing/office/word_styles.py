"""What the styles of a Word document say about its text: headings, lists, hidden and raised words.

A style inherits from the one that it is based on. Built-in styles keep their English names in the
file in every language of Word; other programs write translated ones.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from docx.oxml.ns import qn

from index.parsing.raised import Place

VALUE = qn("w:val")
_MAX_BASES = 20
_BODY_TEXT = 9  # as an outline level (ECMA-376-1, 17.3.1.20)
_HEADING = re.compile(
    r"(?:heading|überschrift|titre|título|titulo|titolo|kop|rubrik|overskrift|otsikko|nagłówek|"
    r"nadpis|заголовок|başlık|címsor|标题|標題|見出し|제목) ?([1-9])",  # noqa: RUF001
    re.IGNORECASE,
)
_CONTENTS = re.compile(r"(?:toc|contents|verzeichnis|inhaltsverzeichnis) [1-9]", re.IGNORECASE)
_PLACES: dict[str, Place] = {"superscript": "raised", "subscript": "lowered"}


@dataclass(frozen=True, kw_only=True)
class Style:
    """What counts of a style, with what it inherits.

    `number` is its numbering (numId), None without one, and `number_level` its level in that.
    """

    name: str = ""
    heading_level: int | None = None
    is_hidden: bool = False
    place: Place = "line"
    number: str | None = None
    number_level: int = 0

    @property
    def is_list(self) -> bool:
        """Whether its paragraphs are list items by the name of the style alone."""
        return self.name.startswith("List") and self.name != "List Continue"

    @property
    def is_contents(self) -> bool:
        """Whether its paragraphs are lines of a table of contents, which repeat the headings."""
        return bool(_CONTENTS.fullmatch(self.name))


@dataclass
class Styles:
    """The styles by their ids."""

    root: Any | None
    _elements: dict[str, Any] = field(default_factory=dict)
    _known: dict[str, Style] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Finds the elements; each is read when it is asked for."""
        found = [] if self.root is None else self.root.findall(qn("w:style"))
        self._elements = {str(one.get(qn("w:styleId"))): one for one in found}

    def of(self, element: Any, reference: str) -> Style:
        """The style that the properties of a paragraph or run name, an empty one without."""
        found = None if element is None else element.find(qn(reference))
        return Style() if found is None else self.named(str(found.get(VALUE)))

    def named(self, style_id: str) -> Style:
        """The style of this id."""
        if style_id not in self._known:
            self._known[style_id] = self._read(style_id)
        return self._known[style_id]

    def _read(self, style_id: str) -> Style:
        chain: list[Any] = []  # the style itself, then what it is based on
        while style_id in self._elements and len(chain) < _MAX_BASES:
            chain.append(self._elements[style_id])
            based = chain[-1].find(qn("w:basedOn"))
            style_id = "" if based is None else str(based.get(VALUE))
        names = [_value(one, "w:name") or "" for one in chain]
        number = _first(chain, "w:pPr/w:numPr/w:numId")
        return Style(
            name=names[0] if names else "",
            heading_level=_heading_level(chain, names),
            is_hidden=any(is_on(one.find(_path("w:rPr/w:vanish"))) for one in chain),
            place=_PLACES.get(_first(chain, "w:rPr/w:vertAlign") or "", "line"),
            number=number,
            number_level=whole(_first(chain, "w:pPr/w:numPr/w:ilvl")),
        )


def heading_level(outline: str | None) -> int | None:
    """The heading level of an outline level, None for body text."""
    level = whole(outline) if outline is not None else _BODY_TEXT
    return level + 1 if level < _BODY_TEXT else None


def is_on(element: Any) -> bool:
    """Whether a property that is on or off is there and not switched off."""
    return element is not None and element.get(VALUE) not in ("0", "false", "off")


def place_of(properties: Any) -> Place | None:
    """Where the properties of a run place it; None if they do not say."""
    found = None if properties is None else properties.find(qn("w:vertAlign"))
    return None if found is None else _PLACES.get(str(found.get(VALUE)), "line")


def whole(text: str | None) -> int:
    """A number from 0; 0 for what is none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 6 else 0


def _heading_level(chain: list[Any], names: list[str]) -> int | None:
    for element, name in zip(chain, names, strict=True):
        if found := _HEADING.fullmatch(name):
            return int(found[1])
        outline = _value(element, "w:pPr/w:outlineLvl")
        if outline is not None:
            return heading_level(outline)
    return None


def _first(chain: list[Any], path: str) -> str | None:
    values = (_value(element, path) for element in chain)
    return next((value for value in values if value is not None), None)


def _value(element: Any, path: str) -> str | None:
    found = element.find(_path(path))
    return None if found is None else str(found.get(VALUE))


def _path(path: str) -> str:
    return "/".join(qn(name) for name in path.split("/"))
