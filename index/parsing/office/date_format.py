"""Dates, times and durations as the format of their cell shows them."""

import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

# fmt: off
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)
# fmt: on
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|[_*](?P<skipped>.)'
    r"|\[(?P<total>[hH]+|[mM]+|[sS]+)\]|\[(?P<note>[^\]]*)\]"
    r"|(?P<half>[aA][mM]/[pP][mM]|[aA]/[pP])|(?P<fraction>\.0+)"
    r"|(?P<part>[yY]+|[mM]+|[dD]+|[hH]+|[sS]+)|(?P<end>;)|(?P<literal>.)",
    re.DOTALL,
)
_HOUR_S = 3600
_NAME_LETTERS = 3  # mmm and ddd are names
_SHORT_YEAR_LETTERS = 2

Moment = date | datetime | time | timedelta
Token = tuple[str, str]


def format_moment(value: Moment, code: str) -> str:
    """A date, time or duration as text.

    One without a format that shows it as such, and a date in digits with day, month and year, is
    written as ISO 8601 has it, the time only if it is shown and not midnight.
    """
    tokens = _tokens("" if code.lower() in ("general", "@") else code)
    letters = {text[0] for kind, text in tokens if kind in ("part", "total")}
    if isinstance(value, timedelta):
        return _duration(value, tokens)
    if isinstance(value, time):
        return _render(datetime.combine(date(1900, 1, 1), value), tokens) or value.isoformat()
    moment = value if isinstance(value, datetime) else datetime.combine(value, time())
    names_month = any(kind == "part" and text[0] == "m" and len(text) > 2 for kind, text in tokens)
    if not letters or ({"y", "m", "d"} <= letters and not names_month):
        return _iso(moment, letters, tokens)
    return _render(moment, tokens)


def _iso(moment: datetime, letters: set[str], tokens: Sequence[Token]) -> str:
    shows_time = "h" in letters or not letters
    if not shows_time or moment.time() == time():
        return moment.date().isoformat()
    with_seconds = "s" in letters or not tokens or not letters
    return moment.isoformat(" ", timespec="seconds" if with_seconds else "minutes")


def _tokens(code: str) -> list[Token]:
    """The first section; an m by hours or seconds is a minute, written `n`."""
    tokens: list[Token] = []
    for match in _TOKEN.finditer(code):
        kind = match.lastgroup or "quoted"
        text = match[match.lastgroup or 0] or ""
        if kind == "end":
            break
        if kind in ("part", "total"):
            tokens.append((kind, text.lower()))
        elif kind not in ("note", "skipped"):
            tokens.append((kind if kind in ("half", "fraction") else "literal", text))
    parts = [index for index, (kind, _) in enumerate(tokens) if kind in ("part", "total")]
    for place, index in enumerate(parts):
        before = tokens[parts[place - 1]][1][0] if place else ""
        after = tokens[parts[place + 1]][1][0] if place + 1 < len(parts) else ""
        kind, text = tokens[index]
        if text[0] == "m" and len(text) <= 2 and (kind == "total" or before == "h" or after == "s"):
            tokens[index] = (kind, "n" * len(text))
    return tokens


def _duration(value: timedelta, tokens: Sequence[Token]) -> str:
    """Hours, minutes and seconds, the largest of them in total: 30:15."""
    seconds = round(abs(value.total_seconds()))
    sign = "-" if value < timedelta() else ""
    totals = {"h": seconds // _HOUR_S, "n": seconds // 60, "s": seconds}
    within = {"h": seconds // _HOUR_S, "n": seconds // 60 % 60, "s": seconds % 60}
    pieces = []
    for kind, text in tokens:
        letter = text[:1]
        if kind in ("part", "total") and letter in totals:
            number = totals[letter] if kind == "total" else within[letter]
            pieces.append(f"{number:0{len(text)}d}")
        elif kind == "literal":
            pieces.append(text)
    if not pieces:
        return f"{sign}{within['h']}:{within['n']:02d}:{within['s']:02d}"
    return sign + " ".join("".join(pieces).split())


def _render(moment: datetime, tokens: Sequence[Token]) -> str:
    has_half = any(kind == "half" for kind, _ in tokens)
    pieces = []
    for kind, text in tokens:
        if kind in ("part", "total"):
            pieces.append(_part(moment, text, has_half))
        elif kind == "half":
            half = "AM" if moment.hour < 12 else "PM"
            pieces.append(half if len(text) > _NAME_LETTERS else half[0])
        elif kind == "fraction":
            pieces.append(f".{moment.microsecond:06d}"[: len(text)])
        else:
            pieces.append(text)
    return " ".join("".join(pieces).split())


def _part(moment: datetime, text: str, has_half: bool) -> str:
    letter, length = text[0], len(text)
    if letter == "y":
        return f"{moment.year % 100:02d}" if length <= _SHORT_YEAR_LETTERS else f"{moment.year:04d}"
    if letter == "m" and length >= _NAME_LETTERS:
        name = _MONTHS[moment.month - 1]
        return {3: name[:3], 5: name[0]}.get(length, name)
    if letter == "d" and length >= _NAME_LETTERS:
        name = _DAYS[moment.weekday()]
        return name[:3] if length == _NAME_LETTERS else name
    hour = (moment.hour % 12 or 12) if has_half else moment.hour
    number = {"m": moment.month, "d": moment.day, "h": hour, "n": moment.minute, "s": moment.second}
    return f"{number[letter]:0{min(length, 2)}d}"
