"""Token ids to text, piece by piece, and the search for stop strings in that text."""

from collections.abc import Sequence
from typing import Protocol

_HALF_CHARACTER = "\N{REPLACEMENT CHARACTER}"


class Decoder(Protocol):
    """What of a tokenizer is needed here."""

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool) -> str:
        """Gives the text of some ids."""
        ...


class Detokenizer:
    """Turns a growing list of ids into a growing text, never showing half a character.

    Only the last piece is decoded again at each push, so the cost does not grow with the answer.
    The window begins one piece early, since some tokenizers write a token otherwise at a start.
    """

    def __init__(self, tokenizer: Decoder) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._window_start = 0
        self._num_shown = 0

    def push(self, token_ids: Sequence[int]) -> str:
        """Adds ids and gives the text that they complete."""
        self._ids.extend(token_ids)
        text = self._pending_text()
        if not text or text.endswith(_HALF_CHARACTER):
            return ""
        self._window_start, self._num_shown = self._num_shown, len(self._ids)
        return text

    def flush(self) -> str:
        """Gives what was held back; broken characters become replacement characters."""
        text = self._pending_text()
        self._window_start, self._num_shown = self._num_shown, len(self._ids)
        return text

    def _pending_text(self) -> str:
        shown = self._decode(self._ids[self._window_start : self._num_shown])
        return self._decode(self._ids[self._window_start :])[len(shown) :]

    def _decode(self, token_ids: list[int]) -> str:
        return self._tokenizer.decode(token_ids, skip_special_tokens=True)


class StopScanner:
    """Lets text through up to the first stop string, which itself is never shown."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.stopped = False

    def push(self, text: str) -> str:
        """Adds text and gives what can be shown: all but a possible start of a stop string."""
        self._held += text
        found = [at for at in (self._held.find(stop) for stop in self._stops) if at >= 0]
        if found:
            self.stopped = True
            shown, self._held = self._held[: min(found)], ""
            return shown
        keep = self._num_to_hold()
        shown = self._held[: len(self._held) - keep]
        self._held = self._held[len(shown) :]
        return shown

    def flush(self) -> str:
        """Gives what was held back, when no more text comes."""
        shown, self._held = self._held, ""
        return shown

    def _num_to_hold(self) -> int:
        longest = max((len(stop) for stop in self._stops), default=0)
        for size in range(min(longest - 1, len(self._held)), 0, -1):
            if any(stop.startswith(self._held[-size:]) for stop in self._stops):
                return size
        return 0
