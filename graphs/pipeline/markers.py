"""Finds `[n]` markers in a growing answer and takes out those that name no passage."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphs.pipeline.events import Passage

# "[1]", and the "[1, 2]" that some models write; blanks before it belong to it.
_MARKER = re.compile(r"[ \t]*\[(\d{1,3}(?:[ ]?,[ ]?\d{1,3}){0,7})\]")
# What may still become a marker when more text comes.
_OPEN = re.compile(r"[ \t]*(?:\[[\d, ]{0,40})?$")


def without_markers(text: str) -> str:
    """Takes the markers out of an earlier answer: they name passages of another search."""
    return _MARKER.sub("", text)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of checked text; with a passage, it is the marker of that passage.

    Attributes:
        num_raw: characters of the generator's text that it stands for, those left out included;
            None: as many as it has itself.
    """

    text: str
    passage: Passage | None = None
    num_raw: int | None = None

    @property
    def num_read(self) -> int:
        """Characters of the generator's text that it stands for."""
        return len(self.text) if self.num_raw is None else self.num_raw


class MarkerFilter:
    """Splits an answer into text and markers, piece by piece as it streams.

    White space at the start of the answer is left out, and a marker without a passage goes
    together with the blanks before it.
    """

    def __init__(self, passages: Mapping[int, Passage]) -> None:
        self._passages = passages
        self._held = ""
        self._started = False

    def push(self, text: str) -> list[Piece]:
        """Adds text and gives the pieces that are settled."""
        self._held += text
        pieces: list[Piece] = []
        if not self._started:
            pieces = _left_out(len(self._held) - len(self._held.lstrip()))
            self._held = self._held.lstrip()
            self._started = bool(self._held)
        open_marker = _OPEN.search(self._held)
        settled = open_marker.start() if open_marker else len(self._held)
        ready, self._held = self._held[:settled], self._held[settled:]
        return pieces + self._split(ready)

    def flush(self) -> list[Piece]:
        """Gives what was held back, when no more text comes; blanks at the end are left out."""
        held, self._held = self._held, ""
        ready = held.rstrip()
        return self._split(ready) + _left_out(len(held) - len(ready))

    def _split(self, text: str) -> list[Piece]:
        pieces: list[Piece] = []
        end = 0
        for match in _MARKER.finditer(text):
            numbers = [int(number) for number in match.group(1).split(",")]
            known = [number for number in dict.fromkeys(numbers) if number in self._passages]
            blanks = text[match.start() : match.start(1) - 1] if known else ""
            pieces.append(Piece(text=text[end : match.start()] + blanks))
            num_raw = len(match.group()) - len(blanks)
            pieces += _markers([self._passages[n] for n in known], num_raw) or _left_out(num_raw)
            end = match.end()
        pieces.append(Piece(text=text[end:]))
        return [piece for piece in pieces if piece.text or piece.num_raw]


def _markers(passages: Sequence[Passage], num_raw: int) -> list[Piece]:
    """Writes a marker for each passage; the first stands for all that was written."""
    return [
        Piece(text=f"[{passage.number}]", passage=passage, num_raw=num_raw * (at == 0))
        for at, passage in enumerate(passages)
    ]


def _left_out(num_raw: int) -> list[Piece]:
    return [Piece(text="", num_raw=num_raw)] if num_raw else []


class Verbatim:
    """Gives an answer as it is, where brackets are part of its form."""

    def push(self, text: str) -> list[Piece]:
        """Adds text and gives it."""
        return [Piece(text=text)] if text else []

    def flush(self) -> list[Piece]:
        """Holds nothing back."""
        return []
