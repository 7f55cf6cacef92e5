"""Days of the week and months that a text names, ranges whole: "Monday to Friday" has five days."""

import re

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTHS = (
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
)  # fmt: skip
_DAY = r"(mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)days?"
_MONTH = r"(january|february|march|april|may|june|july|august|september|october|november|december)"
_RANGE = r"(?:\s+(?:\w+\s+)?(?:to|till|until|through|and\s+the\s+end\s+of)\s+|\s*[-–]\s*)"  # noqa: RUF001
_ANY = re.compile(
    r"\b(?:daily|every\s?day|each day|all (?:week|days|year)|always|never|round the clock|"
    r"weekdays?|weekends?|working days?|days?|months?|holidays?|year)\b",
    re.IGNORECASE,
)


def is_of_another_day(asked: str, told: str) -> bool:
    """Says whether a text names days of the week, or months, and none of those that are asked for.

    "On Fridays?" is not answered by "open on Mondays and from Wednesday to Thursday".

    Args:
        asked: a question.
        told: what may answer it.
    """
    if _ANY.search(told):
        return False
    return any(
        wanted and known and not wanted & known
        for wanted, known in (
            (_named(asked, names, one), _named(told, names, one))
            for names, one in ((_DAYS, _DAY), (_MONTHS, _MONTH))
        )
    )


def _named(text: str, names: tuple[str, ...], one: str) -> set[int]:
    """The numbers of the names in a text, from 0, with all between the ends of a range."""
    found = {names.index(match[1].lower()[:3]) for match in _pattern(one).finditer(text)}
    short = one.removesuffix("days?") + "(?:days?)?" if one == _DAY else one  # Mon-Fri
    for match in _pattern(f"{short}{_RANGE}(?:\\w+ )?{short}").finditer(text):
        first, last = (names.index(match[group].lower()[:3]) for group in (1, 2))
        found |= {(first + step) % len(names) for step in range((last - first) % len(names) + 1)}
    return found


def _pattern(one: str) -> re.Pattern[str]:
    return re.compile(rf"\b{one}\b", re.IGNORECASE)
