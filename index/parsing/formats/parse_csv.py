"""Tables as text: comma, semicolon, tab or bar between the cells, or one cell a line."""

from index.parsing.document import Document
from index.parsing.formats.csv_dialect import read_rows
from index.parsing.parse_source import Source


def parse_csv(source: Source) -> Document:
    """Reads a table, or several between empty lines.

    Raises:
        InvalidFileError: it is not text.
    """
    builder = source.builder()
    is_tabbed = source.name.lower().endswith(".tsv")
    builder.add_table(read_rows(source.text(), is_tabbed=is_tabbed))
    return builder.build()
