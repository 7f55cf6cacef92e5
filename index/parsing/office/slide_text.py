"""The words of a paragraph on a slide: runs, line ends, fields, equations."""

from collections.abc import Iterable
from typing import Any

from index.parsing.office.drawings import DRAWING
from index.parsing.office.equations import MATH, linear
from index.parsing.office.symbols import without_private
from index.parsing.office.word_text import ALTERNATES, alternative
from index.parsing.raised import Place, placed

_NUMBER_FIELD = "slidenum"


def paragraph_text(paragraph: Any) -> str:
    """The text of an `a:p`, a blank where a line ends."""
    written = ""
    for child in paragraph:
        if child.tag == f"{DRAWING}br":
            written += " "
        elif child.tag == ALTERNATES or child.tag.endswith("}m"):
            part = alternative(child) if child.tag == ALTERNATES else child
            written += "".join(linear(one) for one in part.iter(f"{MATH}oMath"))
        elif child.tag in (f"{DRAWING}r", f"{DRAWING}fld") and child.get("type") != _NUMBER_FIELD:
            found = child.find(f"{DRAWING}t")
            text = "" if found is None else without_private(found.text or "").replace("\v", " ")
            written += placed(written, text, _place(child))
    return written


def body_text(paragraphs: Iterable[Any]) -> str:
    """The text of several paragraphs on one line."""
    return " ".join(paragraph_text(one) for one in paragraphs).strip()


def _place(run: Any) -> Place:
    properties = run.find(f"{DRAWING}rPr")
    baseline = "0" if properties is None else properties.get("baseline", "0")
    if baseline.startswith("-"):
        return "lowered"
    return "line" if baseline in ("0", "0%") else "raised"
