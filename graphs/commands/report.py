"""What a bulk load did, as a table for people and as JSON for programs."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from index.bulk.bulk_parcel import STAGES, Tally

_MAX_FAILURES = 20  # in the table; the JSON has all


@dataclass(frozen=True, kw_only=True)
class Report:
    """The end of a bulk load.

    Attributes:
        num_found: documents that were to be loaded.
        left_out: files of types that no parser reads, by extension.
        elapsed_s: the whole command, with the start of Ray and the loading of models.
    """

    tally: Tally
    num_found: int
    left_out: Counter[str]
    elapsed_s: float

    @property
    def load_s(self) -> float:
        """From the first document that was embedded to the last commit."""
        return max(0.0, self.tally.ended - self.tally.began)

    @property
    def chunks_per_s(self) -> float:
        """Passages stored in a second of `load_s`."""
        return self.tally.num_chunks / self.load_s if self.load_s else 0.0

    def shares(self) -> dict[str, float]:
        """How the working time divides over the stages; they sum to 1 if anything was done."""
        total = sum(self.tally.seconds.values()) or 1.0
        return {stage: self.tally.seconds.get(stage, 0.0) / total for stage in STAGES}

    def as_json(self) -> dict[str, Any]:
        """All of it."""
        return {
            **asdict(self.tally),
            "num_found": self.num_found,
            "left_out": dict(self.left_out),
            "elapsed_s": self.elapsed_s,
            "load_s": self.load_s,
            "chunks_per_s": self.chunks_per_s,
            "shares": self.shares(),
        }


def print_report(report: Report, console: Console) -> None:
    """Prints the closing tables."""
    console.print(_summary(report))
    if report.tally.failures:
        console.print(_failures(report))


def _summary(report: Report) -> Table:
    tally = report.tally
    table = Table(title="Loaded", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column(justify="right")
    rows = [
        ("documents", f"{report.num_found:,}"),
        ("  loaded", f"{tally.num_loaded:,}"),
        ("  in the store already", f"{tally.num_present:,}"),
        ("  failed", f"{len(tally.failures):,}"),
        ("  not reached", f"{report.num_found - tally.num_documents:,}"),
        ("files left out, no parser", _left_out(report.left_out)),
        ("chunks", f"{tally.num_chunks:,}"),
        ("  of them embedded, not known", f"{tally.num_embedded:,}"),
        ("chunks/s", f"{report.chunks_per_s:,.1f}"),
        ("seconds, without the start", f"{report.load_s:,.1f}"),
        ("seconds in all", f"{report.elapsed_s:,.1f}"),
    ]
    rows += [(f"time in {stage}", f"{share:.1%}") for stage, share in report.shares().items()]
    for name, value in rows:
        table.add_row(name, value)
    return table


def _left_out(left_out: Counter[str]) -> str:
    kinds = ", ".join(f"{escape(kind)} {count:,}" for kind, count in left_out.most_common(5))
    return f"{left_out.total():,} ({kinds})" if left_out else "0"


def _failures(report: Report) -> Table:
    failures = sorted(report.tally.failures, key=lambda one: one.name)
    table = Table(title="Failed", title_justify="left")
    table.add_column("document", overflow="fold")
    table.add_column("reason", overflow="fold")
    for one in failures[:_MAX_FAILURES]:
        table.add_row(escape(one.name), escape(one.reason))
    if failures[_MAX_FAILURES:]:
        table.add_row("...", f"and {len(failures) - _MAX_FAILURES:,} more; --report FILE has all")
    return table
