r"""The tokens of RTF: groups, control words with their numbers, letters.

`{\b Fee}: 5\'80\par` is an open brace, `b`, "Fee", a closing one, ": 5", the byte 80, `par`.
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
    while found := _TOKEN.match(data, position):
        token = _token(found)
        position = found.end()
        if token.word == "bin":
            position += max(token.number or 0, 0)
        yield token


def _token(found: re.Match[bytes]) -> Token:
    word, number, byte, symbol, brace, letters = found.groups()
    if word is not None:
        return Token(word=word.decode("ascii"), number=int(number) if number else None)
    if byte is not None:
        return Token(data=bytes([int(byte, 16)]))
    if symbol is not None and symbol not in b"\\{}":
        return Token(word=symbol.decode("latin-1"))
    if brace is not None:
        return Token(word=brace.decode("ascii"))
    return Token(data=symbol or letters or b"")
