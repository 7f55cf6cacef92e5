"""A long row as an answer needs it: its key, and the columns that the question names.

How long is the warranty of the pump?
article: A10; name: pump; colour: blue; ...; warranty: 2 years
-> article: A10; name: pump; warranty: 2 years
"""

from graphs.pipeline.quoting.part import Part
from graphs.pipeline.quoting.units import Unit
from graphs.pipeline.quoting.words import all_stems
from index.rows import BAR, num_key_cells, split_cells

_SHORT = 4  # cells that are read at once
_FIELD = ": "

Cells = list[tuple[str, str]]


def row_text(part: Part, unit: Unit) -> str:
    """Gives the text of a unit; of a long row only what is asked, where a column is named.

    The second part of a row that is too long for a passage begins with the row's key.
    """
    cells = cells_of(unit)
    key = _key_above(unit)
    if len(cells) <= _SHORT and not key:
        return unit.text
    asked = set(part.stems)
    own_key = 0 if key else num_key_cells([value for _, value in cells])
    wanted = [cell for cell in cells[own_key:] if asked & all_stems(cell[0])]
    if not wanted:
        return "; ".join(filter(None, (key, unit.text)))
    shown = [_written(cell) for cell in [*cells[:own_key], *wanted]]
    return "; ".join(filter(None, (key, *shown)))


def cells_of(unit: Unit) -> Cells:
    """The filled cells of a row with the names of their columns; none of any other unit."""
    if not unit.row:
        return []
    values, names = split_cells(unit.row), split_cells(unit.columns)
    if unit.columns and len(names) >= len(values):
        return [(name, value) for name, value in zip(names, values, strict=False) if value]
    fields = [value.partition(_FIELD) for value in values if value]
    return [(name, value) for name, mark, value in fields if mark]


def _key_above(unit: Unit) -> str:
    """The key in the title of a part that goes on with the row of the passage before."""
    start = unit.hit.char_start
    goes_on = any(start - one.char_end == len(BAR) for one in unit.hit.around)
    return unit.path[-1] if goes_on and unit.path and _FIELD in unit.path[-1] else ""


def _written(cell: tuple[str, str]) -> str:
    name, value = cell
    return f"{name}{_FIELD}{value}" if name else value
