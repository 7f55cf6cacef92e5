"""The letters of a page, through PDFium, joined to segments: what stands together on a line.

    10  6 requests     Room 4        ->  "10^6 requests"   "Room 4"
    ^^ raised     ^^^^^ a gap

Letters come in the order in which the page draws them. What nobody sees is left out: letters
outside of the page or smaller than a point, and invisible ones, unless they are what a program has
recognised in the picture of a scanned page.
"""

import ctypes
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import atan2, cos, degrees, hypot, radians, sin
from typing import Any, NamedTuple

from pypdfium2 import raw

from index.parsing.office.symbols import without_private
from index.parsing.pdf.segment import Segment
from index.parsing.raised import placed

GAP = 1.0  # from here on, in sizes of the letters, what follows is another segment
HYPHEN = "\x02"  # stands for one at the end of a segment, which may be of the line alone
_SPACE = 0.3  # a blank that the page does not draw
_SAME_LINE = 0.5  # in sizes: how far a raised letter may stand from the line
_RAISED_FROM, _SMALLER = 0.15, 0.85
_MIN_SIZE = 1.0
_HYPHENS = {0x02, 0x2D, 0xAD, 0x2010, 0xFFFE}
_BLANKS = {0x00, 0x09, 0x0A, 0x0D, 0x20, 0xA0}
_LIGATURES = {0xFB00: "ff", 0xFB01: "fi", 0xFB02: "fl", 0xFB03: "ffi", 0xFB04: "ffl", 0xFB05: "st"}
_LEADERS = re.compile(r"(?: ?\.){5,} ?")  # from a title to its page, in a table of contents
_INVISIBLE = 3  # text rendering mode (PDF 1.7, table 106)


class Box(NamedTuple):
    """A part of a page."""

    left: float
    bottom: float
    right: float
    top: float


class _Glyph(NamedTuple):
    """A letter; a tuple, since there are thousands on a page."""

    text: str
    left: float
    right: float
    base: float
    size: float
    angle: int  # in degrees
    visible: bool
    after_space: bool


@dataclass(frozen=True, slots=True)
class _Style:
    """What the letters of one text object share."""

    size: float = 0.0
    angle: int = 0
    visible: bool = True


def read_segments(text_page: Any, box: Box) -> list[Segment]:
    """The segments of a page in the order of drawing; those of other directions come last."""
    glyphs = [one for one in _glyphs(text_page, box) if one.size >= _MIN_SIZE]
    visible = [one for one in glyphs if one.visible]
    if len(visible) * 2 >= len(glyphs):
        glyphs = visible
    angles = Counter(one.angle for one in glyphs)
    segments = []
    for angle, _ in angles.most_common():
        segments += _joined([one for one in glyphs if one.angle == angle])
    return list(dict.fromkeys(segments))  # bold is faked by drawing twice


def _glyphs(text_page: Any, box: Box) -> Iterator[_Glyph]:
    page, x, y, bounds = text_page.raw, ctypes.c_double(), ctypes.c_double(), raw.FS_RECTF()
    style, height, after_space = _Style(), None, True
    for index in range(text_page.count_chars()):
        code = raw.FPDFText_GetUnicode(page, index)
        if code in _BLANKS:
            after_space = True
            continue
        raw.FPDFText_GetCharOrigin(page, index, x, y)
        raw.FPDFText_GetLooseCharBox(page, index, bounds)
        if after_space or y.value != height:  # within a word on a line the style stays
            style, height = _style(page, index), y.value
        if box.left <= x.value <= box.right and box.bottom <= y.value <= box.top:
            left, right, base = _turned(x.value, y.value, bounds, style.angle)
            text = HYPHEN if code in _HYPHENS else _LIGATURES.get(code) or chr(code)
            yield _Glyph(
                text, left, right, base, style.size, style.angle, style.visible, after_space
            )
        after_space = False


def _style(page: Any, index: int) -> _Style:
    matrix, part = raw.FS_MATRIX(), raw.FPDFText_GetTextObject(page, index)
    scale, angle = 1.0, 0.0
    if raw.FPDFText_GetMatrix(page, index, matrix):
        scale, angle = hypot(matrix.b, matrix.d), degrees(atan2(matrix.b, matrix.a))
        scale = scale if abs(angle) % 180 < 45 or matrix.d else hypot(matrix.c, matrix.d)
    size = round(raw.FPDFText_GetFontSize(page, index) * scale * 2) / 2  # to half a point
    mode = raw.FPDFTextObj_GetTextRenderMode(part) if part else 0
    return _Style(size=size, angle=round(angle), visible=mode != _INVISIBLE)


def _turned(x: float, y: float, bounds: Any, angle: int) -> tuple[float, float, float]:
    """Left, right and base line as if the text ran from left to right."""
    if angle == 0:
        return bounds.left, bounds.right, y
    along, up = cos(radians(angle)), sin(radians(angle))
    corners = [
        corner_x * along + corner_y * up
        for corner_x in (bounds.left, bounds.right)
        for corner_y in (bounds.bottom, bounds.top)
    ]
    return min(corners), max(corners), y * along - x * up


def _joined(glyphs: list[_Glyph]) -> list[Segment]:
    segments: list[Segment] = []
    run: list[_Glyph] = []
    for glyph in glyphs:
        if run and not _belongs(run, glyph):
            segments.append(_segment(run))
            run = []
        run.append(glyph)
    return [*segments, _segment(run)] if run else segments


def _belongs(run: list[_Glyph], glyph: _Glyph) -> bool:
    """Whether a letter goes on the line of those before it, without a gap."""
    last = run[-1]
    size = max(last.size, glyph.size)
    if glyph.base != last.base:
        rise = min(abs(glyph.base - last.base), abs(glyph.base - run[0].base))
        if rise >= _SAME_LINE * size:
            return False
    return _gap(last, glyph) < GAP * size


def _gap(one: _Glyph, other: _Glyph) -> float:
    """The distance in either direction, since some scripts run to the left."""
    ahead = other.left - one.right
    return ahead if ahead >= 0 else max(ahead, one.left - other.right)


def _segment(run: list[_Glyph]) -> Segment:
    size = Counter(one.size for one in run).most_common(1)[0][0]
    size = max(size, max(one.size for one in run) * _SMALLER)
    base = next((one.base for one in run if one.size >= size), run[0].base)
    written = ""
    before: _Glyph | None = None
    for place, glyphs in _by_place(run, size, base):
        text = ""
        for glyph in glyphs:
            if before and (glyph.after_space or _is_space(before, glyph)):
                text += " "
            text, before = text + glyph.text, glyph
        written += placed(written, text, place)
    return Segment(
        text=_clean(written),
        left=min(one.left for one in run),
        right=max(one.right for one in run),
        base=base,
        size=size if size in {one.size for one in run} else max(one.size for one in run),
    )


def _by_place(run: list[_Glyph], size: float, base: float) -> Iterator[tuple[Any, list[_Glyph]]]:
    group: list[_Glyph] = []
    place = ""
    for glyph in run:
        new = "line"
        if glyph.size < size * _SMALLER or (glyph.size < size and len(run) > 1):
            rise = (glyph.base - base) / size
            if abs(rise) > _RAISED_FROM:
                new = "raised" if rise > 0 else "lowered"
        if group and new != place:
            yield place, group
            group = []
        place = new
        group.append(glyph)
    yield place, group


def _is_space(one: _Glyph, other: _Glyph) -> bool:
    return _gap(one, other) > _SPACE * max(one.size, other.size)


def _clean(text: str) -> str:
    """Hyphens but the last are what they look like; pairs of surrogates become one letter."""
    text = _LEADERS.sub(" … ", text.strip())
    text = text[:-1].replace(HYPHEN, "-") + text[-1:]
    if any(0xD800 <= ord(one) < 0xE000 for one in text):
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return without_private(text)
