"""Word files of raw XML, for what python-docx does not write."""

import io

from tests.hostile_files import archive

W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
_KIND = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_NAMESPACES = (
    f'xmlns:w="{W}" xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math" '
    'xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" '
    'xmlns:v="urn:schemas-microsoft-com:vml" xmlns:wps="http://schemas.microsoft.com/office/word/'
    '2010/wordprocessingShape"'
)


def part(tag, content):
    """A part of a Word file: its root and what stands in it."""
    return f"<w:{tag} {_NAMESPACES}>{content}</w:{tag}>".encode()


def word_file(body, main_type=_MAIN, **parts):
    """A Word file; `parts` are the contents of styles, numbering, footnotes and endnotes."""
    named = {kind: part(kind, content) for kind, content in parts.items()}
    types = [("document", main_type), *((kind, f"{_KIND}.{kind}+xml") for kind in parts)]
    overrides = "".join(
        f'<Override PartName="/word/{name}.xml" ContentType="{kind}"/>' for name, kind in types
    )
    relations = "".join(
        f'<Relationship Id="r{kind}" Type="{_RELATION}/{kind}" Target="{kind}.xml"/>'
        for kind in parts
    )
    package = "http://schemas.openxmlformats.org/package/2006"
    members = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f"{overrides}</Types>",
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r" '
        f'Type="{_RELATION}/officeDocument" Target="word/document.xml"/></Relationships>',
        "word/_rels/document.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f"{relations}</Relationships>",
        "word/document.xml": part("document", f"<w:body>{body}</w:body>"),
    }
    return archive((members | {f"word/{kind}.xml": xml for kind, xml in named.items()}).items())


def paragraph(*pieces, style="", numbering=None):
    """A paragraph of texts and of raw XML (what begins with <)."""
    properties = f'<w:pStyle w:val="{style}"/>' if style else ""
    if numbering:
        number, level = numbering
        properties += f'<w:numPr><w:ilvl w:val="{level}"/><w:numId w:val="{number}"/></w:numPr>'
    runs = "".join(one if one.startswith("<") else run(f"<w:t>{one}</w:t>") for one in pieces)
    return f"<w:p><w:pPr>{properties}</w:pPr>{runs}</w:p>"


def run(content, properties=""):
    return f"<w:r><w:rPr>{properties}</w:rPr>{content}</w:r>"


def saved(thing):
    """The bytes of what python-docx or python-pptx made."""
    buffer = io.BytesIO()
    thing.save(buffer)
    return buffer.getvalue()
