"""Subtitles (SubRip, WebVTT): what is said as prose, under the time at which it begins."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape

from index.errors import InvalidFileError
from index.parsing.document import Document
from index.parsing.parse_source import Source
from index.parsing.wrapping import join_wrapped

_TIMES = re.compile(
    r"\s*(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,]\d{1,3}\s*-->\s*(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,]"
)
_SPEAKER = re.compile(r"<v(?:\.[\w.]{1,50})?\s([^<>]{1,100})>")
_TAG = re.compile(r"</?[a-zA-Z0-9][^<>\n]{0,200}>|\{\\[^{}\n]{1,100}\}")
_SECTION_S = 60  # a heading a minute, and one after a pause
_PAUSE_S = 10


@dataclass(frozen=True)
class _Cue:
    """What is shown at once, from `start_s` to `end_s` seconds."""

    start_s: int
    end_s: int
    lines: tuple[str, ...]


def parse_subtitles(source: Source) -> Document:
    """Reads the cues in order; what scrolls on from one cue to the next is read once.

    Raises:
        InvalidFileError: there is no cue.
    """
    builder = source.builder()
    section_s, end_s = -_SECTION_S, 0
    pieces: list[str] = []
    shown: tuple[str, ...] = ()
    num_cues = 0
    for num_cues, cue in enumerate(_cues(source.text()), start=1):  # noqa: B007
        is_pause = cue.start_s > end_s + _PAUSE_S
        is_late = cue.start_s >= section_s + _SECTION_S and (not pieces or _ends(pieces[-1]))
        if is_pause or is_late or cue.start_s >= section_s + 2 * _SECTION_S:
            builder.add_block(join_wrapped(pieces))
            pieces, section_s = [], cue.start_s
            builder.add_heading(1, _clock(cue.start_s))
        pieces += [line for line in cue.lines if line not in shown]
        shown, end_s = cue.lines, cue.end_s
    if not num_cues:
        raise InvalidFileError(f"{source.name!r} has no subtitles: no line `00:00:01,000 --> ...`")
    builder.add_block(join_wrapped(pieces))
    return builder.build()


def _cues(text: str) -> Iterator[_Cue]:
    """The cues; numbers, names and settings of them are left out, as are notes and styles."""
    for paragraph in re.split(r"\n[ \t]*\n", text):
        lines = paragraph.strip().split("\n")
        for at, line in enumerate(lines[:2]):
            if found := _TIMES.match(line):
                start, end = (_seconds(found.groups()[i : i + 3]) for i in (0, 3))
                spoken = (_plain(line) for line in lines[at + 1 :])
                yield _Cue(start, end, tuple(filter(None, spoken)))
                break


def _plain(line: str) -> str:
    line = _SPEAKER.sub(lambda speaker: f"{speaker[1].strip()}: ", line)
    return unescape(_TAG.sub("", line)).strip()


def _seconds(parts: tuple[str | None, ...]) -> int:
    hours, minutes, seconds = (int(part or 0) for part in parts)
    return 3600 * hours + 60 * minutes + seconds


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _ends(text: str) -> bool:
    return text.rstrip("\"'”’)").endswith((".", "!", "?", "。", "！", "？"))  # noqa: RUF001
