"""Office files saved as "Strict Open XML": the same parts under other namespaces."""

import io
import re
from zipfile import ZIP_STORED, ZipFile

_STRICT = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)/(\w+)")
_TRANSITIONAL = rb"http://schemas.openxmlformats.org/\1/2006/\2"
_RELATIONS = "_rels/.rels"


def transitional(data: bytes) -> bytes:
    """A package that was checked, with the namespaces that the libraries know."""
    with ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        if _RELATIONS not in names or not _STRICT.search(archive.read(_RELATIONS)):
            return data
        rewritten = io.BytesIO()
        with ZipFile(rewritten, "w", ZIP_STORED) as target:
            for name in names:
                if name.endswith((".xml", ".rels")):
                    target.writestr(name, _STRICT.sub(_TRANSITIONAL, archive.read(name)))
    return rewritten.getvalue()
