"""Cuts an answer into segments, each judged before it is released.

Where a segment ends depends on the text alone, never on timing, so a streamed and an unstreamed
answer are judged on the same windows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphs.pipeline.markers import Piece


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Pieces that are released together.

    Attributes:
        window: what the safety filter judges: the segment and the text before it.
    """

    pieces: tuple[Piece, ...]
    window: str


class Segmenter:
    """Collects pieces and cuts them at white space after about `segment_chars`."""

    def __init__(self, *, segment_chars: int, window_chars: int) -> None:
        self._segment_chars = segment_chars
        self._window_chars = window_chars
        self._pieces: list[Piece] = []
        self._num_chars = 0
        self._text = ""

    def push(self, pieces: Sequence[Piece]) -> list[Segment]:
        """Adds pieces and gives the segments that they complete."""
        segments = []
        for piece in pieces:
            start = 0
            for end in self._ends(piece):
                self._pieces.append(replace(piece, text=piece.text[start:end]))
                segments.append(self._cut())
                start = end
            if start < len(piece.text):
                self._pieces.append(replace(piece, text=piece.text[start:]))
        return segments

    def flush(self) -> list[Segment]:
        """Gives the rest, when no more text comes."""
        return [self._cut()] if self._pieces else []

    def _ends(self, piece: Piece) -> list[int]:
        """Counts the characters of a piece and finds where in it segments end."""
        ends = []
        for index, char in enumerate(piece.text, start=1):
            self._num_chars += 1
            at_blank = self._num_chars >= self._segment_chars and char.isspace()
            too_long = self._num_chars >= 2 * self._segment_chars
            if (at_blank or too_long) and (piece.passage is None or index == len(piece.text)):
                ends.append(index)
                self._num_chars = 0
        return ends

    def _cut(self) -> Segment:
        text = "".join(piece.text for piece in self._pieces)
        self._text = (self._text + text)[-max(self._window_chars, len(text)) :]
        segment = Segment(pieces=tuple(self._pieces), window=self._text)
        self._pieces = []
        return segment
