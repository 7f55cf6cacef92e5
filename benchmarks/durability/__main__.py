"""`python -m benchmarks.durability` (`make durability`): no acknowledged document is ever lost.

On SQLite and on PostgreSQL: two writers of which one is paused again and again; 300 SIGKILLs of
ingesters, retrievers and gateways under a writing client; and the retrievers of a large store
killed one after the other under searches. Prints what was seen and writes it as JSON, one file of
each scenario once it has ended. One that proves nothing does not end the others.

PostgreSQL is the database at RAGFLEET_DATABASE_URL, which should be one of its own for this;
without it, a server is started for the purpose, if PostgreSQL is installed.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from benchmarks.durability.paused_writer import pause_writers
from chaos.arena import Arena, Size
from chaos.errors import ChaosError
from chaos.fleet import Fleet
from chaos.runner import Runner
from chaos.scenarios.node_scenarios import NoticeSettings
from chaos.scenarios.scenarios import scenarios
from cluster.interrupts import interruptible
from tests.index.postgres_server import HOW_TO_GET_IT, PostgresServer, find_programs

_DATABASES = ("sqlite", "postgresql")
_PAUSE = "writer-pause"
_SCENARIOS = (_PAUSE, "corpus-kill", "retriever-kill")


def main() -> None:
    """Runs the command line."""
    arguments = _parse()
    console = Console()
    results: dict[str, dict[str, Any]] = {}
    with interruptible():
        for database in arguments.database:
            with _corpus(database) as url:
                results[database] = _run(arguments, url, arguments.out / database, console)
    _tell(results, console)
    console.print(arguments.out, highlight=False)
    sys.exit(0 if all(one["passed"] for of in results.values() for one in of.values()) else 1)


@contextmanager
def _corpus(database: str) -> Iterator[str]:
    if database == "sqlite":
        with TemporaryDirectory(prefix="durability-") as folder:
            yield f"sqlite:///{folder}/corpus.db"
        return
    if given := os.environ.get("RAGFLEET_DATABASE_URL"):
        yield given
        return
    programs = find_programs()
    if programs is None:
        sys.exit(f"{HOW_TO_GET_IT}; or set RAGFLEET_DATABASE_URL")
    with PostgresServer(programs) as server:
        yield server.new_database()


def _run(
    arguments: argparse.Namespace, url: str, out: Path, console: Console
) -> dict[str, dict[str, Any]]:
    """Runs the chosen scenarios on one database, and gives their figures by name."""
    out.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict[str, Any]] = {}
    if _PAUSE in arguments.scenario:
        console.print(f"two writers on {out.name}, one of them paused for {arguments.pause_s} s")
        results[_PAUSE] = pause_writers(url, arguments.pause_s)
        (out / f"{_PAUSE}.json").write_text(json.dumps(results[_PAUSE], indent=2) + "\n")
    known = scenarios(NoticeSettings())
    chosen = [name for name in arguments.scenario if name in known]
    if not chosen:
        return results
    with Fleet(database_url=url) as fleet:
        runner = Runner(fleet.system, fleet, console)
        for name in chosen:
            scenario = replace(known[name], size=_size(arguments, known[name].size))
            arena = Arena(system=fleet.system, seed=arguments.seed, keeper=fleet)
            try:
                report = runner.run(name, scenario, arena)
            except ChaosError as err:
                results[name] = {"passed": False, "proves nothing": str(err)}
                continue
            runner.tell(report, out)
            results[name] = report.summary()
    return results


def _size(arguments: argparse.Namespace, full: Size) -> Size:
    if full.num_passages:
        return replace(full, num_passages=arguments.passages, num_requests=arguments.searches)
    return replace(full, num_faults=arguments.kills)


def _tell(results: Mapping[str, Mapping[str, Mapping[str, Any]]], console: Console) -> None:
    for database, of_database in results.items():
        for name, figures in of_database.items():
            word = "[green]passed[/green]" if figures["passed"] else "[red]FAILED[/red]"
            console.print(f"{word} {name} on {database}", highlight=False)
            for key, value in figures.items():
                if isinstance(value, int | float) and key != "passed":
                    console.print(f"    {key:<24} {value}", highlight=False)
                elif value and (name == _PAUSE or isinstance(value, str)):
                    console.print(f"    {key:<24} {value}", markup=False, highlight=False)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.durability", description=__doc__)
    option = parser.add_argument
    option("--database", nargs="+", choices=_DATABASES, default=list(_DATABASES))
    option("--scenario", nargs="+", choices=_SCENARIOS, default=list(_SCENARIOS))
    option("--kills", type=int, default=300, help="in corpus-kill (%(default)s)")
    option("--passages", type=int, default=100_000, help="in retriever-kill (%(default)s)")
    option("--searches", type=int, default=1200, help="in retriever-kill (%(default)s)")
    option("--pause-s", type=float, nargs="+", default=[30.0, 40.0, 30.0],
           help="the lease of the paused writer is of 30 s (%(default)s)")  # fmt: skip
    option("--seed", type=int, default=0)
    option("--out", type=Path, default=Path("durability-report"))
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except ChaosError as err:
        sys.exit(f"{type(err).__name__}: {err}")
