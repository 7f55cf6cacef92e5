"""How well a unit fits what is asked, beyond the reranker's score: what words tell honestly.

identifier, year, name    of the question that a unit's document does not hold: it cannot answer
day, month                of the question, where it tells of others: the same
negation                  of "what is not allowed", that it lacks: the same
number, time, address     asked for and not there: it hardly answers
words                     the more of them it shares, and its document, the better
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphs.pipeline.quoting.calendar import is_of_another_day
from graphs.pipeline.quoting.part import Part, Sort
from graphs.pipeline.quoting.row_text import cells_of
from graphs.pipeline.quoting.units import Unit
from graphs.pipeline.quoting.versions import (
    is_of_number,
    named_numbers,
    named_years,
    tells_only_when,
    tells_only_which,
    tells_year,
)
from graphs.pipeline.quoting.words import YEAR, all_stems, content_stems, file_words, stem
from index.identifiers import holds, joined

# On logits; chosen by hand and by single steps on the questions of the exam's development half
# and 97 others. A logistic regression on the same did no better.
WEIGHTS = (0.8, 0.4, 1.0, 1.0, 1.5, -2.0, -3.0, -3.0, 1.5, -1.575)  # what answers best
# What counts beside the judge's logit in whether it answers at all. Words that it shares with the
# question do not: they speak for a near miss as well. Chosen on 600 questions about documents that
# no model has seen, a third of them near misses.
ANSWER_WEIGHTS = (0.0, 0.25, 0.0, 0.0, 0.0, -2.0, -3.0, -3.0, 0.75, 1.25)
JUDGE_WEIGHT = 1.5  # of the judge's logit in what answers best; on the same
AGAINST = slice(5, 8)  # of the features: those that speak against a unit, 0..1
_NAMED_BESIDE = 0.5  # what it counts that another unit has the name, and this one not
_UNMET = 1.5
_LEANT_ON = 0.4  # what a word of the question before counts
_CALENDAR = frozenset(
    """january february march april may june july august september october november december
    monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays
    fridays saturdays sundays christmas easter english german french
    spanish euro euros""".split()  # noqa: SIM905
)
_NUMBER_WORDS = (
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fifteen|sixteen|"
    r"eighteen|twenty|thirty|forty|fifty|sixty|ninety|hundred|thousand|half|third|quarter|dozen|"
    r"no|none|nobody|free|nothing|without|first|second|every|daily|weekly|monthly|yearly|once|twice|"
    r"each|all|any|single|both|several|unlimited|never|always)\b"
)
_TIME_WORDS = (
    r"\b(?:\w+days?|morning|noon|midday|afternoon|evening|night|midnight|week\w*|month\w*|year\w*|"
    r"season|summer|winter|spring|autumn|(?<!\d )(?:hour|minute)\w*|before|after|until|during|"
    r"as soon as|once|when\w*|always|never|daily|january|february|march|april|may|june|july|august|"
    r"september|october|november|december)\b"
)
_CLOCK = (  # and dates: no bare number, no "2 hours"
    r"\d[:.]\d\d(?!\d)|\d\s?(?:am|pm|a\.m|p\.m|h|uhr|o'clock)\b|\b(?:19|20)\d\d\b|\d(?:st|nd|rd|th)\b|"
    r"\d\s?[-–/.]\s?\d|\b(?:at|by|from|on|since|till|to|until)\s+(?:the\s+|about\s+)?\d"  # noqa: RUF001
)
_NEGATION = re.compile(
    r"\b(?:not|no|none|nobody|nothing|never|neither|nor|cannot|forbidden|prohibited|banned|except|"
    r"excepted|excluded|excluding|refused|removed|only|without|unless)\b|n't\b",
    re.IGNORECASE,
)
_HOLDS: Mapping[Sort, re.Pattern[str]] = {
    "number": re.compile(rf"\d|{_NUMBER_WORDS}", re.IGNORECASE),
    "money": re.compile(
        r"[$€£¥%]|\b(?:euros?|eur|cents?|dollars?|usd|pounds?|gbp|chf|francs?|kron\w+|yen|percent|"
        r"free|gratis|nothing|included|none|half|double|same|prices?|costs?|fees?|charge[sd]?|paid|"
        r"rates?|deposits?|fines?|kostenlos|gratuit\w*)\b",
        re.IGNORECASE,
    ),
    "year": re.compile(r"\b(?:1[0-9]|20)\d\d\b"),
    "time": re.compile(rf"{_CLOCK}|{_TIME_WORDS}", re.IGNORECASE),
    "phone": re.compile(r"\+?\d[\d\s()/.-]{4,}\d"),
    "email": re.compile(r"\S@\S"),
}


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the found passages tell of their documents: lower-case text by file id."""

    texts: Mapping[str, str]

    @classmethod
    def of(cls, units: Sequence[Unit]) -> "Context":
        """Collects file names, headings and passages with their neighbours."""
        texts: dict[str, set[str]] = {}
        for unit in units:
            hit = unit.hit
            file = {hit.filename, file_words(hit.filename)}
            known = texts.setdefault(hit.file_id, file)
            known |= {hit.title, hit.text}
            known |= {text for one in hit.around for text in (one.title, one.text)}
        return cls(texts={file: "\n".join(sorted(known)).lower() for file, known in texts.items()})

    def stems_of(self, file_id: str) -> frozenset[str]:
        """The stems of what is known of a file."""
        return all_stems(self.texts[file_id])


def is_possible(part: Part, unit: Unit) -> bool:
    """Says whether a unit can answer: it is about what is asked for, and not for what it is not."""
    text = f"{unit.title}\n{unit.columns}\n{unit.whole}"
    if part.asks_what_is_not and not _NEGATION.search(text):
        return False
    if not part.is_polar and is_of_another_day(part.text, text):
        return False
    says_nothing = tells_only_which(unit.text) or (
        part.sort not in ("time", "year") and tells_only_when(unit.text)
    )
    if says_nothing and unit.kind == "sentence":
        return False
    years = named_years(part.text)
    return _has_identifiers(part, unit) and (not years or _is_of_year(unit, years))


def _has_identifiers(part: Part, unit: Unit) -> bool:
    numbers = named_numbers(part.text)
    versions = {joined(number) for number in numbers}
    names = [one for one in part.identifiers if one.removeprefix("v") not in versions]
    return all(holds(unit.about, one) for one in names) and all(
        is_of_number(unit, one) for one in numbers
    )


def _is_of_year(unit: Unit, years: Sequence[str]) -> bool:
    """A document of another year cannot answer; one of no year may."""
    return tells_year(unit, years) or not YEAR.search(
        f"{unit.hit.filename} {unit.title}".replace("_", " ")
    )


class Fit:
    """Measures units against one part of a question.

    Args:
        part: what is asked.
        units: all that may answer.
    """

    def __init__(self, part: Part, units: Sequence[Unit]) -> None:
        self._part = part
        leant_on = [one for one in content_stems(part.context) if one not in part.stems]
        self._asked = [*part.stems, *leant_on]
        context = Context.of(units)
        self._documents = {file: context.stems_of(file) for file in context.texts}
        self._about = [all_stems(unit.about) for unit in units]
        counts = [sum(one in about for about in self._about) for one in self._asked]
        # A word that tells the units apart counts more; one that none has says less.
        self._weights = [
            (math.log((len(units) + 1) / (count + 0.5)) if count else _UNMET)
            * (1.0 if number < len(part.stems) else _LEANT_ON)
            for number, count in enumerate(counts)
        ]
        self._rows: dict[tuple[str, str], list[frozenset[str]]] = {}
        for unit in units:
            if unit.kind == "row":
                key = (unit.hit.file_id, unit.columns)
                self._rows.setdefault(key, []).append(_told_in_row(unit))
        self._pattern = _HOLDS.get(part.sort)

    def features(self, unit: Unit, passage: float, own: float) -> list[float]:
        """Gives what speaks for a unit and against it, in the order of `WEIGHTS`.

        The two logits; how much of what is asked the unit has, the unit with its headings, and its
        document; that it lacks the sort of thing that is asked for; that its document lacks a name;
        that it tells nothing new; that it has the identifiers (else it would not be possible); 1.

        Args:
            unit: one of the units.
            passage: logit of its passage.
            own: logit of its own.
        """
        part, document = self._part, self._documents[unit.hit.file_id]
        title = "" if part.sort == "money" else unit.title  # a price list tells other prices
        text = f"{title}\n{unit.whole}"
        lacks = self._pattern is not None and not self._pattern.search(text)
        lacks |= bool(part.counted) and part.counted not in all_stems(f"{text} {unit.columns}")
        missing = self._lacks_name(unit, document)
        is_new = part.is_polar or unit.kind == "lead" or _tells_more(part, unit)
        return [
            passage,
            own,
            self._share(all_stems(unit.whole)),
            self._share(all_stems(unit.about)),
            self._share(document),
            float(bool(lacks)),
            missing,
            float(not is_new),
            float(bool(part.identifiers or named_numbers(part.text))),
            1.0,
        ]

    def _lacks_name(self, unit: Unit, document: frozenset[str]) -> float:
        """1 if the document does not know a name; less if it does, but a unit beside has it."""
        names = [stem(name) for name in self._part.names if name not in _CALENDAR]
        if self._is_of_another_row(unit):
            return _NAMED_BESIDE
        if any(name not in document for name in names):
            return 1.0
        about = all_stems(unit.about)
        told = frozenset[str]().union(*self._about)
        return _NAMED_BESIDE * any(name in told and name not in about for name in names)

    def _is_of_another_row(self, unit: Unit) -> bool:
        """Says whether a row lacks a word of the question that another row of its table has."""
        if unit.kind != "row" or self._part.wants_list:
            return False
        key = (unit.hit.file_id, unit.columns)
        lacking = set(self._part.stems) - all_stems(unit.about)
        return any(lacking & told for told in self._rows.get(key, []) if told != _told_in_row(unit))

    def _share(self, known: frozenset[str]) -> float:
        """The share of what is asked that a text has, by weight."""
        total = sum(self._weights)
        held = sum(
            weight for one, weight in zip(self._asked, self._weights, strict=True) if one in known
        )
        return held / total if total else 0.5


def _told_in_row(unit: Unit) -> frozenset[str]:
    """The stems of what stands in the cells of a row."""
    return all_stems(" ".join(value for _, value in cells_of(unit)))


def _tells_more(part: Part, unit: Unit) -> bool:
    """Says whether a unit holds a word that neither the question nor its headings have."""
    known = all_stems(f"{part.text} {' '.join(unit.path)}")
    return any(one not in known for one in content_stems(unit.text))
