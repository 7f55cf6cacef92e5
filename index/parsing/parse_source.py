"""What every parser gets: a named file, its bytes and its limits."""

from dataclasses import dataclass, field

from index.errors import InvalidFileError
from index.parsing.decode import decode
from index.parsing.document import DocumentBuilder, clean_text
from index.parsing.parse_limits import ParseLimits

# What the first bytes of a file say it is, whatever its name.
_SIGNATURES = {
    b"%PDF-": "a PDF",
    b"PK\x03\x04": "a ZIP archive",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an encrypted or old (.doc, .xls, .ppt) Office file",
    b"\x89PNG\r\n\x1a\n": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"\x1f\x8b": "a gzip archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"BZh91AY": "a bzip2 archive",
    b"OggS": "sound or video",
    b"ID3": "sound",
    b"SQLite format 3": "a database",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"\x7fELF": "a program",
    b"{\\rtf": "an RTF document",
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file to be read; `name` has no folders."""

    name: str
    data: bytes
    limits: ParseLimits = field(default_factory=ParseLimits)

    def builder(self, title: str = "") -> DocumentBuilder:
        """An empty document under this title, else under the file's name."""
        return DocumentBuilder(title=title or self.name, own_title=title, limits=self.limits)

    def nature(self) -> str:
        """What the first bytes say that the file is; empty for text and what is not known."""
        head = self.data[:16]
        found = (what for mark, what in _SIGNATURES.items() if head.startswith(mark))
        return next(found, "")

    def text(self) -> str:
        """The content as clean text.

        Raises:
            InvalidFileError: it is not text.
        """
        if nature := self.nature():
            raise InvalidFileError(f"{self.name!r} is not text: it is {nature}")
        return clean_text(decode(self.name, self.data))
