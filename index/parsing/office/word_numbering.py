"""The numbers of lists and headings, which Word counts and does not write: `2.`, `a)`, `1.1`.

A paragraph names a numbering (numId) and a level in it; numberings that share an abstract one
share its counters (ECMA-376-1, 17.9).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from docx.oxml.ns import qn

_VALUE = qn("w:val")
_MAX_LEVELS = 9
_MAX_NUMBER = 32_767  # as in Word; more would be a trap for what writes Roman numbers
_ROMAN = {
    1000: "m", 900: "cm", 500: "d", 400: "cd", 100: "c", 90: "xc", 50: "l", 40: "xl", 10: "x",
    9: "ix", 5: "v", 4: "iv", 1: "i",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Level:
    """How one level of a numbering counts and writes."""

    start: int = 1
    form: str = "decimal"
    text: str = ""


class Numbering:
    """Counts through a document; ask for each numbered paragraph once, in order."""

    def __init__(self, root: Any | None) -> None:
        """Args: root: the element w:numbering, None where there is none."""
        self._levels: dict[str, dict[int, Level]] = {}
        self._abstract: dict[str, str] = {}
        self._restarts: dict[str, dict[int, int]] = {}
        self._counts: dict[str, dict[int, int]] = {}
        self._seen: set[str] = set()
        if root is not None:
            self._read(root)

    def marker(self, number_id: str, level: int) -> str:
        """What stands before this paragraph: its number, `-` for a bullet, or nothing."""
        abstract = self._abstract.get(number_id)
        if abstract is None:
            return "" if number_id == "0" else "-"
        level = min(max(level, 0), _MAX_LEVELS - 1)
        counts = self._counts.setdefault(abstract, {})
        if number_id not in self._seen:
            self._seen.add(number_id)
            for restarted, start in self._restarts[number_id].items():
                counts[restarted] = start - 1
        levels = self._levels[abstract]
        own = levels.get(level, Level())
        counts[level] = min(counts.get(level, own.start - 1) + 1, _MAX_NUMBER)
        for deeper in range(level + 1, _MAX_LEVELS):
            counts.pop(deeper, None)
        if own.form == "bullet":
            return "-"
        return "" if own.form == "none" else _written(levels, counts, own.text)

    def _read(self, root: Any) -> None:
        for abstract in root.findall(qn("w:abstractNum")):
            levels = {_whole(one, "w:ilvl"): _level(one) for one in abstract.findall(qn("w:lvl"))}
            self._levels[str(abstract.get(qn("w:abstractNumId")))] = levels
        for number in root.findall(qn("w:num")):
            abstract = _child(number, "w:abstractNumId")
            if abstract in self._levels:
                name = str(number.get(qn("w:numId")))
                self._abstract[name] = abstract
                self._restarts[name] = {
                    _whole(one, "w:ilvl"): _number(_child(one, "w:startOverride"))
                    for one in number.findall(qn("w:lvlOverride"))
                    if one.find(qn("w:startOverride")) is not None
                }


def _level(element: Any) -> Level:
    return Level(
        start=_number(_child(element, "w:start") or "1"),
        form=_child(element, "w:numFmt") or "decimal",
        text=_child(element, "w:lvlText"),
    )


def _written(levels: dict[int, Level], counts: dict[int, int], text: str) -> str:
    def part(found: re.Match[str]) -> str:
        level = int(found[1]) - 1
        kind = levels.get(level, Level())
        write = _FORMS.get(kind.form, str)
        return write(counts.get(level, kind.start))

    return re.sub(r"%([1-9])", part, text).strip()


def _letters(number: int) -> str:
    """As Word: a..z, aa, bb."""
    return "" if number < 1 else chr(ord("a") + (number - 1) % 26) * ((number - 1) // 26 + 1)


def _roman(number: int) -> str:
    written = ""
    for value, letters in _ROMAN.items():
        written += letters * (number // value)
        number %= value
    return written


_FORMS: dict[str, Callable[[int], str]] = {
    "lowerLetter": _letters,
    "upperLetter": lambda number: _letters(number).upper(),
    "lowerRoman": _roman,
    "upperRoman": lambda number: _roman(number).upper(),
    "decimalZero": lambda number: f"{number:02}",
    "none": lambda _: "",
}


def _child(element: Any, name: str) -> str:
    found = element.find(qn(name))
    return "" if found is None else str(found.get(_VALUE, ""))


def _whole(element: Any, name: str) -> int:
    return _number(str(element.get(qn(name), "")))


def _number(text: str) -> int:
    return min(int(text), _MAX_NUMBER) if text.isascii() and text.isdigit() else 0
