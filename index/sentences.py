"""Where sentences end, and what leads a list in.

    "You need: [1] ends at the mark .  ?  !  ...  and what closes it, before white space and the
     - a pump        start of another sentence; 。 and the like need no white space
     - a hose"       an item of a list is a sentence; what leads the list in goes with it

A full stop ends none after an abbreviation (abbreviations.py), an initial, the number of an item
or of a German day, nor after a short word before a number ("No. 7"). Where in doubt a sentence goes
on: two in one say more than half of one. Time is linear in the text, whatever it holds.
"""

# ruff: noqa: RUF001 - letters and marks of other scripts are meant

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from index.abbreviations import (
    ABBREVIATED_ENDINGS,
    ABBREVIATIONS,
    LABELLED,
    MONTHS,
    NEVER_LAST,
    NUMBERED,
    ORDINAL_LEADS,
    STARTERS,
)
from index.parsing.document import BLOCK_SEPARATOR

MAX_LEAD_IN_CHARS = 200
LEADS_IN = (":", "：")
_LOOK_CHARS = 40  # how far around a mark is looked; a longer word is no abbreviation
_SHORT = 4  # letters
_UNIT_LETTERS = frozenset("gmlshtVAWKCFNJBΩ%°")

_MARKS = ".!?…؟۔।॥።։"
_CLOSING = "\"'’”»›)\\]}*_"
_OPENING = "\"'‘’“”„‚«‹([{¿¡*_"
# Possessive, and only where a run of marks begins: what was read is never read again.
_MARK = re.compile(
    rf"(?<![{_MARKS}])(?P<spaced>[{_MARKS}]++(?:\s?[»›]|[{_CLOSING}])*+)\s++(?=[{_OPENING}]*+\s?[^\W_]|[$€£¥#])"
    r"|(?<![。！？｡．])[。！？｡．]++[」』）】》〉”’\"')\]]*+(?![とっ、，」』])"
)
_ITEM = re.compile(r"(?:[-*+•‣▪◦·–—]|\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{2,4})[.)])\s")
_BULLET = re.compile(r"[-*+•‣▪◦·–—]\s+")
_NEXT = re.compile(rf"[{_OPENING}\s]*+([^\W\d_]*+)(\S?)")
_PARTS = re.compile(r"(?:[^\W\d_]{1,2}\.(?:-)?)(?:[^\W\d_]{1,3}\.)*[^\W\d_]{1,3}")
_NUMBER = re.compile(
    r"(?P<listed>\d{1,2}[.)]\s)|(?P<digit>[A-Z]?\d|[$€£¥#])|(?P<roman>(?!I\b)[IVXLC]+\b)"
)
_ELIDED = re.compile(r"(?:l|d|qu|un|all|dall|dell|nell|sull)['’]", re.IGNORECASE)
_LIST_NUMBER = re.compile(r"\d{1,3}(?:\.\d{1,3})*|[A-Za-z]|[IVXivx]{1,5}")


@dataclass(frozen=True, slots=True)
class Sentence:
    """What can be quoted alone.

    `lead_in` is what introduces the list of which this is an item ("You need:"), else empty.
    """

    text: str
    lead_in: str = ""

    @property
    def whole(self) -> str:
        """The sentence as it can be understood: behind its lead-in."""
        return f"{self.lead_in} {self.text}" if self.lead_in else self.text


def split_sentences(text: str) -> list[str]:
    """Splits a passage where its sentences end; each list item and table row is one by itself.

    Code, which alone has line breaks, is split at its empty lines only.
    """
    return [sentence.text for sentence in sentences(text)]


def sentences(text: str, title: str = "") -> list[Sentence]:
    """Splits a passage as `split_sentences`; the items of a list know what leads them in.

    Args:
        text: a passage.
        title: of the passage; its end leads in the items that the passage begins with.
    """
    lead_in = title.rsplit(" > ", 1)[-1]
    lead_in = lead_in if lead_in.endswith(LEADS_IN) else ""
    found: list[Sentence] = []
    for block in text.split(BLOCK_SEPARATOR):
        pieces = _split(block)
        if not pieces:
            continue
        if is_item(block):
            found += [Sentence(piece, lead_in) for piece in pieces]
        else:
            found += [Sentence(piece) for piece in pieces]
            lead_in = lead_in_of(pieces[-1])
    return found


def is_item(text: str) -> bool:
    """Says whether a block is an item of a list, by its bullet or number."""
    return _ITEM.match(text) is not None


def lead_in_of(text: str) -> str:
    """What of a block leads in the list below it: its last sentence, if that ends with a colon."""
    tail = text.rstrip()
    if not tail.endswith(LEADS_IN):
        return ""
    # A longer one would be cut anyway.
    tail = tail[-2 * MAX_LEAD_IN_CHARS :]
    last = (_split(tail) or [""])[-1]
    return last if len(last) <= MAX_LEAD_IN_CHARS else ""


def sentence_ends(text: str, start: int = 0, end: int | None = None) -> Iterator[int]:
    """Where the sentences of a block of prose end, behind the white space; not its own end.

    Args:
        text: holds the block.
        start: where the block begins.
        end: where it ends; None: with the text.
    """
    begin = start
    bullet = _BULLET.match(text, start)
    begin = bullet.end() if bullet else begin
    for mark in _MARK.finditer(text, start, len(text) if end is None else end):
        if mark["spaced"] is None or _is_end(text, begin, mark):
            begin = mark.end()
            yield begin


def _split(block: str) -> list[str]:
    if "\n" in block.strip():
        return [block.strip()]
    places = [0, *sentence_ends(block), len(block)]
    pieces = (block[start:end].strip() for start, end in pairwise(places))
    return [piece for piece in pieces if piece]


def _is_end(text: str, begin: int, mark: re.Match[str]) -> bool:
    """Says whether a mark, which white space follows, ends the sentence that begins at `begin`."""
    start, marks = mark.start(), mark["spaced"]
    following = _NEXT.match(text, mark.end(), mark.end() + _LOOK_CHARS)
    word = following[1] if following else ""
    if word[:1].islower() or start == begin or text[start - 1] in "([":
        return False
    if marks[0] in "!?؟":
        return True
    if text[start - 1].isspace():  # an ellipsis that leaves something out
        return False
    if marks[0] != "." or (len(marks) > 1 and marks[1] not in ")]}"):
        return True  # an ellipsis, or a quotation, ends here
    before = text[max(begin, start - _LOOK_CHARS) : start].split()[-2:]
    number = _NUMBER.match(text, mark.end())
    stop = _FullStop(
        last=_ELIDED.sub("", before[-1].lstrip(_OPENING + "-–—/"), count=1),
        lead=before[0] if len(before) > 1 else "",
        is_first=start - len(before[-1]) <= begin,
        word=word,
        starts=word in STARTERS and following is not None and following[2] != ".",
        number=(number.lastgroup or "") if number else "",
    )
    return stop.ends_sentence()


class _FullStop(NamedTuple):
    """What stands around a full stop.

    Attributes:
        last: the word before it, without what opens it.
        lead: the word before that.
        is_first: whether the sentence begins with the last word.
        word: what follows, if it is a word.
        starts: whether that begins sentences.
        number: which kind of number follows: "digit", "roman", "listed" (perhaps that of an item).
    """

    last: str
    lead: str
    is_first: bool
    word: str
    starts: bool
    number: str

    def ends_sentence(self) -> bool:
        """Says whether it is more than a part of its word."""
        if (self.is_first or self.lead.endswith(":")) and _LIST_NUMBER.fullmatch(self.last):
            return False
        if self.last.isdecimal():
            return not self._is_ordinal()
        is_short = self.last.isalpha() and len(self.last) <= _SHORT
        return not self._shortens() and not (is_short and self.number == "digit")

    def _shortens(self) -> bool:
        folded = self.last.lower()
        if len(folded) == 1 and self.lead[1:] == ".":
            folded = f"{self.lead.lower()}{folded}"  # "z. B."
        if folded in NEVER_LAST:
            return True
        if len(self.last) == 1:
            return not self.starts and not self._is_label()
        if folded in NUMBERED:
            return bool(self.number)
        return not self.starts and (
            folded in ABBREVIATIONS
            or _PARTS.fullmatch(folded) is not None
            or (len(folded) > _SHORT and folded.endswith(ABBREVIATED_ENDINGS))
        )

    def _is_ordinal(self) -> bool:
        """Says whether "3." is "the third": of a month, or behind an article of German."""
        if len(self.last) > 2 or not self.word or self.starts:
            return False
        return self.word.lower().startswith(MONTHS) or self.lead.lower() in ORDINAL_LEADS

    def _is_label(self) -> bool:
        """Says whether a letter is no initial: "hall B", "5 V", "so do I"."""
        if self.lead[-1:].isdecimal():
            return self.last in _UNIT_LETTERS
        return self.lead.lower() in LABELLED or (self.last == "I" and self.lead.islower())
