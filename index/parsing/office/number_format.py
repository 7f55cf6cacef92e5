"""Numbers, dates and durations of a workbook as its formats show them: 0.075 as `7.5%`.

A format has sections for what is positive, negative and zero, of placeholders and literals; see
ECMA-376 part 1, 18.8.31. Full dates in digits are written as ISO dates, since `01/02/2024` is
another day in another country; months with names are English.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from functools import lru_cache

from index.parsing.office.date_format import format_moment

Number = int | float
_GENERAL = re.compile(r"general|@|standard", re.IGNORECASE)
_TOKEN = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|_(?P<blank>.)|\*(?P<fill>.)'
    r"|\[\$(?P<currency>[^\]-]*)[^\]]*\]|\[(?P<note>[^\]]*)\]"
    r"|(?P<exponent>[eE][+-]0+)|(?P<digit>[0#?])|(?P<mark>[.,%/])|(?P<literal>.)",
    re.DOTALL,
)
_CONDITION = re.compile(r"(<=|>=|<>|<|>|=)\s*(-?\d+(?:\.\d+)?)")
_MAX_FORMAT_CHARS = 255  # the limit of the file format
_MAX_DIGITS = 40
_SIGNS = 2  # from so many sections on, the second one is for what is negative


def as_shown(value: object, code: str) -> str:
    """A value of a cell as text; one without a format of its own with at most 15 digits."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).upper()
        case int() | float():
            return _format_number(value, code[:_MAX_FORMAT_CHARS])
        case date() | time() | timedelta():
            return format_moment(value, code[:_MAX_FORMAT_CHARS])
    return str(value)


@dataclass(frozen=True, slots=True)
class _Token:
    """A piece of a section: its kind (digit, mark, exponent, literal) and its text."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class _Section:
    tokens: tuple[_Token, ...]
    condition: tuple[str, float] | None


def _format_number(value: Number, code: str) -> str:
    if not -1e300 < value < 1e300:  # infinite, or not a number
        return str(value)
    sections = _sections(code)
    section = _choose(sections, value)
    if section is None or not section.tokens:
        hides_zero = section is not None and value == 0 and len(sections) > _SIGNS
        return "" if hides_zero else f"{value:.15g}"
    if _GENERAL.fullmatch(code):
        return f"{value:.15g}"
    has_own_sign = sections.index(section) > 0
    shown = _render(section.tokens, abs(value))
    sign = "-" if value < 0 and not has_own_sign and re.search(r"[1-9]", shown) else ""
    return " ".join(f"{sign}{shown}".split())


def _choose(sections: Sequence[_Section], value: Number) -> _Section | None:
    with_condition = [one for one in sections if one.condition]
    if with_condition:
        for one in sections:
            if one.condition is None or _holds(one.condition, value):
                return one
        return None
    numeric = sections[:3]
    if value < 0 and len(numeric) >= _SIGNS:
        return numeric[1]
    if value == 0 and len(numeric) > _SIGNS:
        return numeric[2]
    return numeric[0] if numeric else None


def _holds(condition: tuple[str, float], value: Number) -> bool:
    operator, limit = condition
    return {
        "<": value < limit,
        "<=": value <= limit,
        ">": value > limit,
        ">=": value >= limit,
        "=": value == limit,
        "<>": value != limit,
    }[operator]


@lru_cache(maxsize=1024)
def _sections(code: str) -> tuple[_Section, ...]:
    """The sections of a format, those for texts left out."""
    sections: list[_Section] = []
    tokens: list[_Token] = []
    condition: tuple[str, float] | None = None
    for match in _TOKEN.finditer(code + ";"):
        kind, text = match.lastgroup or "quoted", match[match.lastgroup or 0] or ""
        if kind == "literal" and text == ";":
            sections.append(_Section(_grouped(tokens), condition))
            tokens, condition = [], None
        elif kind == "note":
            if found := _CONDITION.fullmatch(text):
                condition = (found[1], float(found[2]))
        elif kind == "blank":
            tokens.append(_Token("literal", " "))
        elif kind in ("digit", "mark", "exponent"):
            tokens.append(_Token(kind, text))
        elif kind != "fill" and text:
            tokens.append(_Token("literal", text))
    return tuple(sections)


def _grouped(tokens: Sequence[_Token]) -> tuple[_Token, ...]:
    """Marks that stand by no placeholder are literals: the bar of `a/b`, the point of `Nr.`."""
    digits = [index for index, token in enumerate(tokens) if token.kind == "digit"]
    near = range(digits[0] - 1, digits[-1] + 5) if digits else range(0)
    return tuple(
        token
        if token.kind != "mark" or token.text == "%" or index in near
        else _Token("literal", token.text)
        for index, token in enumerate(tokens)
    )


def _render(tokens: Sequence[_Token], value: Number) -> str:
    """Writes what is not negative."""
    marks = [token.text for token in tokens if token.kind == "mark"]
    if not any(token.kind == "digit" for token in tokens):
        text = "".join(token.text for token in tokens)
        return text if not _has_general(text) else _general(text, value)
    if "/" in marks:
        return _fraction(tokens, value)
    number = Decimal(repr(value)) * 100 ** marks.count("%")
    if any(token.kind == "exponent" for token in tokens):
        return _scientific(tokens, number)
    return _decimal(tokens, number)


def _has_general(text: str) -> bool:
    return "general" in text.lower()


def _general(text: str, value: Number) -> str:
    at = text.lower().index("general")
    return f"{text[:at]}{value:.15g}{text[at + 7 :]}"


def _decimal(tokens: Sequence[_Token], number: Decimal) -> str:
    """`#,##0.00`, `00000`, `000-00-0000`, `0.0,,"M"`: the digits fill the placeholders."""
    point = next(
        (i for i, one in enumerate(tokens) if one.text == "." and one.kind == "mark"), None
    )
    whole = tokens if point is None else tokens[:point]
    rest = [] if point is None else tokens[point + 1 :]
    last = max((i for i, one in enumerate(tokens) if one.kind == "digit"), default=0)
    scale = 0
    for token in tokens[last + 1 :]:
        if token != _Token("mark", ","):
            break
        scale += 1
    places = [token.text for token in rest if token.kind == "digit"]
    digits, decimals = _rounded(number / 1000**scale, len(places))
    while decimals and decimals.endswith("0") and places[len(decimals) - 1] != "0":
        decimals = decimals[:-1]
    return _whole(whole, digits, number) + _decimals(rest, decimals)


def _rounded(number: Decimal, places: int) -> tuple[str, str]:
    """The digits before and after the point; half is rounded up."""
    with localcontext() as context:
        context.prec = 400
        rounded = number.quantize(Decimal(1).scaleb(-min(places, _MAX_DIGITS)), ROUND_HALF_UP)
    digits, _, decimals = f"{rounded:f}".partition(".")
    return digits.lstrip("0"), decimals


def _whole(tokens: Sequence[_Token], digits: str, number: Decimal) -> str:
    """Fills the placeholders before the point from the right; the first takes all that is left."""
    slots = [i for i, token in enumerate(tokens) if token.kind == "digit"]
    is_grouped = bool(slots) and any(
        token == _Token("mark", ",") for token in tokens[slots[0] : slots[-1]]
    )
    minimum = len(slots) - next(
        (n for n, i in enumerate(slots) if tokens[i].text == "0"), len(slots)
    )
    left = digits.rjust(minimum, "0")
    if not slots:
        left = ""
    pieces: list[str] = []
    for index in range(len(tokens) - 1, -1, -1):
        token = tokens[index]
        if token.kind == "digit":
            is_first = index == slots[0]
            taken, left = (left, "") if is_first else (left[-1:], left[:-1])
            pieces.append(taken)
        elif token.kind == "literal" or token.text == "%":
            pieces.append(token.text)
    text = "".join(reversed(pieces))
    return (
        re.sub(r"\d+", lambda found: f"{int(found[0]):,}", text, count=1)
        if (is_grouped and re.search(r"\d{4}", text))
        else text
    )


def _decimals(tokens: Sequence[_Token], decimals: str) -> str:
    left = decimals
    pieces = ["."] if decimals else []
    for token in tokens:
        if token.kind == "digit":
            pieces.append(left[:1])
            left = left[1:]
        elif token.kind == "literal" or token.text == "%":
            pieces.append(token.text)
    return "".join(pieces)


def _scientific(tokens: Sequence[_Token], number: Decimal) -> str:
    at = next(i for i, token in enumerate(tokens) if token.kind == "exponent")
    point = next((i for i, one in enumerate(tokens[:at]) if one.text == "."), at)
    places = sum(1 for token in tokens[point:at] if token.kind == "digit")
    mantissa, _, exponent = f"{number:.{places}E}".partition("E")
    power = int(exponent)
    width = len(tokens[at].text) - 2
    sign = "-" if power < 0 else "+" if "+" in tokens[at].text else ""
    literals = "".join(token.text for token in tokens[at + 1 :] if token.kind != "digit")
    return f"{mantissa}E{sign}{abs(power):0{width}d}{literals}"


def _fraction(tokens: Sequence[_Token], value: Number) -> str:
    """`# ?/?`, `?/8`: a whole number, then a fraction."""
    bar = next(i for i, token in enumerate(tokens) if token.text == "/")
    below = "".join(token.text for token in tokens[bar + 1 :]).strip()
    number = Fraction(value).limit_denominator(10**12)
    if below[:1].isdecimal() and below.strip("0"):
        base = int(re.match(r"\d{1,6}", below)[0])  # type: ignore[index]
        parts = Fraction(round(number * base), base), base
    else:
        near = number.limit_denominator(
            10 ** max(1, min(below.count("?") + below.count("#"), 6)) - 1
        )
        parts = near, near.denominator
    near, base = parts
    has_whole = any(token.text == " " for token in tokens[:bar])
    whole, rest = divmod(near, 1) if has_whole else (0, near)
    shown = f"{int(rest * base)}/{base}" if rest else ""
    return " ".join(filter(None, [str(whole) if whole or not rest else "", shown]))
