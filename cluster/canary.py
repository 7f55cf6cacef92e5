"""Tells how the second version of the generator fares beside the first, at every Gateway.

    python -m cluster.canary status                     a table
    python -m cluster.canary status --json              for programs

Share, shadow and limits stand in the YAML (`canary` of the Gateway); to promote or to take back,
edit it and `serve deploy`. Exit status: 0 it goes on, or nobody gets it; 1 a Gateway has rolled it
back; 2 wrong options; 3 no such application runs.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from rich.console import Console
from rich.table import Table

from graphs.choosing.canary import CanaryStatus
from graphs.choosing.tally import Figures
from graphs.config import ray_address

GOOD, ROLLED_BACK, NOT_THERE = 0, 1, 3
_ASK_S = 30.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what the Gateways know; gives the exit status of the module's docstring."""
    options = _parser().parse_args(arguments)
    try:
        found = ask(options.address or ray_address() or "auto", options.application)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as err:
        sys.stderr.write(f"no Gateway of {options.application!r} answers: {err}\n")
        return NOT_THERE
    if options.json:
        sys.stdout.write(json.dumps([asdict(one) for one in found], indent=2) + "\n")
    else:
        Console(width=None if sys.stdout.isatty() else 140).print(as_table(found))
    return ROLLED_BACK if any(one.rolled_back for one in found) else GOOD


def ask(address: str, application: str) -> list[CanaryStatus]:
    """Asks every Gateway.

    Raises:
        ConnectionError: there is no cluster.
        RuntimeError: the application does not run there.
    """
    ray.init(address, log_to_driver=False, logging_level="ERROR")
    try:
        handle = serve.get_app_handle(application)
        statuses: list[CanaryStatus] = handle.broadcast("canary").results(timeout_s=_ASK_S)
    except (RayServeException, RayError) as err:
        raise RuntimeError(str(err)) from err
    finally:
        ray.shutdown()
    return statuses


def as_table(found: Sequence[CanaryStatus]) -> Table:
    """Both versions of each Gateway, one below the other."""
    table = Table(
        "gateway", "version", "share", "answers", "failed", "flagged", "cited", "grounded",
        "median s", "characters", "state",
    )  # fmt: skip
    for number, one in enumerate(found, start=1):
        what = "shadow" if one.shadow else "answers"
        state = f"rolled back: {one.rolled_back}" if one.rolled_back else what
        table.add_row(str(number), "first", f"{1 - one.share:.0%}", *_cells(one.first), "answers")
        table.add_row("", "second", f"{one.share:.0%}", *_cells(one.second), state)
    return table


def _cells(figures: Figures) -> tuple[str, ...]:
    shares = (figures.failed, figures.flagged, figures.cited)
    return (
        str(figures.answers),
        *("-" if share is None else f"{share:.1%}" for share in shares),
        "-" if figures.grounded is None else f"{figures.grounded:.2f} (n={figures.num_grounded})",
        "-" if figures.median_s is None else f"{figures.median_s:.2f}",
        "-" if figures.mean_chars is None else f"{figures.mean_chars:.0f}",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m cluster.canary", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("command", choices=["status"])
    parser.add_argument(
        "--address", help="of the Ray cluster (default: RAY_ADDRESS, else this one's)"
    )
    parser.add_argument("--application", default="ragfleet", help="default: ragfleet")
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser


if __name__ == "__main__":
    sys.exit(main())
