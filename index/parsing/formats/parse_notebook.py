"""Notebooks of Jupyter: their texts as Markdown, their code and what it printed as listings."""

import json
from collections.abc import Iterator
from typing import Any

from index.errors import InvalidFileError
from index.parsing.document import Document, DocumentBuilder
from index.parsing.formats.parse_markdown import add_markdown
from index.parsing.parse_source import Source

_MAX_OUTPUT_CHARS = 2_000  # of one cell: what it tells stands at its beginning


def parse_notebook(source: Source) -> Document:
    """Reads a notebook of any version; pictures and other media are left out.

    Raises:
        InvalidFileError: it is no notebook.
    """
    builder = source.builder()
    for cell in _cells(source):
        _add_cell(builder, cell)
    return builder.build()


def _cells(source: Source) -> list[Any]:
    try:
        notebook = json.loads(source.text(), strict=False)
    except json.JSONDecodeError as err:
        raise InvalidFileError(f"{source.name!r} is not JSON: {err}") from err
    if isinstance(notebook, dict):
        sheets = notebook.get("worksheets") or [notebook]  # version 3 had several
        cells = [sheet.get("cells") for sheet in sheets if isinstance(sheet, dict)]
        lists = [some for some in cells if isinstance(some, list)]
        if lists and len(lists) == len(cells):
            return [cell for some in lists for cell in some if isinstance(cell, dict)]
    raise InvalidFileError(f"{source.name!r} is no notebook: it has no list of cells")


def _add_cell(builder: DocumentBuilder, cell: dict[str, Any]) -> None:
    text = _joined(cell.get("source", cell.get("input")))
    if cell.get("cell_type") == "markdown":
        add_markdown(builder, text)
    elif cell.get("cell_type") == "heading":  # version 3
        level = cell.get("level")
        builder.add_heading(level if isinstance(level, int) else 1, text)
    else:
        builder.add_code(text)
    for output in _outputs(cell):
        builder.add_code(output[:_MAX_OUTPUT_CHARS])


def _outputs(cell: dict[str, Any]) -> Iterator[str]:
    outputs = cell.get("outputs")
    for output in outputs if isinstance(outputs, list) else []:
        if isinstance(output, dict):
            data = output.get("data")
            plain = data.get("text/plain") if isinstance(data, dict) else None
            yield _joined(output.get("text", plain))


def _joined(text: object) -> str:
    """A text, which a notebook holds whole or line by line."""
    lines = text if isinstance(text, list) else [text]
    return "".join(line for line in lines if isinstance(line, str))
