"""How much of a list or a table is meant: one item, those that hold what is asked, or all."""

import re
from collections.abc import Sequence

from graphs.pipeline.quoting.part import Part
from graphs.pipeline.quoting.row_text import cells_of
from graphs.pipeline.quoting.units import Unit, same_list, units_around, whole_unit
from graphs.pipeline.quoting.words import all_stems
from index.identifiers import holds

_YES, _NO = frozenset(("yes", "true", "x", "✓")), frozenset(("no", "false", "-", "–"))  # noqa: RUF001
_SHORT_ITEM = 12  # words, on an average: longer ones are paragraphs with numbers


def together(part: Part, unit: Unit) -> list[Unit]:
    """Gives the whole list where that is meant, else the unit."""
    around = units_around(unit.hit)
    alone = whole_unit(around, unit)
    if unit.kind not in ("lead", "item", "row"):
        return alone
    whole = list(same_list(around, unit))
    is_meant = part.wants_list or (unit.kind == "item" and _is_of_all(part, unit))
    names_one = unit.kind == "row" and any(holds(unit.text, one) for one in part.identifiers)
    if whole and (unit.kind == "lead" or (is_meant and not names_one)):
        return _meant(part, whole)
    return alone


def _is_of_all(part: Part, item: Unit) -> bool:
    """Says whether nothing that is asked tells an item from the others of its list."""
    if part.wants_steps:
        return True
    above = all_stems(f"{item.title} {item.lead_in} {item.hit.filename}")
    return part.may_mean_list and not (set(part.stems) - above) & all_stems(item.text)


def _meant(part: Part, units: Sequence[Unit]) -> list[Unit]:
    """Gives those of a list that hold what is asked, where that tells them from the others."""
    if units[0].kind != "row":
        return _long_ones_meant(part, units)
    if marked := _marked(part, units):
        return marked
    groups: list[list[Unit]] = []
    for unit in units:
        if unit.continues and groups:
            groups[-1].append(unit)
        else:
            groups.append([unit])
    first = units[0]
    asked = set(part.stems) - all_stems(f"{first.title} {first.columns} {first.hit.filename}")
    held = [asked & all_stems(" ".join(_values(unit) for unit in group)) for group in groups]
    most = max(map(len, held))
    kept = [group for group, known in zip(groups, held, strict=True) if len(known) == most]
    return [unit for group in kept for unit in group]


def _long_ones_meant(part: Part, items: Sequence[Unit]) -> list[Unit]:
    """Gives the items that hold what is asked, if they are paragraphs; short ones are one list."""
    num_words = sum(len(item.text.split()) for item in items)
    asked = set(part.stems) - all_stems(f"{items[0].title} {items[0].lead_in}")
    held = [len(asked & all_stems(item.text)) for item in items]
    if num_words <= _SHORT_ITEM * len(items) or not any(held):
        return list(items)
    return [item for item, count in zip(items, held, strict=True) if count == max(held)]


def _marked(part: Part, rows: Sequence[Unit]) -> list[Unit]:
    """Gives the rows with a yes (or a no) in a column that is asked for; [] where none is so."""
    asked, is_wanted = set(part.stems), _is_no if part.asks_what_is_not else _is_yes
    cells = [cells_of(row) for row in rows]
    columns = {
        name for row in cells for name, value in row
        if asked & all_stems(name) and (_is_yes(value) or _is_no(value))
    }  # fmt: skip
    return [
        unit for unit, row in zip(rows, cells, strict=True)
        if any(name in columns and is_wanted(value) for name, value in row)
    ]  # fmt: skip


def _is_yes(value: str) -> bool:
    return value.lower() in _YES


def _is_no(value: str) -> bool:
    return value.lower() in _NO or value.lower().startswith("not ")


def _values(unit: Unit) -> str:
    """What stands in the cells of a row, without the names of its columns."""
    return re.sub(r"(?:^|; )[^:;]{1,60}: ", " ", unit.text) if unit.kind == "row" else unit.text
