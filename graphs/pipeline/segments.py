"""Cuts an answer into segments, each judged before it is released with the tokens of its text.

Where a segment ends depends on the text alone, never on timing, so a streamed and an unstreamed
answer are judged on the same windows. Where nothing is judged, text is released as it comes.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from graphs.pipeline.markers import Piece
from models.generation import GenerationChunk, WrittenToken


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One of the texts that an answer consists of; each is cut and judged by itself.

    Attributes:
        call: counts the calls of tools from 0; its text are the arguments.
    """

    kind: Literal["text", "thought", "call"]
    call: int = 0


TEXT, THOUGHT = Channel(kind="text"), Channel(kind="thought")


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Pieces that are released together.

    Attributes:
        window: what the safety filter judges: the segment and the text before it.
        num_raw: characters of the generator's text up to its end, from the start of the answer.
        channel: what it is a segment of.
        opens: whether it opens a call: its text is the name of the tool.
    """

    pieces: tuple[Piece, ...]
    window: str
    num_raw: int
    channel: Channel = TEXT
    opens: bool = False

    @property
    def text(self) -> str:
        """The text of its pieces."""
        return "".join(piece.text for piece in self.pieces)


class Segmenter:
    """Collects pieces and cuts them at white space after about `segment_chars`; None: at once."""

    def __init__(
        self, *, segment_chars: int | None, window_chars: int, channel: Channel = TEXT
    ) -> None:
        self._channel = channel
        self._segment_chars = segment_chars
        self._window_chars = window_chars
        self._pieces: list[Piece] = []
        self._num_chars = 0
        self._num_raw = 0
        self._text = ""

    def push(self, pieces: Sequence[Piece]) -> list[Segment]:
        """Adds pieces and gives the segments that they complete."""
        if self._segment_chars is None:
            self._pieces += pieces
            return self.flush()
        segments = []
        for piece in pieces:
            start = 0
            for end in self._ends(piece, self._segment_chars):
                self._pieces.append(replace(piece, text=piece.text[start:end]))
                segments.append(self._cut())
                start = end
            if start < len(piece.text):
                self._pieces.append(replace(piece, text=piece.text[start:]))
            elif not piece.text:
                self._pieces.append(piece)
        return segments

    def flush(self) -> list[Segment]:
        """Gives the rest."""
        return [self._cut()] if any(piece.text for piece in self._pieces) else []

    def _ends(self, piece: Piece, segment_chars: int) -> list[int]:
        """Counts the characters of a piece and finds where in it segments end."""
        ends = []
        for index, char in enumerate(piece.text, start=1):
            self._num_chars += 1
            at_blank = self._num_chars >= segment_chars and char.isspace()
            too_long = self._num_chars >= 2 * segment_chars
            if (at_blank or too_long) and (piece.passage is None or index == len(piece.text)):
                ends.append(index)
                self._num_chars = 0
        return ends

    def _cut(self) -> Segment:
        text = "".join(piece.text for piece in self._pieces)
        self._text = (self._text + text)[-max(self._window_chars, len(text)) :]
        self._num_raw += sum(piece.num_read for piece in self._pieces)
        segment = Segment(
            pieces=tuple(self._pieces), window=self._text, num_raw=self._num_raw,
            channel=self._channel,
        )  # fmt: skip
        self._pieces = []
        return segment


class TokenQueue:
    """Holds the tokens that came, and where in the generator's text each of them stands.

    Which tokens go with which piece depends on the text alone, never on timing.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, int, WrittenToken]] = deque()
        self._num_decoded = 0
        self._num_chars = 0

    def add(self, chunk: GenerationChunk) -> None:
        """Takes the next piece of the answer."""
        self._num_chars += len(chunk.text)
        for token in chunk.tokens:
            start, self._num_decoded = self._num_decoded, self._num_decoded + token.num_chars
            self._waiting.append((start, self._num_decoded, token))

    def up_to(self, num_chars: int) -> tuple[WrittenToken, ...]:
        """Gives those that end within so many characters of the generator's text."""
        given = []
        while self._waiting:
            start, end, token = self._waiting[0]
            if start >= num_chars or end > num_chars:
                break
            given.append(token)
            self._waiting.popleft()
        return tuple(given)

    def rest(self) -> tuple[WrittenToken, ...]:
        """Gives what is left of a whole answer, without what a stop string has cut off."""
        is_cut = self._num_decoded > self._num_chars
        return tuple(
            token for start, _, token in self._waiting if not is_cut or start < self._num_chars
        )
