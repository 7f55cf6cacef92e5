"""How alike two embedders search, as a table for people."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from index.records import StoredPassage
from index.searching.comparison import DEPTH, EmbedderComparison, NearestIds

_SHOWN = 5  # queries
_MAX_CHARS = 60


def print_comparison(
    comparison: EmbedderComparison,
    queries: Sequence[str],
    read: Callable[[Sequence[int]], Mapping[int, StoredPassage]],
    console: Console,
) -> None:
    """Prints the figures, and the queries whose hits differ most.

    Args:
        comparison: of the queries, in their order.
        queries: their texts.
        read: gives the passages of chunk ids, without those that are gone.
        console: where to.
    """
    overlaps = comparison.overlaps
    table = Table(title="Old and new embedder", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    table.add_row("queries", f"{len(queries):,}")
    table.add_row(f"mean overlap@{DEPTH}", f"{overlaps.mean():.3f}")
    table.add_row("same first hit", f"{comparison.same_first.mean():.1%}")
    console.print(table)
    least = np.argsort(overlaps, kind="stable")[:_SHOWN]
    shown = Table(title="Least alike", title_justify="left")
    for name in ("query", "overlap", "first hit, old", "first hit, new"):
        shown.add_column(name, overflow="fold")
    passages = read([*_firsts(comparison.old, least), *_firsts(comparison.new, least)])
    for number in least.tolist():
        titles = [
            _title(passages.get(int(hits[number, 0]))) for hits in (comparison.old, comparison.new)
        ]
        shown.add_row(escape(queries[number][:_MAX_CHARS]), f"{overlaps[number]:.1f}", *titles)
    console.print(shown)


def _firsts(hits: NearestIds, rows: "np.typing.NDArray[np.intp]") -> list[int]:
    firsts: list[int] = hits[rows, 0].tolist()
    return firsts


def _title(passage: StoredPassage | None) -> str:
    """A passage as people tell it from others."""
    if passage is None:
        return "-"
    return escape(f"{passage.filename}: {passage.title or passage.text}"[:_MAX_CHARS])
