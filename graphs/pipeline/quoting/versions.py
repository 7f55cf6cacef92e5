"""Versions of one document: which files tell the same at different times, and which is newest.

fares-2024.md, fares-2025.md          one family by their names, 2025 leads
"Handbook, version 2 (March 2023)"    or by their titles
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from graphs.pipeline.quoting.units import Unit
from graphs.pipeline.quoting.words import YEAR, content_stems

_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan january januar janvier enero", "feb february februar février febrero",
         "mar march märz mars marzo", "apr april avril abril", "may mai mayo",
         "jun june juni juin junio", "jul july juli juillet julio",
         "aug august août agosto", "sep sept september septembre septiembre",
         "oct october oktober octobre octubre", "nov november novembre noviembre",
         "dec december dezember décembre diciembre"), start=1)
    for name in names.split()
}  # fmt: skip
_ISO = re.compile(r"(?<!\d)((?:19|20)\d\d)[-_./](\d{1,2})(?:[-_./](\d{1,2}))?(?!\d)")
_DAY_MONTH = re.compile(
    r"(?:(\d{1,2})(?:st|nd|rd|th|\.)?\s+)?([^\W\d_]{3,9})\.?\s+"
    r"(?:(\d{1,2}),\s*)?((?:19|20)\d\d)"
)
_NUMERIC = re.compile(r"(?<!\d)(\d{1,2})[./](\d{1,2})[./]((?:19|20)\d\d)(?!\d)")
_PLAIN_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_NUMBER = re.compile(
    r"\b(?:v|ver|version|rev|revision|edition|issue)[-_. ]?(\d{1,3}(?:\.\d{1,3})*)\b",
    re.IGNORECASE,
)
_DOTTED = re.compile(r"(?<![\w.])(\d{1,3}(?:\.\d{1,3}){1,3})(?![\w.]*\d)")  # of a title: Quill 3.4
_NAMED_NUMBER = re.compile(
    r"(?<![\w.,-])v?(\d{1,4}(?:\.\d{1,4}){1,3})(?![\w,.-]*\d)", re.IGNORECASE
)
_CHANGING = re.compile(
    r"(?:19|20)\d\d|\d+|\b(?:version|ver|rev|revision|edition|issue|v|new|old|current|previous|latest|former|"
    r"final|draft|" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\b",
    re.IGNORECASE,
)
_DATED = re.compile(
    r"date|year|version|valid|updated|modified|created|published|revision", re.IGNORECASE
)

_SAYS_WHICH = re.compile(r"\b(?:version|revision|edition|issue)\b", re.IGNORECASE)

Age = tuple[int, int, int, tuple[int, ...]]


@dataclass(frozen=True, kw_only=True)
class Version:
    """Which state of which document a file is.

    Attributes:
        family: the same for all its versions.
        age: year, month, day and number, 0 where it is not told; greater is newer.
        label: how it is told to readers.
    """

    family: str
    age: Age
    label: str

    @property
    def is_dated(self) -> bool:
        """Says whether anything tells when it is of."""
        return any(self.age[:3]) or bool(self.age[3])


def version_of(unit: Unit) -> Version:
    """Reads file name, outermost heading and attributes."""
    stem = re.sub(r"\.\w{1,5}$", "", unit.hit.filename)
    title = unit.path[0] if unit.path else ""
    dated = [str(value) for key, value in unit.hit.attributes.items() if _DATED.search(key)]
    ages = [_age(text) for text in (title, stem, *dated)]
    best = max(ages)
    number = max(age[3] for age in ages)
    masked = _CHANGING.sub(" ", re.sub(r"[-_.]+", " ", stem).lower())
    return Version(
        family=" ".join(re.findall(r"[^\W\d_]+", masked)) or _masked(title),
        age=(*best[:3], number),
        label=_label(best, number),
    )


def _masked(title: str) -> str:
    return " ".join(re.findall(r"[^\W\d_]+", _CHANGING.sub(" ", title.lower())))


def title_family(unit: Unit) -> str:
    """Names the document by its outermost heading, without what differs between versions."""
    return _masked(unit.path[0]) if unit.path else ""


def are_versions(one: Unit, other: Unit) -> bool:
    """Says whether two units are of two files that tell the same at different times."""
    if one.hit.file_id == other.hit.file_id:
        return False
    first, second = version_of(one), version_of(other)
    if not (first.is_dated or second.is_dated) or first.age == second.age:
        return False
    same_name = bool(first.family) and first.family == second.family
    return same_name or (bool(title_family(one)) and title_family(one) == title_family(other))


def named_numbers(question: str) -> list[str]:
    """Gives the version numbers, and other numbers with a point, that a question names."""
    return list(dict.fromkeys(match.group(1) for match in _NAMED_NUMBER.finditer(question)))


def is_of_number(unit: Unit, wanted: str) -> bool:
    """Says whether a unit holds a number, or is of that version: 2.0 is version 2."""
    if re.search(rf"(?<![\d.-]){re.escape(wanted)}(?![\w-]|\.\d)", unit.about):
        return True
    number = version_of(unit).age[3]
    return bool(number) and _plain(map(int, wanted.split("."))) == _plain(number)


def _plain(number: Iterable[int]) -> tuple[int, ...]:
    """A version number without the zeros at its end."""
    parts = list(number)
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)


def tells_version(heading: str) -> bool:
    """Says whether a heading holds the number or the day of a version: "3.2 (12 May 2025)"."""
    year, month, _, number = _age(heading)
    return bool(number) or bool(year and month)


def tells_only_when(text: str) -> bool:
    """Says whether a text only names a date or a version: "Edition of 2024"."""
    return not content_stems(_CHANGING.sub(" ", text))


def tells_only_which(text: str) -> bool:
    """Says whether a text only names a version: "Edition of 2024"; a date alone may be told."""
    return _SAYS_WHICH.search(text) is not None and tells_only_when(text)


def named_years(question: str) -> list[str]:
    """Gives the years that a question names."""
    return YEAR.findall(question)


def tells_year(unit: Unit, years: Iterable[str]) -> bool:
    """Says whether a unit, its headings or its file is of one of the years."""
    about = f"{unit.about} {unit.hit.text} {' '.join(map(str, unit.hit.attributes.values()))}"
    return any(year in about for year in years)


def _age(text: str) -> Age:
    found = _NUMBER.findall(text.replace("_", " "))
    found = found or _DOTTED.findall(re.sub(r"[-_ ]+", " ", text))
    number = max((tuple(int(part) for part in one.split(".")) for one in found), default=())
    dates = [
        (int(year), int(month), int(day or 0))
        for year, month, day in _ISO.findall(text)
        if 1 <= int(month) <= 12
    ]
    dates += [(int(year), int(month), int(day)) for day, month, year in _NUMERIC.findall(text)]
    for day, month, late_day, year in _DAY_MONTH.findall(text):
        if month.lower() in _MONTHS:
            dates.append((int(year), _MONTHS[month.lower()], int(day or late_day or 0)))
    dates += [(int(year), 0, 0) for year in _PLAIN_YEAR.findall(text)]
    return (*max(dates, default=(0, 0, 0)), number)


def _label(best: Age, number: tuple[int, ...]) -> str:
    year, month, day = best[:3]
    if year:
        return "-".join([str(year), *(f"{part:02}" for part in (month, day) if part)])
    return f"version {'.'.join(map(str, number))}" if number else ""
