"""Files that would hurt whoever reads them carelessly, and what they are made with."""

import io
import struct
import zlib
from zipfile import ZIP_DEFLATED, ZipFile

import docx

from benchmarks.exam.pdf import pdf_of


def archive(members):
    buffer = io.BytesIO()
    with ZipFile(buffer, "w", ZIP_DEFLATED) as file:
        for name, data in members:
            file.writestr(name, data)
    return buffer.getvalue()


def with_member(thing, name, data):
    """An Office file with one member replaced or added."""
    buffer = io.BytesIO()
    thing.save(buffer)
    with ZipFile(buffer) as file:
        members = {one: file.read(one) for one in file.namelist()}
    return archive((members | {name: data}).items())


def with_many_members(count):
    """An archive whose directory names one member again and again."""
    data = archive([("a", b"")])
    start, end = data.index(b"PK\x01\x02"), data.index(b"PK\x05\x06")
    return data[:start] + data[start:end] * count + data[end:]


def deep_xml(depth):
    document = b"<w:document xmlns:w='x'>" + b"<w:p>" * depth + b"</w:p>" * depth
    return with_member(docx.Document(), "word/document.xml", document + b"</w:document>")


def image_of(width, height):
    """A black PNG of one bit a pixel."""

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    packer, row = zlib.compressobj(), bytes(1 + (width + 7) // 8)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def looping_pdf():
    """A PDF whose page tree bites its tail."""
    return pdf_of(
        [
            b"<</Type/Catalog/Pages 2 0 R>>",
            b"<</Type/Pages/Count 3/Kids[2 0 R 3 0 R 2 0 R]>>",
            b"<</Type/Pages/Count 1/Parent 2 0 R/Kids[2 0 R]>>",
        ]
    )


def hostile_files():
    """One of each kind by name, all small enough to be uploaded."""
    words = ("word/document.xml", b"<a/>")
    image = ("word/media/image1.png", image_of(30_000, 30_000))
    return {
        "bomb.docx": archive([("word/document.xml", bytes(2**28))]),
        "members.docx": with_many_members(300_000),
        "deep.docx": deep_xml(1_000_000),
        "image.docx": with_member(docx.Document(), *image),
        "loop.pdf": looping_pdf(),
        "outside.docx": archive([words, ("../../etc/passwd", b"x")]),
        "line.txt": b"x" * 2**24,
    }
