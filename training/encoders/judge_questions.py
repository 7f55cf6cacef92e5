"""How people type a question, and the same question about another thing."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence

_SHARE_TYPOS = 0.12
_SHARE_TALKED = 0.15  # in words that say nothing
_OPENINGS = (
    "hi, ", "hey ", "Hello! ", "hello, ", "quick question: ", "ok so ", "sorry, ", "so, ",
    "please tell me: ", "just wondering, ", "one more thing: ", "um, ", "hi there - ",
)  # fmt: skip
_ENDINGS = ("", "??", " please", " pls", " thanks", ", do you know?", " exactly?", "...")
# What tells one thing from others of its kind: E18, SR-7016, zone 3, version 4.2; a name.
_CODE = re.compile(r"(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Z])[A-Z0-9][A-Za-z0-9]*(?:-\w+)*(?![\w-])")
_NUMBERED = re.compile(
    r"\b(?:zone|level|room|platform|gate|section|step|type|version|line|bus|route|hall|lane|"
    r"terminal|grade|category|class|stage|unit|floor|programme|table|model)\s+(\d[\d.]*)",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<=[^.?!:\s] )[A-Z][a-z]{3,}\b")


def as_typed(question: str, rng: random.Random) -> str:
    """Some talk before they ask, and some type in haste: a letter doubled, dropped or misplaced."""
    if rng.random() < _SHARE_TALKED:
        first = question if question[:2] in ("I ", "I'") else question[0].lower() + question[1:]
        question = f"{rng.choice(_OPENINGS)}{first.rstrip(' ?')}{rng.choice(_ENDINGS)}"
    if rng.random() >= _SHARE_TYPOS or len(question) < 8:
        return question
    place = rng.randrange(1, len(question) - 2)
    one, other = question[place], question[place + 1]
    if not (one.isalpha() and other.isalpha()):
        return question
    changed = rng.choice((one, one + one + other, other + one))
    return question[:place] + changed + question[place + 2 :]


def names_of(questions: Iterable[str]) -> list[str]:
    """Gives the names that questions hold, each once, sorted."""
    return sorted({name for one in questions for name in _NAME.findall(one)})


def about_another(question: str, text: str, names: Sequence[str], rng: random.Random) -> str | None:
    """Asks the same of another thing: E18 becomes E13, zone 3 zone 4, Velda Pinwheel.

    Args:
        question: that the text answers.
        text: with its title; what is changed stands there as well.
        names: of which another one is taken.
        rng: draws which, and what it becomes.

    Returns:
        None where the question names nothing that the text has.
    """
    spans = [match.span() for match in _CODE.finditer(question)]
    spans += [match.span(1) for match in _NUMBERED.finditer(question)]
    spans = spans or [match.span() for match in _NAME.finditer(question)]
    shared = [(start, end) for start, end in spans if question[start:end].rstrip(".") in text]
    if not shared:
        return None
    start, end = rng.choice(shared)
    other = _other(question[start:end], names, rng)
    return None if other in text else question[:start] + other + question[end:]


def _other(name: str, names: Sequence[str], rng: random.Random) -> str:
    digits = [place for place, char in enumerate(name) if char.isdigit()]
    if not digits:
        return rng.choice(names)
    place = rng.choice(digits)
    changed = rng.choice([digit for digit in "123456789" if digit != name[place]])
    return name[:place] + changed + name[place + 1 :]
