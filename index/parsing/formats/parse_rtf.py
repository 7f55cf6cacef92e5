r"""Rich Text Format, as Word, WordPad and TextEdit write it: paragraphs, headings, tables, notes.

A small reader of its own: what matters of RTF 1.9.1 are its groups, a few control words and the
code pages. What follows `\*`, pictures, fonts and styles are not text.
"""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from index.errors import InvalidFileError
from index.parsing.document import Document, DocumentBuilder
from index.parsing.office.rtf_tokens import Token, tokens
from index.parsing.parse_source import Source
from index.parsing.raised import Place, placed

_MAX_DEPTH = 2_000
_MAX_NOTE = 10_000  # letters
_TAIL = 20  # letters: what a raised letter follows
# fmt: off
_SKIPPED = frozenset({
    "fonttbl", "colortbl", "stylesheet", "pict", "object", "fldinst", "listtable",
    "listoverridetable", "revtbl", "rsidtbl", "generator", "xmlnstbl", "themedata",
    "colorschememapping", "latentstyles", "datastore", "header", "headerl", "headerr",
    "headerf", "footer", "footerl", "footerr", "footerf", "annotation", "atnid", "atnauthor",
    "atntime", "atnref", "atndate", "atnicn", "bkmkstart", "bkmkend", "pn", "pntext",
    "nonshppict", "shpinst", "filetbl",
})
# fmt: on
_INFO = frozenset({"title", "author", "subject", "keywords", "comment", "operator", "doccomm"})
_SYMBOLS = {
    "tab": " ", "line": " ", "cell": "", "emdash": "—", "endash": "–", "lquote": "‘", "rquote": "’",  # noqa: RUF001
    "ldblquote": "“", "rdblquote": "”", "bullet": "•", "~": " ", "_": "-", "-": "", "emspace": " ",
    "enspace": " ", "qmspace": " ", "\\": "\\", "{": "{", "}": "}",
}  # fmt: skip
# Charsets of fonts by their numbers (RTF 1.9.1, \fcharset).
_CHARSETS = {
    0: "cp1252", 77: "mac-roman", 128: "cp932", 129: "cp949", 134: "gbk", 136: "big5",
    161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257",
    204: "cp1251", 222: "cp874", 238: "cp1250",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _State:
    """What a group inherits from the one around it."""

    skipped: bool = False
    hidden: bool = False
    place: Place = "line"
    encoding: str = ""
    num_fallback: int = 1  # letters after a \\u, for programs that do not know it
    in_fonts: bool = False
    target: str = "body"  # or a part of the information, or a note


def parse_rtf(source: Source) -> Document:
    """Reads an RTF document.

    Raises:
        InvalidFileError: it is none, or its groups are nested too deeply.
    """
    if not source.data[:64].lstrip().startswith(b"{\\rtf"):
        found = source.nature() or "something else"
        raise InvalidFileError(f"{source.name!r} is not what its name says: it is {found}")
    reader = _Reader(source.builder())
    reader.read(source)
    return reader.builder.build()


class _Reader:
    """Runs through the tokens with a stack of states; what is written is flushed at `par`."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self.builder = builder
        self._state = _State()
        self._stack: list[_State] = []
        self._encoding = "cp1252"
        self._fonts: dict[int, str] = {}
        self._font = 0
        self._bytes = bytearray()  # not yet decoded
        self._pieces: list[str] = []  # of the paragraph or cell that is open
        self._tail = ""  # the last letters of these
        self._texts: dict[str, str] = {}  # of notes and information
        self._notes: list[str] = []
        self._cells: list[str] = []
        self._rows: list[list[str]] = []
        self._level: int | None = None
        self._num_to_drop = 0

    def read(self, source: Source) -> None:
        """Reads a document to its end."""
        for token in tokens(source.data):
            if token.data or not token.word:  # a line end of the file is none of the text
                self._add_bytes(token.data)
                continue
            self._decode()
            if token.word == "{":
                if len(self._stack) >= _MAX_DEPTH:
                    raise InvalidFileError(f"{source.name!r} is nested too deeply to be read")
                self._stack.append(self._state)
            elif token.word == "}":
                self._close()
            elif self._state.in_fonts and token.word in ("f", "fcharset"):
                self._choose_font(token.word, token.number or 0)
            elif not self._state.skipped:
                self._obey(token)
        self._decode()
        self._end_paragraph()
        self._end_table()

    def _obey(self, token: Token) -> None:
        word, number = token.word, token.number
        if word == "u" and number is not None:
            self._write(chr(number % 65_536))
            self._num_to_drop = self._state.num_fallback
        elif word in _SYMBOLS and word != "cell":
            self._write(_SYMBOLS[word])
        elif word in _CHANGES:
            self._state = _CHANGES[word](self._state, number)
        elif word in ("*", *_SKIPPED):
            self._state = replace(self._state, skipped=True, in_fonts=word == "fonttbl")
        elif word in _INFO or word in ("footnote", "creatim", "revtim"):
            self._texts[word] = ""
            self._state = replace(self._state, target=word)
        else:
            self._obey_layout(word, number)

    def _obey_layout(self, word: str, number: int | None) -> None:
        if word in ("par", "sect", "page"):
            self._end_paragraph()
        elif word in ("cell", "nestcell"):
            self._cells.append(self._take())
        elif word in ("row", "nestrow"):
            self._rows.append(self._cells)
            self._cells = []
        elif word == "pard":
            self._level = None
        elif word == "outlinelevel":
            self._level = number
        else:
            self._obey_settings(word, number)

    def _obey_settings(self, word: str, number: int | None) -> None:
        match word:
            case "ansicpg" if number:
                self._encoding = _known(f"cp{number}") or self._encoding
            case "mac":
                self._encoding = "mac-roman"
            case "f":
                self._choose_font(word, number or 0)
            case "yr" | "mo" | "dy" if self._state.target in self._texts:
                self._texts[self._state.target] += f"{'-' * (word != 'yr')}{number or 0:02}"

    def _choose_font(self, word: str, number: int) -> None:
        if word == "f":
            self._font = number
            self._state = replace(self._state, encoding=self._fonts.get(number, ""))
        else:
            self._fonts[self._font] = _CHARSETS.get(number, "")

    def _close(self) -> None:
        state = self._state
        self._state = self._stack.pop() if self._stack else _State()
        if state.target == self._state.target:
            return
        text = self._texts.get(state.target, "").strip()
        if state.target == "footnote" and text:
            self._notes.append(text)
        elif state.target == "title" and text:
            self.builder.title = text
        elif state.target in ("creatim", "revtim"):
            self.builder.date = text or self.builder.date

    def _add_bytes(self, data: bytes) -> None:
        if self._num_to_drop:
            dropped = min(self._num_to_drop, len(data))
            self._num_to_drop -= dropped
            data = data[dropped:]
        if not self._state.skipped or self._state.in_fonts:
            self._bytes += data

    def _decode(self) -> None:
        if self._bytes:
            data, self._bytes = bytes(self._bytes), bytearray()
            if not self._state.skipped:
                self._write(data.decode(self._state.encoding or self._encoding, "replace"))

    def _write(self, text: str) -> None:
        state = self._state
        if state.skipped or state.hidden:
            return
        if state.target == "body":
            piece = placed(self._tail, text, state.place)
            self._pieces.append(piece)
            self._tail = (self._tail + piece)[-_TAIL:]
        elif len(self._texts.get(state.target, "")) < _MAX_NOTE:
            self._texts[state.target] = self._texts.get(state.target, "") + text

    def _end_paragraph(self) -> None:
        if self._state.target != "body":
            self._write(" ")
            return
        if self._cells:  # a paragraph inside of a cell
            self._pieces.append(" ")
            return
        text = _whole(self._take())
        if text.strip():
            self._end_table()
            if self._level is not None and self._level < 9:
                self.builder.add_heading(self._level + 1, text)
            else:
                self.builder.add_block(text)
        for note in self._notes:
            self.builder.add_block(f"Note: {note}")
        self._notes.clear()

    def _take(self) -> str:
        text = "".join(self._pieces)
        self._pieces.clear()
        self._tail = ""
        return text

    def _end_table(self) -> None:
        if self._cells:
            self._rows.append(self._cells)
        if self._rows:
            rows, self._rows, self._cells = self._rows, [], []
            self.builder.add_table([[_whole(cell) for cell in row] for row in rows])


def _at(place: Place) -> Callable[[_State, int | None], _State]:
    return lambda state, number: replace(state, place="line" if number == 0 else place)


_CHANGES: dict[str, Callable[[_State, int | None], _State]] = {
    "v": lambda state, number: replace(state, hidden=number != 0),
    "deleted": lambda state, number: replace(state, hidden=number != 0),
    "super": _at("raised"),
    "sub": _at("lowered"),
    "nosupersub": _at("line"),
    "plain": lambda state, _: replace(state, hidden=False, place="line"),
    "uc": lambda state, number: replace(state, num_fallback=min(max(number or 0, 0), 20)),
}


def _known(encoding: str) -> str:
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        return ""


_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def _whole(text: str) -> str:
    """Joins the halves of letters that RTF writes as two."""
    return _PAIR.sub(lambda one: one[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
