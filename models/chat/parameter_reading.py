"""Reads arguments that are written one by one; see `models.chat.parameters`.

    begin | after of the call --> name -> value --mark--> begin ...
          '- the end                       '- text as it is, or a literal

White space in marks does not count, but the line breaks around a text that belong to them.
"""

from collections.abc import Callable
from typing import Protocol

from models.chat.literals import LiteralReader, QuotedReader, quoted
from models.chat.parameters import NULLS, Parameters


class ArgumentsReader(Protocol):
    """Reads the arguments of one call, character by character, and gives a JSON object."""

    @property
    def is_ended(self) -> bool:
        """Whether the last character ended them."""
        ...

    def push(self, char: str) -> str:
        """Takes the next character and gives what is settled of the JSON."""
        ...

    def flush(self) -> str:
        """Gives the end of the JSON, where no more text comes but all but the last mark came."""
        ...


class JsonObject:
    """Arguments that are a JSON object already. See `ArgumentsReader`."""

    def __init__(self) -> None:
        self.is_ended = False
        self._is_new = True
        self._depth = 0
        self._in_string = False
        self._is_escaped = False

    def push(self, char: str) -> str:
        """Gives the character itself, and notes whether the object ends with it."""
        if self._is_new and char.isspace():
            return ""
        self._is_new = False
        if self._in_string:
            if self._is_escaped or char == "\\":
                self._is_escaped = not self._is_escaped
            elif char == '"':
                self._in_string = False
            return char
        self._in_string = char == '"'
        self._depth += (char in "{[") - (char in "}]")
        self.is_ended = self._depth == 0
        return char

    def flush(self) -> str:
        """Adds nothing."""
        return ""


class ParametersReader:
    """Arguments one by one. See `ArgumentsReader`.

    Args:
        notation: the marks around each.
        end: the mark after all of them.
        texts: names of those that are written as they are.
        nullable: names of those of them that may be null.
    """

    def __init__(
        self, notation: Parameters, end: str, texts: frozenset[str],
        nullable: frozenset[str] = frozenset(),
    ) -> None:  # fmt: skip
        self._nullable = nullable
        self.is_ended = False
        self._notation = notation
        self._end = "".join(end.split())
        self._texts = texts
        self._begin = "".join(notation.begin.split())
        self._before = "".join(notation.before_value.split())
        self._before_text = "".join(notation.before_text.split())
        self._after = "".join(notation.after.split())
        self._step: Callable[[str], str] = self._read_begin
        self._held = ""
        self._opening = "{"
        self._literal = LiteralReader()
        self._is_new = False

    def push(self, char: str) -> str:
        """Takes the next character and gives what is settled of the JSON."""
        return self._step(char)

    def flush(self) -> str:
        """Gives the end of the JSON, where no more text comes but all but the last mark came."""
        held = self._held if self._step == self._read_begin else ""
        is_left = held and self._end.startswith(held) and not self._begin.startswith(held)
        return self._closed() if is_left else ""

    def _closed(self) -> str:
        self.is_ended = True
        return "{}" if self._opening == "{" else "}"

    def _read_begin(self, char: str) -> str:
        if char.isspace() or (not self._held and char == self._notation.between.strip()):
            return ""
        self._held += char
        if self._held == self._end:
            return self._closed()
        if self._held == self._begin:
            self._held, self._step = "", self._read_name
        elif not self._begin and not self._end.startswith(self._held):
            self._held, self._step = "", self._read_name
            return self._step(char)
        return ""

    def _read_name(self, char: str) -> str:
        self._held += "" if char.isspace() else char
        is_told = bool(self._before_text) and self._held.endswith(self._before_text)
        if not is_told and not self._held.endswith(self._before):
            return ""
        name = self._held.removesuffix(self._before_text if is_told else self._before)
        name = name.strip(self._notation.quote)
        self._held, self._is_new = "", True
        opening, self._opening = self._opening, ", "
        if name in self._nullable and not self._notation.tells_texts:
            self._step = self._read_null
            return f'{opening}"{quoted(name)}": '
        if is_told or (name in self._texts and not self._notation.tells_texts):
            self._step = self._read_text
            return f'{opening}"{quoted(name)}": "'
        mark = self._notation.quote
        self._literal = QuotedReader(mark) if mark else LiteralReader()
        self._step = self._read_value
        return f'{opening}"{quoted(name)}": '

    def _read_null(self, char: str) -> str:
        """Reads a text as long as it may be null."""
        self._held += char
        seen = "".join(self._held.split())
        ends = [f"{null}{self._after}" for null in NULLS]
        if seen in ends:
            self._held, self._step = "", self._read_begin
            return "null"
        if any(one.startswith(seen) for one in ends):
            return ""
        held, self._held, self._step = self._held, "", self._read_text
        return '"' + "".join(self._read_text(one) for one in held)

    def _read_text(self, char: str) -> str:
        is_new, self._is_new = self._is_new, False
        if is_new and char == "\n" and self._notation.before_value.endswith("\n"):
            return ""
        self._held += char
        if self._held.endswith(self._after):
            text = self._held.removesuffix(self._after)
            if self._notation.after.startswith("\n"):
                text = text.removesuffix("\n")
            self._held, self._step = "", self._read_begin
            return quoted(text) + '"'
        settled = self._held[: len(self._held) - self._num_open()]
        self._held = self._held[len(settled) :]
        return quoted(settled)

    def _num_open(self) -> int:
        """Counts the characters at the end that may become the mark after a text."""
        marks, size = {self._after, f"\n{self._after}"}, len(self._held)
        starts = range(max(0, size - len(self._after)), size)
        opens = (at for at in starts if any(one.startswith(self._held[at:]) for one in marks))
        return size - next(opens, size)

    def _read_value(self, char: str) -> str:
        if self._is_new and char.isspace():
            return ""
        self._is_new = False
        if self._literal.is_open or not self._ends_value(char):
            return self._literal.push(char)
        last = self._literal.flush()
        self._step = self._read_after if self._after else self._read_begin
        return last + self._step(char)

    def _ends_value(self, char: str) -> bool:
        if self._after:
            return char.isspace() or char == self._after[0]
        is_blank = char.isspace() and not self._notation.quote
        return is_blank or char in {self._end[0], self._notation.between.strip()}

    def _read_after(self, char: str) -> str:
        self._held += "" if char.isspace() else char
        if self._held == self._after:
            self._held, self._step = "", self._read_begin
        return ""
