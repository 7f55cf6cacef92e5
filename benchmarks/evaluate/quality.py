"""Reads the quality log: `python -m benchmarks.evaluate.quality report|export FOLDER`.

    report FOLDER                       by tenant and day: answers, share declined, relevance
    report FOLDER --base-url URL        ... and groundedness of a sample, by that system's reranker
    export FOLDER --out set.jsonl       an evaluation set in RAGAS' form, to be looked at first

FOLDER is `observing.quality_log.folder` of the Gateway's settings (docs/observing.md).
Exit status: 0 done; 2 wrong arguments, no such log or no system.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from itertools import groupby
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

from pyarrow import ArrowException, parquet
from rich.console import Console
from rich.table import Table

from benchmarks.evaluate.asking import System, UnusableSystemError

Row = Mapping[str, Any]
_NO_NUMBER = "-"


class LogError(ValueError):
    """There is no log, or a file of it cannot be read; the message names it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line."""
    options = _parser().parse_args(arguments)
    console = Console()
    try:
        if options.command == "export":
            lines = [json.dumps(sample_of(row), ensure_ascii=False) for row in rows_of(options)]
            options.out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            console.print(f"{len(lines)} questions in {options.out}", highlight=False)
        else:
            console.print(_report(options))
    except (LogError, UnusableSystemError, OSError) as err:
        console.print(f"error: {err}", style="red", markup=False, highlight=False, soft_wrap=True)
        return 2
    return 0


def rows_of(options: argparse.Namespace) -> Iterator[Row]:
    """Gives the rows of a log by tenant and day, with `tenant` and `day`.

    Raises:
        LogError: it has no file, or one that cannot be read.
    """
    paths = sorted(options.folder.glob(f"tenant={options.tenant or '*'}/day=*/*.parquet"))
    if not paths:
        raise LogError(f"{options.folder} holds no quality log")
    for path in paths:
        day, tenant = (one.name.partition("=")[2] for one in (path.parent, path.parent.parent))
        if day < options.since:
            continue
        try:
            rows = parquet.ParquetFile(path).read().to_pylist()
        except (ArrowException, OSError) as err:
            raise LogError(f"{path} cannot be read: {err}") from err
        yield from ({**row, "tenant": tenant, "day": day} for row in rows)


def sample_of(row: Row) -> dict[str, Any]:
    """Makes a line of a row by the names that RAGAS reads; whether it was right is not known."""
    told = ("request_id", "tenant", "outcome", "relevance", "model")
    return {
        "user_input": row["question"],
        "response": row["answer"],
        "retrieved_contexts": [one["text"] for one in row["passages"]],
        "metadata": {name: row[name] for name in told},
    }


def _report(options: argparse.Namespace) -> Table:
    table = Table(title="Quality log", title_justify="left")
    for name in ("tenant", "day", "answers", "declined", "relevance", "lowest tenth", "grounded"):
        table.add_column(name)
    with ExitStack() as stack:
        system = None
        if options.base_url:
            made = System(
                options.base_url, "", api_key=options.api_key, timeout_s=options.timeout_s,
                checks_grounding=True,
            )  # fmt: skip
            system = stack.enter_context(closing(made))
        for (tenant, day), group in groupby(rows_of(options), lambda r: (r["tenant"], r["day"])):
            rows = list(group)
            table.add_row(tenant, day, *_cells(rows, _grounded(system, rows, options.sample)))
    return table


def _cells(rows: Sequence[Row], grounded: float | None) -> list[str]:
    answered = sorted(row["relevance"] for row in rows if row["outcome"] == "answered")
    declined = 1 - len(answered) / len(rows)
    told = [str(len(rows)), f"{declined:.0%}"]
    told += [f"{fmean(answered):.2f}", f"{answered[len(answered) // 10]:.2f}"] if answered else [
        _NO_NUMBER, _NO_NUMBER,
    ]  # fmt: skip
    return [*told, _NO_NUMBER if grounded is None else f"{grounded:.2f}"]


def _grounded(system: System | None, rows: Sequence[Row], sample: int) -> float | None:
    """Gives the mean share of sentences that the passages support, of a sample of the answers."""
    answered = [row for row in rows if row["outcome"] == "answered"]
    if system is None or not answered:
        return None
    drawn = Random(0).sample(answered, min(sample, len(answered)))  # the same each time, no secret
    shares = [
        system.grounded(row["answer"], [one["text"] for one in row["passages"]]) for row in drawn
    ]
    known = [one for one in shares if one is not None]
    return fmean(known) if known else None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.evaluate.quality", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    report = commands.add_parser("report", help="tell how good the answers were, by day")
    export = commands.add_parser("export", help="write the questions as an evaluation set")
    for one in (report, export):
        one.add_argument("folder", type=Path, metavar="FOLDER")
        one.add_argument("--tenant", default="", help="of this tenant alone")
        one.add_argument("--since", default="", metavar="DAY", help="such as 2026-11-29")
    report.add_argument("--base-url", help="the /v1 of a system whose reranker is asked")
    report.add_argument("--api-key", default=os.environ.get("OPENAI_API_KEY", "none"))
    report.add_argument("--sample", type=int, default=50, help="answers a day (%(default)s)")
    report.add_argument("--timeout-s", type=float, default=300.0, help="(%(default)s)")
    export.add_argument("--out", type=Path, required=True, help="where the lines go")
    return parser


if __name__ == "__main__":
    sys.exit(main())
