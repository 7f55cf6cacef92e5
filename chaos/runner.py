"""Runs scenarios with a progress bar and tells what they showed."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from chaos.arena import Arena, NodeKeeper
from chaos.fleet import Fleet
from chaos.plot import draw
from chaos.probe import Probe
from chaos.report import Report
from chaos.scenarios.scenarios import Scenario
from chaos.target import System


class Runner:
    """Runs scenarios against one system, one after the other."""

    def __init__(self, system: System, keeper: NodeKeeper | None, console: Console) -> None:
        self.system = system
        self.keeper = keeper
        self._console = console

    def check_target(self, deployment: str, node_id: str | None) -> None:
        """Prints the target and proves that it is there, before anything is sent to it.

        Raises:
            TargetError: it is not.
        """
        self._print(f"target {self.system.url}, Ray at {self.system.ray_address}")
        replicas = self.system.replicas(deployment)
        self._print(f"{deployment} has {len(replicas)} replicas")
        if node_id is not None:
            self.system.node(node_id)

    def run(self, name: str, scenario: Scenario, arena: Arena) -> Report:
        """Runs one scenario.

        Raises:
            ChaosError: the run proves nothing.
        """
        columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        tasks: dict[str, TaskID] = {}
        told = Counter[str]()  # tenths, where no bar can be drawn
        with Progress(TextColumn("{task.description:<32}"), *columns, console=self._console) as bar:

            def on_progress(label: str, ended: int, count: int) -> None:
                if label not in tasks:
                    tasks[label] = bar.add_task(f"{name}: {label}", total=count)
                bar.update(tasks[label], completed=ended)
                tenths = 10 * ended // count
                if not self._console.is_terminal and tenths > told[label]:
                    told[label] = tenths
                    self._print(f"{name}: {label}, {ended} of {count}")

            arena.on_progress = on_progress
            with self._changed(scenario):
                return asyncio.run(self._run(scenario, arena))

    @contextmanager
    def _changed(self, scenario: Scenario) -> Iterator[None]:
        """Serves the config that the scenario wants, where that is ours to choose."""
        if not (scenario.changes and isinstance(self.keeper, Fleet)):
            yield
            return
        self.keeper.edit(scenario.changes)
        try:
            yield
        finally:
            self.keeper.edit({})

    async def _run(self, scenario: Scenario, arena: Arena) -> Report:
        async with Probe(self.system) as arena.probe:
            return await scenario.run(arena, scenario.size)

    def tell(self, report: Report, folder: Path) -> None:
        """Prints a report, and writes it and the plot of its requests, if it has any."""
        summary = report.summary()
        for key, value in summary.items():
            if value is not None and key not in ("faults", "checks", "failures"):
                self._console.print(f"  {key:<18} {value}", highlight=False)
        for fault in report.faults:
            back = "" if fault.recovered_s is None else f"; back after {fault.recovered_s:.1f} s"
            self._console.print(
                f"  {fault.kind} {fault.target} at {fault.at_s:.1f} s: {fault.proof}{back}"
            )
        for check in report.checks:
            word = "[green]seen[/green]    " if check.passed else "[red]NOT SEEN[/red]"
            self._console.print(f"  {word} {check.name}: ", end="", highlight=False)
            self._console.print(check.seen, markup=False, highlight=False)
        for failure in summary["failures"]:
            self._console.print(f"  failed {failure}", markup=False, highlight=False)
        written = [report.write(folder), *([draw(report, folder)] if report.run else [])]
        self._console.print(" ", *written, "\n", highlight=False)

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)
