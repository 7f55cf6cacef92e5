"""Tables that a page draws column by column: found by base lines that columns share.

    Item   Mass        drawn as   Item Tent Stove   Mass 2 kg 1 kg
    Tent   2 kg
    Stove  1 kg

Two columns of prose are drawn in the same way, and are left as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from index.parsing.pdf.columns import Row, columns_of, is_aligned, is_prose

_SAME_BASE = 0.4  # in sizes
_MAX_CELL = 25  # letters, in a table of two columns


@dataclass(frozen=True, slots=True)
class Part:
    """Rows in reading order; `drawn_down` if they are a table that was drawn by columns."""

    rows: list[Row]
    drawn_down: bool = False


def with_rows_across(rows: Sequence[Row]) -> list[Part]:
    """The rows, with the cells of tables that were drawn by columns put side by side."""
    parts: list[Part] = [Part([])]
    stacks = _stacks(rows)
    index = 0
    while index < len(stacks):
        table = _table_at(stacks, index)
        if table is None:
            parts[-1].rows.extend(stacks[index])
            index += 1
            continue
        before, across, after, num_stacks = table
        parts[-1].rows.extend(before)
        parts += [Part(across, drawn_down=True), Part(after)]
        index += num_stacks
    return [part for part in parts if part.rows]


def _stacks(rows: Sequence[Row]) -> list[list[Row]]:
    """Parts the rows where the page goes up again."""
    stacks: list[list[Row]] = []
    for row in rows:
        if stacks and row.base < stacks[-1][-1].base:
            stacks[-1].append(row)
        else:
            stacks.append([row])
    return stacks


def _table_at(
    stacks: Sequence[list[Row]], index: int
) -> tuple[list[Row], list[Row], list[Row], int] | None:
    """The rows before a table, its own, those after it, and how many stacks these are."""
    first = stacks[index]
    columns: list[list[Row]] = []
    for stack in stacks[index + 1 :]:
        known = columns[-1] if columns else first
        inside = stack[0].left < max(row.right for row in known[-2:])
        if inside or any(len(row.cells) > 1 for row in stack):
            break
        columns.append(stack)
    if not columns:
        return None
    top, near = columns[0][0].base, _SAME_BASE * first[-1].size
    before = [row for row in first if row.base > top + near]
    own = first[len(before) :]
    bottom = min((row.base for row in own), default=top) - near
    after = [row for row in columns[-1] if row.base < bottom]
    columns[-1] = columns[-1][: len(columns[-1]) - len(after)]
    across = _across(own, columns, near)
    if not across or not _is_table(across, len(columns) + 1):
        return None
    return before, across, after, len(columns) + 1


def _across(own: list[Row], columns: Sequence[list[Row]], near: float) -> list[Row] | None:
    """The cells of columns by base line; None where one has a line that the first has not."""
    bases = [row.base for row in own]
    cells = [list(row.cells) for row in own]
    found = total = 0
    for column in columns:
        place = 0
        for row in column:
            total += 1
            while place < len(bases) and bases[place] > row.base + near:
                place += 1
            if place < len(bases) and abs(bases[place] - row.base) <= near:
                cells[place] += row.cells
                found += 1
    return [Row(row) for row in cells] if found == total else None


def _is_table(rows: list[Row], num_columns: int) -> bool:
    columns = columns_of(rows)
    if len(columns) != num_columns or len(rows) < 2 or not is_aligned(rows, columns):
        return False
    if is_prose(rows, columns):
        return False
    if num_columns > 2:
        return True
    values = [row.cells[-1].text for row in rows]
    short = [one for one in values if len(one) <= _MAX_CELL and any(c.isdigit() for c in one)]
    return len(short) * 2 >= len(values)
