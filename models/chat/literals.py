r"""Turns values as models write them, JSON or literals of Python, into JSON, by the character.

    'It\'s "5"'  ->  "It's \"5\""        (True, None)  ->  [true, null]

What is JSON stays as it is.
"""

import json

_WORDS = {"True": "true", "False": "false", "None": "null"}
_BRACKETS = {"(": "[", ")": "]"}
_SAME_ESCAPES = frozenset('"\\/bfnrtu')


def quoted(text: str) -> str:
    """Gives a text as it stands inside the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


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
