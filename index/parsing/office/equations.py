"""Equations of Office (OMML) in one line: a/b, x^2, a_1, √(x), ∑_(i=1)^n.

ECMA-376-1, 22.1 lists the elements. What is not known here is read as its parts in a row.
"""

import re
from collections.abc import Callable
from typing import Any

MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_TEXT = f"{MATH}t"
_ONE_TERM = re.compile(r"[\w.,'′]*|[^\w\s]|\w+[_^]\w+")  # noqa: RUF001


def linear(element: Any) -> str:
    """The equation, or a part of one, as text on one line."""
    name = str(element.tag).removeprefix(MATH)
    if element.tag == _TEXT:
        return element.text or ""
    if name in _PROPERTIES:
        return ""
    write = _WRITERS.get(name)
    return write(element) if write else "".join(linear(child) for child in element)


def _part(element: Any, name: str) -> str:
    found = element.find(MATH + name)
    return "" if found is None else linear(found).strip()


def _term(text: str) -> str:
    return text if _ONE_TERM.fullmatch(text) else f"({text})"


def _property(element: Any, group: str, name: str, usual: str) -> str:
    found = element.find(f"{MATH}{group}/{MATH}{name}")
    return usual if found is None else str(found.get(f"{MATH}val", ""))


def _index(mark: str, text: str) -> str:
    return mark + _term(text) if text else ""


def _scripted(element: Any) -> str:
    return (
        _term(_part(element, "e"))
        + _index("_", _part(element, "sub"))
        + _index("^", _part(element, "sup"))
    )


def _fraction(element: Any) -> str:
    return f"{_term(_part(element, 'num'))}/{_term(_part(element, 'den'))}"


def _root(element: Any) -> str:
    degree = _part(element, "deg")
    return f"{'' if degree in ('', '2') else degree}√({_part(element, 'e')})"


def _nary(element: Any) -> str:
    sign = _property(element, "naryPr", "chr", "∫")
    limits = _index("_", _part(element, "sub")) + _index("^", _part(element, "sup"))
    return f"{sign}{limits} {_part(element, 'e')}"


def _delimited(element: Any) -> str:
    begin = _property(element, "dPr", "begChr", "(")
    end = _property(element, "dPr", "endChr", ")")
    between = _property(element, "dPr", "sepChr", "|")
    parts = [linear(one).strip() for one in element.findall(f"{MATH}e")]
    return begin + between.join(parts) + end


def _function(element: Any) -> str:
    return f"{_part(element, 'fName')} {_part(element, 'e')}"


def _limit(mark: str) -> Callable[[Any], str]:
    return lambda element: _part(element, "e") + _index(mark, _part(element, "lim"))


def _matrix(element: Any) -> str:
    rows = [
        ", ".join(linear(cell).strip() for cell in row.findall(f"{MATH}e"))
        for row in element.findall(f"{MATH}mr")
    ]
    return "; ".join(rows)


def _lines(element: Any) -> str:
    return "; ".join(linear(one).strip() for one in element.findall(f"{MATH}e"))


_WRITERS: dict[str, Callable[[Any], str]] = {
    "f": _fraction,
    "sSup": _scripted,
    "sSub": _scripted,
    "sSubSup": _scripted,
    "rad": _root,
    "nary": _nary,
    "d": _delimited,
    "func": _function,
    "limLow": _limit("_"),
    "limUpp": _limit("^"),
    "m": _matrix,
    "eqArr": _lines,
}
_PROPERTIES = {"ctrlPr", "rPr", "argPr"}
