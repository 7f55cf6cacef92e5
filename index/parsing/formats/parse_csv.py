"""Tables as text: comma, semicolon, tab or bar between the cells."""

import csv
import io

from index.errors import InvalidFileError
from index.parsing.document import Document
from index.parsing.parse_source import Source

_SAMPLE_CHARS = 16_384
_MAX_CELL_CHARS = 1_000_000


def parse_csv(source: Source) -> Document:
    """Reads a table; its first row is the header of all others.

    Raises:
        InvalidFileError: it is not UTF-8 text, or a quote never ends.
    """
    text = source.text()
    builder = source.builder()
    csv.field_size_limit(_MAX_CELL_CHARS)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(source.name, text))
    try:
        builder.add_table(rows)
    except csv.Error as err:
        raise InvalidFileError(
            f"{source.name!r} is no table at line {rows.line_num}: {err}"
        ) from err
    return builder.build()


def _delimiter(name: str, text: str) -> str:
    """The mark that stands equally often in the first lines, and there most often."""
    if name.lower().endswith(".tsv"):
        return "\t"
    lines = [line for line in text[:_SAMPLE_CHARS].split("\n")[:20] if line.strip()]
    counts = {mark: [line.count(mark) for line in lines] for mark in ",;\t|"}
    return max(counts, key=lambda mark: (min(counts[mark], default=0), sum(counts[mark])))
