"""The properties of a document that Office packages keep in docProps/core.xml."""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from zipfile import ZipFile

from lxml import etree

_PART = "docProps/core.xml"
# What PowerPoint writes where nobody has given a title, in its languages.
_NO_TITLE = re.compile(
    r"(?:pr[eé]sentation |presentaci[oó]n de )?powerpoint\S*(?: \S+)?$", re.IGNORECASE
)


@dataclass(frozen=True, kw_only=True)
class Properties:
    """Title, empty if its author gave none, and the day of the last change (or of creation)."""

    title: str = ""
    date: str | None = None


def read_properties(data: bytes) -> Properties:
    """The properties of a package that was checked; what is missing or broken is left out."""
    with ZipFile(io.BytesIO(data)) as archive:
        if _PART not in archive.namelist():
            return Properties()
        content = archive.read(_PART)
    try:
        root = parse_xml(content)
    except etree.XMLSyntaxError:
        return Properties()
    values = {etree.QName(one).localname: one.text or "" for one in root.iter(etree.Element)}
    days = [values.get("modified", ""), values.get("created", "")]
    title = values.get("title", "").strip()
    return Properties(title="" if _NO_TITLE.match(title) else title, date=first_day(days))


def parse_xml(content: bytes) -> etree._Element:
    """The root of an XML part; entities are not resolved and nothing is fetched.

    Raises:
        lxml.etree.XMLSyntaxError: it is no XML.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
    return etree.fromstring(content, parser)


def first_day(texts: Iterable[str]) -> str | None:
    """The first of these that begins with a day, as YYYY-MM-DD; None if none does."""
    for text in texts:
        try:
            return date.fromisoformat(text.strip()[:10]).isoformat()
        except ValueError:
            continue
    return None
