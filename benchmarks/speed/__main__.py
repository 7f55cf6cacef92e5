"""`make bench`: how many requests a second, how late, and for how much CPU, beside other servers.

All systems run at once on the same cores and are asked in turn, three times over; a figure is the
median of the three. Where others use the machine too, trust the CPU time a request most.

    python -m benchmarks.speed --infinity .venv-infinity/bin/python --out speed-report.json
    python -m benchmarks.speed --only embeddings-64 --only in-process --rounds 1

Exit status: 0 measured; 2 a system cannot be served; 130 interrupted.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.checkout import CheckoutError
from benchmarks.speed import calls
from benchmarks.speed.cpu import CpuMeter
from benchmarks.speed.in_process import IN_PROCESS, measured
from benchmarks.speed.load import Calls, LoadResult, closed_loop, open_loop
from benchmarks.speed.systems import System, infinity, plain, ragfleet
from cluster.interrupts import interruptible


@dataclass(frozen=True, kw_only=True)
class Case:
    """A load: so many clients that wait, or so many requests a second that do not."""

    calls: Calls
    clients: int = 0
    per_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What one system did under one load; times in milliseconds.

    Attributes:
        per_s: answers a second.
        cpu_ms: of the server, for each answer.
        refused: 429 and 503.
        failed: all else that was no answer.
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    refused: float
    failed: float


_EMBED, _RERANK = calls.embeddings("embedder"), calls.rerank("reranker", path="/v1/rerank")
CASES: Mapping[str, Case] = {
    **{f"embeddings-{n}": Case(calls=_EMBED, clients=n) for n in (1, 8, 64)},
    "embeddings-4x64": Case(calls=calls.embeddings("embedder", 64), clients=4),
    "embeddings-open-20": Case(calls=_EMBED, per_s=20.0),
    **{f"rerank-{n}": Case(calls=_RERANK, clients=n) for n in (1, 32)},
    **{f"chat-{n}": Case(calls=calls.chats(), clients=n) for n in (1, 16)},
}


def main() -> None:
    """Runs the command line."""
    try:
        with interruptible():
            status = run()
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


def run(arguments: Sequence[str] | None = None) -> int:
    """Measures what the arguments ask for; gives the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description=__doc__)
    parser.add_argument("--infinity", type=Path, help="python of an environment that has Infinity")
    parser.add_argument("--rounds", type=int, default=3, help="of all cases (default 3)")
    parser.add_argument("--seconds", type=float, default=15.0, help="that count, of each case")
    parser.add_argument(
        "--only", action="append", choices=[*CASES, IN_PROCESS], help="may be given repeatedly"
    )
    parser.add_argument("--out", type=Path, help="for the figures, as JSON")
    given = parser.parse_args(arguments)
    console = Console()
    wanted = given.only or [*CASES, IN_PROCESS]
    try:
        found = _measure(given.infinity, wanted, given.rounds, given.seconds, console)
    except CheckoutError as err:
        console.print(f"[red]{err}[/red]")
        return 2
    report = {
        case: {name: asdict(_medians(rounds)) for name, rounds in systems.items()}
        for case, systems in found.items()
    }
    if given.out:
        given.out.write_text(json.dumps(report, indent=1))
    console.print(table_of(report))
    return 0


def _measure(
    python: Path | None, wanted: Sequence[str], rounds: int, seconds: float, console: Console
) -> dict[str, dict[str, list[Figures]]]:
    """Gives case -> system -> the figures of each round."""
    found: dict[str, dict[str, list[Figures]]] = {}
    served = [name for name in wanted if name != IN_PROCESS]
    starting: list[AbstractContextManager[System]] = [ragfleet(), plain()] if served else []
    if python and served:
        starting.append(infinity(python))
    with ExitStack() as stack:
        systems = [stack.enter_context(one) for one in starting]
        for turn, name in enumerate(served * rounds):
            # Else the states of passages that a reranker keeps would answer the next round.
            case = replace(CASES[name], calls=calls.later(CASES[name].calls, turn))
            for system in systems:
                if name.split("-")[0] in system.kinds:
                    console.print(f"{name}: {system.name}")
                    figures = _under_load(system, case, seconds)
                    found.setdefault(name, {}).setdefault(system.name, []).append(figures)
    for _ in range(rounds if IN_PROCESS in wanted else 0):
        for name, (per_s, cpu_ms) in measured(seconds).items():
            took_ms = 1000 / per_s
            figures = Figures(
                per_s=per_s, p50_ms=took_ms, p99_ms=took_ms, cpu_ms=cpu_ms, refused=0, failed=0
            )
            found.setdefault(name, {}).setdefault(IN_PROCESS, []).append(figures)
    return found


def _under_load(system: System, case: Case, seconds: float) -> Figures:
    meter = CpuMeter(system.pid)
    warm_s = seconds / 3
    if case.clients:
        load = closed_loop(
            system.url, case.calls, clients=case.clients, warm_s=warm_s, seconds=seconds,
            on_measured=meter.read,
        )  # fmt: skip
    else:
        load = open_loop(
            system.url, case.calls, per_s=case.per_s, warm_s=warm_s, seconds=seconds,
            on_measured=meter.read,
        )  # fmt: skip
    return _figures(asyncio.run(load), sum(meter.used_s().values()))


def _figures(seen: LoadResult, cpu_s: float) -> Figures:
    return Figures(
        per_s=seen.per_s,
        p50_ms=seen.latency_ms(0.5),
        p99_ms=seen.latency_ms(0.99),
        cpu_ms=1000 * cpu_s / max(1, len(seen.latencies_ms)),
        refused=len(seen.refusals_ms),
        failed=seen.failures.total(),
    )


def _medians(rounds: Sequence[Figures]) -> Figures:
    every = [asdict(one) for one in rounds]
    return Figures(**{name: median(one[name] for one in every) for name in every[0]})


def table_of(report: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Table:
    """Shows the figures of every case and system."""
    table = Table("load", "system", "answers/s", "p50 ms", "p99 ms", "CPU ms", "refused", "failed")
    for case, systems in report.items():
        for name, one in systems.items():
            table.add_row(
                case, name, f"{one['per_s']:.1f}", f"{one['p50_ms']:.0f}", f"{one['p99_ms']:.0f}",
                f"{one['cpu_ms']:.1f}", f"{one['refused']:.0f}", f"{one['failed']:.0f}",
            )  # fmt: skip
    return table


if __name__ == "__main__":
    main()
