"""How well a unit fits what is asked, beyond the reranker's score: what words tell honestly.

identifier, year, name    of the question that a unit's document does not hold: it cannot answer
number, time, address     asked for and not there: it hardly answers
words                     the more of them it shares, and its document, the better
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphs.pipeline.quoting.question import Part, Sort
from graphs.pipeline.quoting.units import Unit
from graphs.pipeline.quoting.versions import named_years, tells_year
from graphs.pipeline.quoting.words import YEAR, all_stems, content_stems, holds, stem

# On logits.
_TEXT, _ABOUT, _DOCUMENT = 1.0, 1.0, 1.5
_MIDDLE = 0.45
_LACKS_SORT, _LACKS_NAME, _NOTHING_NEW = 2.0, 3.0, 3.0
_IDENTIFIED = 2.0
_CALENDAR = frozenset(
    """january february march april may june july august september october november december
    monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays
    fridays saturdays sundays christmas easter english german french spanish euro euros""".split()
)
_NUMBER_WORDS = (
    r"\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fifteen|sixteen|"
    r"eighteen|twenty|thirty|forty|fifty|sixty|ninety|hundred|thousand|half|third|quarter|dozen|"
    r"no|none|nobody|free|nothing|without|first|second|every|daily|weekly|monthly|yearly|once|twice|"
    r"each|all|any|single|both|several|unlimited|never|always)\b"
)
_TIME_WORDS = (
    r"\b(?:\w+days?|morning|noon|midday|afternoon|evening|night|midnight|week\w*|month\w*|year\w*|"
    r"season|summer|winter|spring|autumn|hour\w*|minute\w*|before|after|until|during|as soon as|once|"
    r"when\w*|always|never|daily|january|february|march|april|may|june|july|august|"
    r"september|october|november|december)\b"
)
_HOLDS: Mapping[Sort, re.Pattern[str]] = {
    "number": re.compile(rf"\d|{_NUMBER_WORDS}", re.IGNORECASE),
    "time": re.compile(rf"\d|{_TIME_WORDS}", re.IGNORECASE),
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
            known = texts.setdefault(hit.file_id, {hit.filename, hit.title, hit.text})
            known |= {hit.title, hit.text}
            known |= {text for one in hit.around for text in (one.title, one.text)}
        return cls(texts={file: "\n".join(sorted(known)).lower() for file, known in texts.items()})

    def stems_of(self, file_id: str) -> frozenset[str]:
        """The stems of what is known of a file."""
        return all_stems(self.texts[file_id])


def possible(part: Part, units: Sequence[Unit], context: Context) -> list[bool]:
    """Says of each unit whether it can answer: it is about the identifiers and years asked for."""
    years = named_years(part.text)
    return [
        _has_identifiers(part, unit) and (not years or _is_of_year(unit, years))
        for unit in units
    ]  # fmt: skip


def _has_identifiers(part: Part, unit: Unit) -> bool:
    return all(holds(unit.about, one) for one in part.identifiers)


def _is_of_year(unit: Unit, years: Sequence[str]) -> bool:
    """A document of another year cannot answer; one of no year may."""
    return tells_year(unit, years) or not YEAR.search(
        f"{unit.hit.filename} {unit.title}".replace("_", " ")
    )


def fit(part: Part, unit: Unit, context: Context, stems: frozenset[str]) -> float:
    """Gives what is added to the logit of a unit.

    Args:
        part: what is asked.
        unit: what may answer.
        context: of all units.
        stems: of the unit's document.
    """
    asked = part.stems
    if not asked:
        return 0.0
    own, about = all_stems(unit.whole), all_stems(unit.about)
    shares = [
        sum(one in known for one in asked) / len(asked) - _MIDDLE for known in (own, about, stems)
    ]
    value = _TEXT * shares[0] + _ABOUT * shares[1] + _DOCUMENT * shares[2]
    pattern = _HOLDS.get(part.sort)
    if pattern and not pattern.search(f"{unit.title}\n{unit.text}"):
        value -= _LACKS_SORT
    missing = [name for name in part.names if name not in _CALENDAR and stem(name) not in stems]
    if missing:
        value -= _LACKS_NAME
    if part.identifiers:  # all of them are there, else it would not be possible
        value += _IDENTIFIED
    if not part.is_polar and unit.kind != "lead" and not _tells_more(part, unit):
        value -= _NOTHING_NEW
    return value


def _tells_more(part: Part, unit: Unit) -> bool:
    """Says whether a unit holds a word that neither the question nor its headings have."""
    known = all_stems(f"{part.text} {' '.join(unit.path)}")
    return any(one not in known for one in content_stems(unit.text)) or any(
        char.isdigit() for char in unit.text
    )
