"""The words of a Word paragraph, as a reader sees them.

Deleted text, comments, hidden text and the instructions of fields are not read; inserted text,
content controls, links and the results of fields are. Notes and text boxes are set aside: they
follow the paragraph in which they are anchored.
"""

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

from docx.oxml.ns import qn

from index.parsing.office.drawings import CHART, DIAGRAM, DRAWING
from index.parsing.office.equations import MATH, linear
from index.parsing.office.symbols import symbol, without_private
from index.parsing.office.word_styles import Styles, is_on, place_of
from index.parsing.raised import Place, placed

PARAGRAPH = qn("w:p")
_COMPATIBILITY = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
ALTERNATES, _CHOICE, _FALLBACK = (
    _COMPATIBILITY + name for name in ("AlternateContent", "Choice", "Fallback")
)
_TEXT, _RUN = qn("w:t"), qn("w:r")
_ANCHORED = {qn("w:txbxContent"), f"{CHART}chart", f"{DIAGRAM}relIds"}
_PROPERTIES, _SYMBOL, _FIELD = qn("w:rPr"), qn("w:sym"), qn("w:fldChar")
_HOLD_TEXT = (_TEXT, f"{MATH}t", f"{DRAWING}t", f"{CHART}chart", f"{DIAGRAM}relIds")
_NOTES = {qn("w:footnoteReference"): "footnotes", qn("w:endnoteReference"): "endnotes"}
_TAIL = 20  # letters: what a raised letter follows
_EQUATIONS = {f"{MATH}oMath", f"{MATH}oMathPara"}
_WORDS = {
    qn("w:tab"): " ",
    qn("w:ptab"): " ",
    qn("w:br"): " ",
    qn("w:cr"): " ",
    qn("w:noBreakHyphen"): "-",
}
# The properties of a paragraph hold tab stops, not tabs; a reading aid (w:rt) repeats its word.
SKIPPED = frozenset(
    qn(name) for name in ("w:del", "w:moveFrom", "w:pPr", "w:rPr", "w:rt", "w:sdtPr", "w:tblPr")
)


class _Piece(NamedTuple):
    text: str
    place: Place


class TextReader:
    """Reads paragraphs in order; `notes` and `boxes` collect what is anchored in them.

    Boxes are the contents of text boxes and the references to charts and diagrams.

    A field may span paragraphs, so what is open stays open from one to the next.
    """

    def __init__(self, styles: Styles) -> None:
        self.notes: list[tuple[str, str]] = []  # the part and the id of each
        self.boxes: list[Any] = []
        self._styles = styles
        self._in_instruction: list[bool] = []  # of the fields that are open, outermost first

    def text(self, element: Any) -> str:
        """The words of a paragraph or cell, a blank where paragraphs and lines end."""
        written = ""
        pieces = self._pieces(element, "line")
        parts = []
        for place, group in groupby(pieces, key=lambda piece: piece.place):
            part = "".join(piece.text for piece in group)
            parts.append(placed(written, part, place))
            written = (written + parts[-1])[-_TAIL:]
        return "".join(parts)

    def _pieces(self, parent: Any, place: Place) -> Iterator[_Piece]:
        for child in parent:
            if child.tag in SKIPPED:
                continue
            if child.tag == _RUN:
                yield from self._read_run(child)
            elif child.tag in _ANCHORED:
                self.boxes.append(child)
            elif child.tag in _EQUATIONS:
                yield _Piece(linear(child), "line")
            elif words := self._words(child, parent):
                yield _Piece(words, place)
            else:
                part = alternative(child) if child.tag == ALTERNATES else child
                yield from self._pieces(part, place)
                yield _Piece(" " if child.tag == PARAGRAPH else "", place)

    def _read_run(self, run: Any) -> Iterator[_Piece]:
        properties = run.find(_PROPERTIES)
        style = self._styles.of(properties, "w:rStyle")
        vanish = None if properties is None else properties.find(qn("w:vanish"))
        if style.is_hidden if vanish is None else is_on(vanish):
            for field in run.iter(_FIELD):
                self._turn_field(field)
            return
        yield from self._pieces(run, place_of(properties) or style.place)

    def _words(self, element: Any, parent: Any) -> str:
        """The words of an element that has no parts; notes and fields are noted."""
        tag = element.tag
        if tag in _NOTES:
            self.notes.append((_NOTES[tag], str(element.get(qn("w:id")))))
        elif tag == _FIELD:
            self._turn_field(element)
        elif any(self._in_instruction):
            return ""
        elif tag == _TEXT:
            return without_private(element.text or "", _font(parent))
        elif tag == _SYMBOL:
            font, code = element.get(qn("w:font"), ""), element.get(qn("w:char"), "")
            return symbol(font, int(code, 16)) if _is_code(code) else " "
        return _WORDS.get(tag, "")

    def _turn_field(self, element: Any) -> None:
        kind = element.get(qn("w:fldCharType"))
        if kind == "begin":
            self._in_instruction.append(True)
        elif kind == "separate" and self._in_instruction:
            self._in_instruction[-1] = False
        elif kind == "end" and self._in_instruction:
            self._in_instruction.pop()


def alternative(element: Any) -> Any:
    """Of alternate contents the first that has text; the last is for old programs."""
    choices = [*element.findall(_CHOICE), *element.findall(_FALLBACK)]
    with_text = (one for one in choices if next(one.iter(*_HOLD_TEXT), None) is not None)
    return next(with_text, [])


def _font(run: Any) -> str:
    fonts = run.find(f"{_PROPERTIES}/{qn('w:rFonts')}") if run.tag == _RUN else None
    return "" if fonts is None else str(fonts.get(qn("w:ascii"), ""))


def _is_code(text: str) -> bool:
    return 0 < len(text) <= 4 and all(c in "0123456789abcdefABCDEF" for c in text)
