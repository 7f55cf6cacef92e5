"""One thing that is asked: what kind of answer it wants, and whether it is a list."""

import re
from dataclasses import dataclass
from typing import Literal

from graphs.pipeline.quoting.words import content_stems, names, stem
from index.identifiers import identifiers

Sort = Literal["number", "money", "year", "time", "phone", "email", "any"]

_SORTS: tuple[tuple[Sort, re.Pattern[str]], ...] = (
    ("email", re.compile(r"\be-?mail(?:\s+address)?\b", re.IGNORECASE)),
    ("phone", re.compile(r"\b(?:tele)?phone\s+number\b|\bhotline\b", re.IGNORECASE)),
    ("year", re.compile(r"\b(?:what|which) year\b", re.IGNORECASE)),
    (
        "time",
        re.compile(
            r"^\W*(?:and |so )?when\b|\b(?:by|from|since|till|until) when\b|"
            r"\bwhat (?:time|day|date)\b|\bwhich (?:day|date|month)\b",
            re.IGNORECASE,
        ),
    ),
    (
        "money",
        re.compile(
            r"\b(?:prices?|costs?|fees?|deposits?)\b|\bhow much\b(?! time\b).*\b(?:pay|paid|owe)\b"
            r"|\bfines?\b(?! (?:to|if|with))",
            re.IGNORECASE,
        ),
    ),
    (
        "number",
        re.compile(
            r"\bhow (?:many|much|long|old|far|high|deep|large|big|heavy|often|fast|warm|wide|tall|"
            r"early|late)\b|\b(?:weigh|weight|age|pay)\b",
            re.IGNORECASE,
        ),
    ),
)
_PLURAL = re.compile(
    r"\b(?:what|which)\s+(?:(?!does\b|is\b|was\b|has\b|kinds\b)[\w-]+\s+){0,2}?"
    r"(?!does\b|is\b|was\b|has\b|this\b)[\w-]{2,}s\b"
    r"|\bwhat\s+(?:are|were|else)\b|\b(?:list|steps|everything|name all|tell me all)\b",
    re.IGNORECASE,
)
_CONTENTS = re.compile(
    r"\bwhat\b.*\b(?:needs?|needed|bring|contains?|included?|includes|offers?|consists?|"
    r"in the box|allowed|forbidden|prohibited|changed|new|belongs?|comes?|take along|required|"
    r"delivered|covers?|check)\b",
    re.IGNORECASE,
)
_WHAT = re.compile(r"^\W*(?:and |so )?(?:what|which|whom?|name|list|tell)\b", re.IGNORECASE)
_STEPS = re.compile(r"\bhow\s+(?:do|can|should|to|is|are|does)\b", re.IGNORECASE)
_MOST = re.compile(r"\bwhich\b.*\b(?:most|least|\w{3,}est)\b", re.IGNORECASE)
# What is not so is asked for, not what happens if something is not so.
_NOT = re.compile(
    r"^\W*(?:and |so |but )?(?:at |in |on |to |for )?(?:what|which|who|where|name|list|tell)\b"
    r"(?:(?!\b(?:if|when|because|unless|happens?|do)\b).)*?"
    r"(?:\b(?:not|cannot|never|forbidden|prohibited|banned|excluded)\b|n['’]t\b)",  # noqa: RUF001
    re.IGNORECASE,
)
_WHICH_VERSION = re.compile(
    r"\b(?:which|what)\b(?:\s+[\w-]+){0,4}?\s+(?:version|release|edition|revision|update)\b",
    re.IGNORECASE,
)
# What a measure is called in tables and lists, where a question says it otherwise.
_MEANT = (
    (re.compile(r"\bhow old\b", re.IGNORECASE), "age"),
    (re.compile(r"\bhow heavy\b", re.IGNORECASE), "weight"),
    (re.compile(r"\bhow (?:tall|high)\b", re.IGNORECASE), "height"),
    (re.compile(r"\bhow wide\b", re.IGNORECASE), "width"),
    (re.compile(r"\bhow many people\b", re.IGNORECASE), "persons"),
)
_EARLIER = re.compile(
    r"\bold (?:address|charge|cost|deposit|edition|fare|fee|hours|limit|number|price|rate|rule|"
    r"term|version)s?\b|\b(?:previous(?:ly)?|former(?:ly)?|used to|back then|in the past|so far)\b"
    r"|\b(?:before|until then|at that time)\W*$",
    re.IGNORECASE,
)
# "how many bobbins": of what is counted; what is measured may be told in other units.
_COUNTED = re.compile(
    r"\bhow many\s+((?!of\b|more\b|times?\b|people\b|persons?\b|(?:second|minute|hour|day|night|"
    r"week|month|year|millimetre|centimetre|metre|kilometre|mile|litre|gram|kilo|kilogram|ton|degree|"
    r"watt|euro|dollar|cent|percent)s?\b)[a-z-]+s)\b",
    re.IGNORECASE,
)
_BY_THE_WAY = re.compile(r"\s*\b(?:in|of|for|from|during)\s+(?:the\s+year\s+)?(?:19|20)\d\d\b")
_POLAR = re.compile(
    r"^(?:\W*(?:and|so|but|then)\s+)?(?:is|are|was|were|do|does|did|can|could|may|must|will|"
    r"would|should|has|have|am)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing that is asked.

    Attributes:
        text: as a question by itself.
        side: of a comparison or an enumeration: the words that the others have not.
        goes_on: it speaks of what the part before speaks of.
        context: what was asked before, where it leans on that.
    """

    text: str
    side: str = ""
    goes_on: bool = False
    context: str = ""

    @property
    def timeless(self) -> str:
        """The question without the year that a document must be of, which its sentences lack."""
        return _BY_THE_WAY.sub("", self.text) or self.text

    @property
    def stems(self) -> list[str]:
        """What it is about."""
        meant = " ".join(word for pattern, word in _MEANT if pattern.search(self.text))
        return content_stems(f"{self.text} {meant}")

    @property
    def identifiers(self) -> tuple[str, ...]:
        """What must be met exactly, as `index.identifiers` writes it."""
        return identifiers(self.text)

    @property
    def names(self) -> list[str]:
        """Names of persons, places, things; those in lower case are not seen."""
        return names(self.text)

    @property
    def sort(self) -> Sort:
        """What the answer has to hold."""
        return next((sort for sort, pattern in _SORTS if pattern.search(self.text)), "any")

    @property
    def wants_list(self) -> bool:
        """Says whether all items of a list may be meant."""
        return bool(
            _PLURAL.search(self.text) or _CONTENTS.search(self.text) or _MOST.search(self.text)
        )

    @property
    def may_mean_list(self) -> bool:
        """Says whether a list could be the answer, if nothing tells one of its items."""
        is_open = self.sort == "any" and _WHAT.search(self.text) is not None
        return self.wants_list or self.wants_steps or is_open

    @property
    def wants_steps(self) -> bool:
        """Says whether the way to do something is asked for."""
        return bool(_STEPS.search(self.text))

    @property
    def asks_what_is_not(self) -> bool:
        """Says whether what is forbidden, or is not so, is asked for."""
        return not self.is_polar and _NOT.search(self.text) is not None

    @property
    def counted(self) -> str:
        """What is counted, as a stem: of "how many bobbins" bobbin; empty: nothing is."""
        match = _COUNTED.search(self.text)
        return stem(match[1].lower()) if match else ""

    @property
    def asks_earlier(self) -> bool:
        """Says whether it asks how it was before, and not how it is."""
        return _EARLIER.search(self.text) is not None

    @property
    def asks_which_version(self) -> bool:
        """Says whether it is asked in which version something came."""
        return _WHICH_VERSION.search(self.text) is not None

    @property
    def is_polar(self) -> bool:
        """Says whether yes or no would answer it."""
        return bool(_POLAR.search(self.text))
