r"""The tokens of RTF: groups, control words with their numbers, letters.

    {\b Fee}: 5\'80\par   ->   open  b  "Fee"  close  ": 5"  "€"  par
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?"  # a control word
    rb"|\\'([0-9a-fA-F]{2})"  # a byte of the code page
    rb"|\\([^a-zA-Z'])"  # a control symbol
    rb"|([{}])"
    rb"|([^\\{}\r\n]+)"
    rb"|[\r\n]+|\\.?",
    re.DOTALL,
)


class Token(NamedTuple):
    r"""`word` is a control word or symbol, `{` or `}`; empty where `data` are letters."""

    word: str = ""
    number: int | None = None
    data: bytes = b""


def tokens(data: bytes) -> Iterator[Token]:
    r"""Reads a document; the binary data of pictures (`\bin`) is left out."""
    position = 0
    while position < len(data):
        found = _TOKEN.match(data, position)
        if found is None:
            return
        position = found.end()
        word, number, byte, symbol, brace, letters = found.groups()
        if word is not None:
            value = None if number is None else int(number)
            if word == b"bin":
                position += max(value or 0, 0)
            yield Token(word=word.decode("ascii"), number=value)
        elif byte is not None:
            yield Token(data=bytes([int(byte, 16)]))
        elif symbol is not None or brace is not None:
            yield Token(word=(symbol or brace).decode("latin-1"))
        elif letters is not None:
            yield Token(data=letters)
