"""What an uploaded file is called: the name that its client meant, fit to be shown."""

import re
import unicodedata
from email.errors import HeaderParseError
from email.header import decode_header
from urllib.parse import unquote

from graphs.api.errors import BadRequestError

_EXTENDED = re.compile(r";\s*filename\*\s*=\s*\"?([\w.-]{1,40})'[\w-]{0,20}'([^\s;\"]+)", re.ASCII)
_ENCODED_WORD = re.compile(r"=\?[\w.-]{1,40}\?[bBqQ]\?[^?\s]*\?=", re.ASCII)
_JOINERS = "\u200c\u200d"  # Persian and Hindi words, and emoji, are made with them


def name_of_upload(filename: str | None, disposition: str) -> str:
    """Reads the name of a file.

    Args:
        filename: as the form gives it.
        disposition: the `Content-Disposition` header of its part, which may have another form of
            the name: .NET sends `filename*` (RFC 5987) besides an encoded word (RFC 2047).

    Returns:
        A name without folders; white space of any kind is a blank, what nobody sees is gone.

    Raises:
        BadRequestError: there is no name, or it has control characters.
    """
    # Browsers of old send whole paths; only the last part is a name.
    given = _extended(disposition) or _decoded_words(filename or "").replace("%22", '"')
    name = _visible(given.replace("\\", "/").rpartition("/")[2])
    if not name or any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        msg = f"the file must have a printable name, got {filename!r}"
        raise BadRequestError(msg, param="file", code="invalid_file")
    return name


def _visible(name: str) -> str:
    kept = (
        " " if char.isspace() and unicodedata.category(char) != "Cc" else char
        for char in name
        if unicodedata.category(char) != "Cf" or char in _JOINERS
    )
    return "".join(kept).strip(f" {_JOINERS}")


def _extended(disposition: str) -> str:
    found = _EXTENDED.search(disposition)
    if not found:
        return ""
    try:
        return unquote(found[2], encoding=found[1], errors="strict")
    except (LookupError, UnicodeError):  # the other form of the name will do
        return ""


def _decoded_words(name: str) -> str:
    """Encoded words in plain letters; any other name as it is."""
    if not _ENCODED_WORD.match(name):
        return name
    try:
        pieces = decode_header(name)
        return "".join(
            piece if isinstance(piece, str) else piece.decode(charset or "ascii")
            for piece, charset in pieces
        )
    except (HeaderParseError, LookupError, ValueError):
        return name
