"""Two writers, each a real Ingester; one is paused while it holds a job, and resumed too late.

A lease lasts as long as the pause, or ends within it: so the other takes the job over, and what the
paused one then brings must be refused.
"""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import select

from chaos import processes
from chaos.ledger import Ledger
from index.catalog.catalog import Catalog
from index.catalog.database import Database
from index.catalog.engine import is_sqlite
from index.catalog.schema import changes, jobs
from index.searching.fold import Fold

_ROOT = Path(__file__).parents[2]
_INGESTER = "benchmarks.durability.lone_ingester"
_POLL_S = 0.02
_PATIENCE_S = 600.0
_TRANSACTION_S = 3.0  # a process that runs has ended its transaction by then
_REFUSED = "job dropped, taken over"  # what the Ingester logs


class _Look(Database):
    """What the catalog tells nobody else."""

    def held_by(self, pid: int) -> tuple[int, int] | None:
        """Gives the job, and the attempt at it, that an ingester's process holds."""
        query = select(jobs).where(jobs.c.lease_owner.startswith(f"ingester-{pid}-"))
        with self._read() as connection:
            row = connection.execute(query).first()
        return None if row is None else (row.id, row.attempts)

    def is_writable(self) -> bool:
        """Whether no process holds up the writers; PostgreSQL lets others write in any case."""
        if not is_sqlite(self._engine):
            return True
        path = str(self._engine.url.database)
        with closing(sqlite3.connect(path, timeout=_TRANSACTION_S)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return False
            return True

    def log(self) -> list[tuple[int, str, str]]:
        """Gives the change log as it was written: number, kind, file."""
        with self._read() as connection:
            rows = connection.execute(select(changes).order_by(changes.c.number)).all()
        return [(row.number, row.kind, row.file_id) for row in rows]


@dataclass(frozen=True)
class _Writer:
    process: subprocess.Popen[str]
    output: Path
    errors: Path

    def end_input(self) -> None:
        """Lets it write no more."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    def lines(self) -> list[str]:
        """What it has said, in whole lines."""
        text = self.output.read_text()
        return text[: text.rfind("\n") + 1].splitlines()


def pause_writers(url: str, pauses_s: Sequence[float]) -> dict[str, Any]:
    """Pauses one of two writers so often and so long.

    Args:
        url: of the database.
        pauses_s: how long each pause lasts.

    Returns:
        The figures, ready for JSON; `passed` says whether all was as it must be.
    """
    catalog, look = Catalog(url), _Look(url)
    store_id = catalog.create_store(name="paused writers").id
    first = catalog.head()
    with TemporaryDirectory() as folder, _writers(url, store_id, Path(folder)) as writers:
        for writer in writers:
            _until(lambda writer=writer: len(writer.lines()) > 4)  # type: ignore[misc]
        pauses = [_pause(look, writers[0], pause_s) for pause_s in pauses_s]
        for writer in writers:  # before one is waited for: it ends when nobody's documents wait
            writer.end_input()
        for writer in writers:
            writer.process.wait(timeout=_PATIENCE_S)
        ledger = Ledger()
        for line in (line for writer in writers for line in writer.lines()):
            ledger.note(line)
        num_refused = sum(w.errors.read_text().count(_REFUSED) for w in writers)
    log = [(number, kind, file_id) for number, kind, file_id in look.log() if number > first]
    upserts = [file_id for _, kind, file_id in log if kind == "upsert"]
    verdict = ledger.judge(_texts(catalog, store_id))
    look.close()
    catalog.close()
    doubled = len(upserts) - len(set(upserts))
    dense = [number for number, _, _ in log] == list(range(first + 1, first + len(log) + 1))
    return {
        "passed": verdict.is_clean and dense and not doubled and num_refused > 0,
        "pauses": pauses,
        "late_results_refused": num_refused,
        "commits_doubled": doubled,
        "log_is_dense": dense,
        **verdict.summary(),
    }


@contextmanager
def _writers(url: str, store_id: str, folder: Path) -> Iterator[list[_Writer]]:
    started: list[_Writer] = []
    try:
        for name in ("a", "b"):
            output, errors = folder / f"{name}.out", folder / f"{name}.err"
            with output.open("w") as out, errors.open("w") as err:
                process = subprocess.Popen(
                    [sys.executable, "-m", _INGESTER, url, store_id, name],
                    cwd=_ROOT, stdin=subprocess.PIPE, stdout=out, stderr=err, text=True,
                )  # fmt: skip
            started.append(_Writer(process, output, errors))
        yield started
    finally:
        for writer in started:
            writer.end_input()
            writer.process.kill()
            writer.process.wait()


def _pause(look: _Look, victim: _Writer, pause_s: float) -> dict[str, Any]:
    """Stops a writer that holds a job, and wakes it again."""
    pid = victim.process.pid
    _until(lambda: look.held_by(pid) is not None)
    processes.freeze(pid)
    while not look.is_writable() or (held := look.held_by(pid)) is None:
        # Inside a transaction, for which all wait on SQLite, or done with the job: not yet.
        processes.thaw(pid)
        _until(lambda: look.held_by(pid) is not None)
        processes.freeze(pid)
    time.sleep(pause_s)
    taken_over = look.held_by(pid) != held
    processes.thaw(pid)
    said = len(victim.lines())
    _until(lambda: len(victim.lines()) > said)
    return {"pid": pid, "state": "T", "seconds": pause_s, "taken_over": taken_over}


def _texts(catalog: Catalog, store_id: str) -> list[str]:
    fold = Fold(catalog)
    fold.catch_up()
    chunk_ids = fold.indexes[store_id].chunk_ids.tolist()
    passages = catalog.read_passages(chunk_ids)
    return [passages[chunk_id].passage.text for chunk_id in chunk_ids]


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {_PATIENCE_S} s in vain")
        time.sleep(_POLL_S)
