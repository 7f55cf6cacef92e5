r"""Turns values as models write them, JSON or literals of Python, into JSON, by the character.

    'It\'s "5"'  ->  "It's \"5\""        (True, None)  ->  [true, null]
    {at:[<|"|>a "b"<|"|>]}  ->  {"at":["a \"b\""]}        where texts have marks of their own

What is JSON stays as it is.
"""

import json
import re
from typing import Any

_WORDS = {"True": "true", "False": "false", "None": "null"}
_BRACKETS = {"(": "[", ")": "]"}
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_SAME_ESCAPES = frozenset('"\\/bfnrtu')


def quoted(text: str) -> str:
    """Gives a text as it stands inside the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def bare(value: Any, mark: str) -> str:
    """Writes a value whose texts stand between marks, and whose names of members are bare."""
    if isinstance(value, dict):
        members = (f"{name}:{bare(one, mark)}" for name, one in value.items())
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(bare(one, mark) for one in value)}]"
    is_text = isinstance(value, str) and mark not in value
    return f"{mark}{value}{mark}" if is_text else json.dumps(value, ensure_ascii=False)


class LiteralReader:
    """Reads one value."""

    def __init__(self) -> None:
        self._quote = ""  # that the string at hand ends with
        self._is_escaped = False
        self._hex = ""  # of an escape such as \x41
        self._depth = 0
        self._word = ""

    @property
    def is_open(self) -> bool:
        """Whether a string or a bracket has begun and not ended."""
        return bool(self._quote) or self._depth > 0

    def push(self, char: str) -> str:
        """Takes the next character and gives what is settled of the JSON."""
        if self._quote:
            return self._in_hex(char) if self._hex else self._in_string(char)
        if char.isalnum() or char in "+-._":
            self._word += char
            return ""
        if char in "'\"":
            self._quote = char
            return self.flush() + '"'
        self._depth += (char in "{[(") - (char in "}])")
        return self.flush() + _BRACKETS.get(char, char)

    def flush(self) -> str:
        """Gives a word that may have gone on: a number or a constant."""
        word, self._word = self._word, ""
        return _WORDS.get(word, word)

    def _in_string(self, char: str) -> str:
        if self._is_escaped:
            self._is_escaped = False
            return self._escaped(char)
        if char == "\\":
            self._is_escaped = True
            return ""
        if char == self._quote:
            self._quote = ""
            return '"'
        return quoted(char)

    def _escaped(self, char: str) -> str:
        if char == "x":
            self._hex = char
            return ""
        if char == "'":
            return char
        return f"\\{char}" if char in _SAME_ESCAPES else quoted(f"\\{char}")

    def _in_hex(self, char: str) -> str:
        self._hex += char
        if len(self._hex) < 3:
            return ""
        digits, self._hex = self._hex[1:], ""
        return f"\\u00{digits}"


class QuotedReader(LiteralReader):
    """Reads a value whose texts stand between marks, and whose names of members are bare.

    Args:
        mark: on both sides of a text.
    """

    def __init__(self, mark: str) -> None:
        super().__init__()
        self._mark = mark
        self._held = ""  # that may become the mark
        self._is_text = False

    @property
    def is_open(self) -> bool:
        """Whether a text or a bracket has begun and not ended."""
        return self._is_text or bool(self._held) or super().is_open

    def push(self, char: str) -> str:
        """Takes the next character and gives what is settled of the JSON."""
        if self._quote:
            return super().push(char)
        self._held += char
        if self._held == self._mark:
            self._held = ""
            return self._turn()
        if self._mark.startswith(self._held):
            return ""
        held, self._held = self._held, ""
        return self._plain(held[0]) + "".join(self.push(one) for one in held[1:])

    def flush(self) -> str:
        """Gives a word that may have gone on: what is no number or constant is a text."""
        word, self._word = self._word.strip(), ""
        word = _WORDS.get(word, word)
        is_json = not word or word in _WORDS.values() or _NUMBER.fullmatch(word)
        return word if is_json else f'"{quoted(word)}"'

    def _turn(self) -> str:
        if self._word:  # a text without its first mark
            return ""
        self._is_text = not self._is_text
        return '"'

    def _plain(self, char: str) -> str:
        if self._is_text:
            return quoted(char)
        if char == ":" and self._depth:
            name, self._word = self._word.strip(), ""
            return f'"{quoted(name)}": ' if name else ": "
        if char in "'\"" and not self._word:
            self._quote = char
            return '"'
        if char not in "{[,]}":
            self._word += char if self._word or not char.isspace() else ""
            return ""
        self._depth += (char in "{[") - (char in "}]")
        return self.flush() + (", " if char == "," else char)
