"""Names that mean one thing exactly: part numbers, error codes, versions, checksums.

    "Does the KX-4412 need firmware v2.3.1?"  ->  kx4412, v2p3p1

No quantities ("5 kg", "12-month", "3rd"), dates, times, prices, years or round numbers.
"""

import re
import unicodedata
from collections.abc import Sequence
from itertools import accumulate

from index.parsing.document import clean_text

_MAX_CHARS = 8000  # of a text that is looked through
_MARKS = re.compile(r"[-_./:+]")
_PART = re.compile(r"[-_./:+]?[A-Za-z0-9]+")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[-_./:+](?=\d)")
# Parts with single marks between; a name may be glued to a script without blanks. Possessive: what
# was read is never read again.
_NAME = re.compile(r"(?<![A-Za-z0-9\u00c0-\u0dff])[A-Za-z0-9]++(?:[-_./:+][A-Za-z0-9]++)*+")
_QUANTITY = re.compile(
    r"\d+(?:[.,]\d+)?-?(?:[a-z]+|[A-Z][A-Za-z]{0,2})(?:-[a-z]+)*"  # 12-month, 5kg, 3rd, 10GB
    r"|[a-z]+(?:-[a-z]+)*-\d{1,2}"  # top-10
    r"|(?:Q|H)[1-4]"
)
_DATE = re.compile(r"\d{4}[-./]\d{1,2}[-./]\d{1,2}(?:T.*)?|\d{1,2}[-./]\d{1,2}[-./]\d{2,4}")
_CHECKSUM = re.compile(r"(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{7,}", re.IGNORECASE)
_LEAST_DIGITS = 5  # of a number that is no amount
_SUM_CHARS = 7
_KIND = re.compile(r"[a-z]{2,}")
_LETTER, _DIGITS = re.compile(r"[a-z]"), re.compile(r"\d+")
_MAX_PARTS = 8  # of a name, of which any first few name it as well
# What is left of the relevance of a text: about another thing of that kind, or about none.
OTHER, NONE = 0.05, 0.5


def joined(name: str) -> str:
    """A name with marks inside as one word: KX-4412 is kx4412, v4.2.1 is v4p2p1.

    Digits stay apart: "1-23" is not "12-3".
    """
    return _MARKS.sub("", _BETWEEN_DIGITS.sub("p", name.lower()))


def identifiers(text: str) -> tuple[str, ...]:
    """The identifiers of a text with a digit in them, each once, as `joined` writes them."""
    names = _found(text)
    return tuple(dict.fromkeys(joined(name) for name in names if _is_identifier(name)))


def holds(text: str, identifier: str) -> bool:
    """Says whether a text has an identifier as a name of its own, or with more behind it.

    Args:
        text: with its headings.
        identifier: as `joined` writes it.
    """
    return identifier.removeprefix("v") in _held(text)


def fitness(question: str, texts: Sequence[str]) -> list[float]:
    """How far each text can be about what a question names, 0..1.

    A text that holds an identifier of the question can (1.0); one that holds another of the same
    kind (KX-4413 for KX-4412) hardly (`OTHER`); one without is the worse only beside one with it
    (`NONE`). A question without identifiers fits all.

    Args:
        question: what is asked.
        texts: with their headings.
    """
    wanted = identifiers(question)
    if not wanted:
        return [1.0] * len(texts)
    kinds = {kind for name in wanted for kind in _kinds(name)}
    found = [_fitness(wanted, kinds, text) for text in texts]
    return found if 1.0 in found else [1.0 if one == NONE else one for one in found]


def _fitness(wanted: Sequence[str], kinds: set[str], text: str) -> float:
    held = _held(text)
    if any(name.removeprefix("v") in held for name in wanted):
        return 1.0
    others = (kind for name in identifiers(text) for kind in _kinds(name))
    return OTHER if any(kind in kinds for kind in others) else NONE


def _held(text: str) -> set[str]:
    return {name for one in _found(text) for name in _names(one)}


def _kinds(name: str) -> tuple[str, ...]:
    """What names of one kind share: the letters in front, or the places of letters and digits."""
    if len(name) >= _SUM_CHARS and _CHECKSUM.fullmatch(name):
        return (f"sum of {len(name)}",)
    name = name.removeprefix("v")
    letters = _KIND.match(name)
    shape = _LETTER.sub("a", _DIGITS.sub("9", name))
    return (shape, *([letters[0]] if letters else []))


def _names(found: str) -> set[str]:
    """What a name answers to: its parts, and its beginnings (KX-4412-B is a KX-4412)."""
    parts = _MARKS.split(found)[:_MAX_PARTS]
    beginnings = accumulate(_PART.findall(found)[:_MAX_PARTS])
    names = {*map(str.lower, parts), *map(joined, beginnings), joined(found)}
    return names | {name.removeprefix("v") for name in names}


def _found(text: str) -> list[str]:
    plain = clean_text(text[:_MAX_CHARS])
    return _NAME.findall(plain if plain.isascii() else unicodedata.normalize("NFKC", plain))


def _is_identifier(name: str) -> bool:
    if not any(char.isdigit() for char in name):
        return False
    if _CHECKSUM.fullmatch(name):
        return True
    if _QUANTITY.fullmatch(name) or _DATE.fullmatch(name):
        return False
    if any(char.isalpha() for char in name):
        return True
    if name.isdecimal():
        return len(name) >= _LEAST_DIGITS and not name.endswith("000")
    return name.count(".") > 1 and ":" not in name
