"""Which line ends of a text are its author's, and which are those of a program that wrapped it.

Each of three lines that begin anew and are short is one of its own:

    Reception 4400
    Kitchen 4407
    Workshop 4414

Where the second goes on with the first, they are a paragraph:

    The port is 8000, and the admin port
    is 8001.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import pairwise

from index.parsing.wrapping import CJK, join_wrapped

ITEM = re.compile(r"[ \t]*(?:[-*+•‣▪◦–][ \t]+|\(?(?:\d{1,3}|[a-z])[.)][ \t]+)(?=\S)")  # noqa: RUF001
GAP = re.compile(r"\t+|(?<=\S) {2,}(?=\S)")  # between the columns of a row
_FIELD = re.compile(r"[ \t]*[^\W\d][^:\n]{0,40}?[ \t]*[:=](?=[ \t]|$)")
_UNFINISHED = re.compile(r"[^.!?:;,\-]$")
_FINISHED = re.compile(r"[.!?…。！？।؟][\"'”’)\]»]*$")  # noqa: RUF001
_ONLY_CJK = re.compile(rf"[{CJK}]")
_NARROW = 50  # characters: prose is rarely wrapped to less
_SHORT = 25  # characters of a line that is a name, a word, a number
_FEW_WORDS = 4
_MIN_CJK_WIDTH, _CJK_SLACK = 15, 3


def join_lines(lines: Sequence[str]) -> Iterator[str]:
    """Joins the wrapped lines of a paragraph; lines that are meant stay by themselves."""
    if not lines:
        return
    if are_meant(lines):
        yield from map(join_wrapped, _with_continuations(lines))
        return
    width = max(len(line.rstrip()) for line in lines)
    piece = [lines[0]]
    for line, following in pairwise(lines):
        if _is_meant(line, following, width):
            yield join_wrapped(piece)
            piece = []
        piece.append(following)
    yield join_wrapped(piece)


def _with_continuations(lines: Sequence[str]) -> Iterator[list[str]]:
    """Lines with those that are set in below them and begin no field: the rest of their text."""
    left = min(len(line) - len(line.lstrip()) for line in lines)
    entry: list[str] = []
    for line in lines:
        is_set_in = len(line) - len(line.lstrip()) > left and not _FIELD.match(line)
        if entry and not (is_set_in and line.lstrip()[0].islower()):
            yield entry
            entry = []
        entry.append(line)
    yield entry


def are_meant(lines: Sequence[str]) -> bool:
    """Says whether every line of a paragraph is one of its own."""
    if len(lines) < 2 or any(ITEM.match(line) for line in lines):
        return False
    lines = [line.rstrip() for line in lines]
    if _have_form(lines):
        return True
    if sum(len(_ONLY_CJK.findall(line)) for line in lines) > sum(map(len, lines)) / 3:
        return not _is_wrapped_cjk(lines)
    return _are_short_names(lines) or _begin_anew(lines)


def _have_form(lines: Sequence[str]) -> bool:
    """Lines of one form: fields, columns, entries that begin or end with a number alike."""
    num_fields = sum(bool(_FIELD.match(line)) for line in lines)
    num_rows = sum(bool(GAP.search(line.strip())) for line in lines)
    if num_fields == len(lines) or num_rows == len(lines):
        return True
    if max(num_fields, num_rows) >= 3 and max(num_fields, num_rows) > 0.7 * len(lines):
        return True
    if all(line[-1].isdigit() for line in lines) and max(map(len, lines)) < 2 * _NARROW:
        return True
    starts = {_shape(line.split(maxsplit=1)[0]) for line in lines}
    return len(starts) == 1 and "0" in starts.pop()


def _shape(word: str) -> str:
    """The form of a word: 2024-03-01 is 0000-00-00."""
    return "".join("0" if char.isdigit() else "a" if char.isalpha() else char for char in word)


def _are_short_names(lines: Sequence[str]) -> bool:
    return len(lines) > 2 and all(
        len(line) <= _SHORT and len(line.split()) <= _FEW_WORDS and bool(_UNFINISHED.search(line))
        for line in lines
    )


def _begin_anew(lines: Sequence[str]) -> bool:
    """Lines that all begin with a capital or a number, and are too short for wrapped prose."""
    if not all(_starts_anew(line) for line in lines):
        return False
    num_finished = sum(bool(_FINISHED.search(line)) for line in lines)
    if num_finished == len(lines):
        return True
    width = max(map(len, lines))
    if width < _NARROW and (len(lines) > 2 or num_finished == 0):
        return True
    num_fitting = sum(_fits(line, following, width) for line, following in pairwise(lines))
    return len(lines) > 2 and num_fitting > len(lines) / 3


def _is_wrapped_cjk(lines: Sequence[str]) -> bool:
    """Says whether all lines but the last are full."""
    full = [len(line) for line in lines[:-1]]
    widest = max(len(line) for line in lines)
    return widest >= _MIN_CJK_WIDTH and min(full) >= widest - _CJK_SLACK


def _is_meant(line: str, following: str, width: int) -> bool:
    """Says whether the break between two lines is one of the text, not of its wrapping."""
    if ITEM.match(following) or (_FIELD.match(following) and _FIELD.match(line)):
        return True
    if not _fits(line, following, width):
        return False
    return _starts_anew(following) and bool(_UNFINISHED.search(line.rstrip()))


def begins_own_line(line: str, following: str, width: int) -> bool:
    """Says whether a line is no rest of the one before, which had room for its first word."""
    return _fits(line, following, width) and _starts_anew(following)


def is_field(line: str) -> bool:
    """Says whether a line is a name and its value."""
    return _FIELD.match(line) is not None


def _fits(line: str, following: str, width: int) -> bool:
    """Says whether the next word would have fitted on the line."""
    return len(line.rstrip()) + 1 + len(following.split(maxsplit=1)[0]) <= width


def _starts_anew(line: str) -> bool:
    first = line.lstrip()[:1]
    return first.isupper() or first.isdigit() or unicodedata.category(first)[0] == "S"
