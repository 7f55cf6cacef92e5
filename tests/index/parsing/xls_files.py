"""Old workbooks written by hand: BIFF8 records in the least compound file that can hold them."""

import struct

_END, _FREE, _FAT = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
_SECTOR = 512


def record(kind, data=b""):
    return struct.pack("<HH", kind, len(data)) + data


def _bof(kind):
    return record(0x809, struct.pack("<HHHHII", 0x600, kind, 0x0DBB, 1996, 0, 6))


def label(row, column, text):
    head = struct.pack("<HHHHB", row, column, 0, len(text), 1)
    return record(0x204, head + text.encode("utf-16-le"))


def number(row, column, value, style=0):
    return record(0x203, struct.pack("<HHHd", row, column, style, value))


def merged(top, bottom, left, right):
    return record(0xE5, struct.pack("<HHHHH", 1, top, bottom, left, right))


def workbook(sheets, formats=()):
    """Sheets are (name, is hidden, records); `formats` are numbers of built-in formats."""
    sizes = struct.pack("<HHHHHBBBBBB", 200, 0, 0x7FFF, 400, 0, 0, 0, 0, 0, 1, 1)
    font = record(0x31, sizes + b"A\0")
    styles = b"".join(
        record(0xE0, struct.pack("<HHH", 0, one, 1) + bytes(14)) for one in (0, *formats)
    )
    head = _bof(5) + font * 4 + styles
    names = [name.encode() for name, _, _ in sheets]
    offset = len(head) + sum(12 + len(name) for name in names) + 4
    bound, bodies = b"", b""
    for name, (_, is_hidden, records) in zip(names, sheets, strict=True):
        start = struct.pack("<IBBBB", offset + len(bodies), is_hidden, 0, len(name), 0)
        bound += record(0x85, start + name)
        bodies += _bof(0x10) + records + record(0x0A)
    return compound(head + bound + record(0x0A) + bodies)


def compound(stream):
    """A compound file with this stream as its workbook."""
    stream = stream.ljust(4096, b"\0")
    stream += bytes(-len(stream) % _SECTOR)
    count = len(stream) // _SECTOR
    chain = [_FAT, _END, *range(3, 2 + count), _END]
    fat = struct.pack("<128I", *chain, *[_FREE] * (128 - len(chain)))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIII", 0, 1, 1, 0, 4096, _END, 0, _END, 0)
    header += struct.pack("<109I", 0, *[_FREE] * 108)
    entries = _entry("Root Entry", 5, _END, 0, child=1) + _entry("Workbook", 2, 2, len(stream))
    return header + fat + entries.ljust(_SECTOR, b"\0") + stream


def _entry(name, kind, start, size, child=_FREE):
    words = name.encode("utf-16-le") + b"\0\0"
    return words.ljust(64, b"\0") + struct.pack(
        "<HBBIII16xI16xIII", len(words), kind, 1, _FREE, _FREE, child, 0, start, size, 0
    )
