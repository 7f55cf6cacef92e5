"""A text whose markers are left out, for replies that tell citations by the text itself."""

import re

# A marker with the blanks before it, as graphs/pipeline/markers.py leaves them in a text.
_MARKER = re.compile(r"[ \t]*\[\d{1,3}\]")


class Unmarked:
    """A text without its markers, and where its characters stood with them.

    Blanks at the end of a piece wait for the next one: they go with a marker.
    """

    def __init__(self) -> None:
        self.text = ""
        self._held = ""
        self._num_chars = 0
        self._removed: list[tuple[int, int]] = []  # spans of the text with its markers

    def push(self, text: str, *, verbatim: bool) -> str:
        """Adds a piece, and gives what is left of it."""
        if verbatim:
            self.text += text
            return text
        piece = self._held + text
        ready = piece.rstrip(" \t")
        self._held = piece[len(ready) :]
        self._removed += [
            (self._num_chars + one.start(), self._num_chars + one.end())
            for one in _MARKER.finditer(ready)
        ]
        self._num_chars += len(ready)
        left = _MARKER.sub("", ready)
        self.text += left
        return left

    def span(self, place: int, *, after: int) -> tuple[int, int]:
        """Gives the text of the line before a place that was marked, but not before `after`."""
        place -= sum(min(end, place) - start for start, end in self._removed if start < place)
        line = self.text.rfind("\n", 0, len(self.text[:place].rstrip())) + 1
        start = max(after, line)
        cited = self.text[start:place]
        return start + len(cited) - len(cited.lstrip()), start + len(cited.rstrip())
