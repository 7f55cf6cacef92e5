"""E-mail (RFC 5322, MIME): who wrote what to whom and when, and the names of what is attached."""

import re
from collections.abc import Iterator
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.policy import compat32
from email.utils import parsedate_to_datetime
from itertools import groupby

from index.errors import InvalidFileError
from index.parsing.decode import decode_as
from index.parsing.document import Document, DocumentBuilder, one_line
from index.parsing.formats.parse_html import add_html
from index.parsing.formats.parse_text import add_text
from index.parsing.parse_source import Source

_SHOWN = ("From", "To", "Cc", "Date")
_KNOWN = ("From", "To", "Subject", "Date", "Received", "Message-ID", "Content-Type")
_MAX_PARTS, _MAX_DEPTH = 1_000, 10
_QUOTE_MARK = re.compile(r"(?m)^(?:> ?)+")


def parse_eml(source: Source) -> Document:
    """Reads a message and those that are attached to it; other attachments by name alone.

    Raises:
        InvalidFileError: it has no header of an e-mail.
    """
    message = message_from_bytes(source.data.removeprefix(b"\xef\xbb\xbf"), policy=compat32)
    if not any(message[name] for name in _KNOWN):
        raise InvalidFileError(f"{source.name!r} is not an e-mail: it has no header")
    builder = source.builder(_header(message, "Subject"))
    builder.date = _day(message)
    _add_message(builder, message)
    return builder.build()


def _add_message(builder: DocumentBuilder, message: Message, depth: int = 1) -> None:
    builder.add_heading(1, _header(message, "Subject"))
    for name in _SHOWN:
        if text := _header(message, name):
            builder.add_block(f"{name}: {text}")
    attached: list[Message] = []
    for part in _chosen(message):
        if part.get_content_type() == "message/rfc822":
            attached += _inner(part)
        else:
            _add_part(builder, part)
    for one in attached if depth < _MAX_DEPTH else ():
        _add_message(builder, one, depth + 1)


def _chosen(message: Message) -> Iterator[Message]:
    """The parts that a reader is shown, in order; of several forms of a text one."""
    stack = [message]
    for _ in range(_MAX_PARTS):
        if not stack:
            return
        part = stack.pop()
        parts = _inner(part)
        if not parts or part.get_content_type() == "message/rfc822":
            yield part
        elif part.get_content_type() == "multipart/alternative":
            stack.append(_readable(parts))
        else:
            stack += reversed(parts)


def _inner(part: Message) -> list[Message]:
    payload = part.get_payload()
    return [one for one in payload if isinstance(one, Message)] if isinstance(payload, list) else []


def _readable(parts: list[Message]) -> Message:
    """The plain text, unless it is empty or merely says that there is another form."""
    plain = next((part for part in parts if part.get_content_type() == "text/plain"), parts[-1])
    says_nothing = len(_text(plain).strip()) < len(_text(parts[-1])) / 100
    return parts[-1] if says_nothing else plain


def _add_part(builder: DocumentBuilder, part: Message) -> None:
    filename = _decoded(part.get_filename() or "")
    if filename or part.get_content_maintype() != "text":
        builder.add_block(f"Attachment: {filename or part.get_content_type()}")
    elif part.get_content_subtype() == "html":
        add_html(builder, _text(part))
    else:
        add_text(builder, _unquoted(_text(part)))


def _unquoted(text: str) -> str:
    """A text without the marks of quotation; what is quoted stays a paragraph of its own."""
    groups = groupby(text.splitlines(), key=lambda line: line.startswith(">"))
    return "\n\n".join(_QUOTE_MARK.sub("", "\n".join(lines)) for _, lines in groups)


def _text(part: Message) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    return decode_as(content, str(part.get_content_charset("") or ""))


def _day(message: Message) -> str | None:
    try:
        return parsedate_to_datetime(_header(message, "Date")).date().isoformat()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _header(message: Message, name: str) -> str:
    """The first header of this name; its bytes are kept by `raw_items` alone."""
    values = (str(value) for key, value in message.raw_items() if key.lower() == name.lower())
    return one_line(_decoded(next(values, "")))


def _decoded(text: str) -> str:
    """A header in words (RFC 2047); bytes that were written plainly are decoded as text is."""
    raw = text.encode("utf-8", "surrogateescape")
    try:
        pairs = decode_header(decode_as(raw, None))
    except (HeaderParseError, ValueError):
        return text
    return "".join(
        piece if isinstance(piece, str) else decode_as(piece, label) for piece, label in pairs
    )
