"""Raised and lowered text on one line: 10^6 is not 106, a note's mark no digit of a price."""

import re

_ORDINALS = frozenset("st nd rd th e er re ère ème es o a os as".split())  # noqa: SIM905
_MARKS = {"tm": "™", "sm": "℠", "r": "®", "®": "®", "™": "™", "*": "*"}
_PRICE = re.compile(r"[$€£¥]\s?\d[\d.,]{0,12}\Z")
_TAIL_CHARS = 20


def superscript(before: str, text: str) -> str:
    """What to write for raised text after this one: `^6`, `rd`, `(2) ` where no word precedes."""
    text = text.strip()
    last = before[-1:]
    if not text or text in _MARKS or text.lower() in _MARKS:
        return _MARKS.get(text.lower(), "")
    if not (last.isalnum() or last in (")", "]", "}")):
        return f" ({text.strip('()[]')}) "
    if last.isdigit() and text.lower() in _ORDINALS:
        return text
    if text.isdigit() and len(text) == 2 and _PRICE.search(before[-_TAIL_CHARS:]):
        return f".{text}"
    if last.isalpha() and text.isalpha() and len(text) > 1:
        return text  # Mme, Dr, 1re
    return f"^{text.strip('^')}"


def subscript(before: str, text: str) -> str:
    """What to write for lowered text: H2O, x_max, 1010_2."""
    text = text.strip()
    last = before[-1:]
    is_formula = text.isdigit() and not last.isdigit()
    return text if is_formula or not last.isalnum() or not text else f"_{text}"
