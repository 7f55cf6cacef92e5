"""Answers from documents with what they stood on, as Parquet; off unless settings name a folder.

    folder/tenant=acme/day=2026-11-29/1764412800123-4711-1.parquet

Kept are questions to documents that were answered or declined, of tenants that agreed, where the
request does not say otherwise. Personal data that rules find are blotted out first. What waits to
be written is lost with its process. Days past `kept_days` are deleted within the hour, whether
anybody asks or not.
"""

import asyncio
import json
import logging
import os
import shutil
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

from graphs.observing_settings import QualityLogSettings
from graphs.pipeline.events import ChatRequest, Event, Finished, Retrieved, TextDelta
from graphs.pipeline.prompt import NO_ANSWER
from graphs.settings import EVERY_TENANT
from models.personal_data import blot_personal_data

logger = logging.getLogger(__name__)

_MAX_WAITING = 2000  # rows; what comes while a disk is full is dropped
_DELETE_S = 3600.0  # between two looks at what is too old, as the audit log has
_numbers = count(1)  # of the files of this process, whoever writes them


@dataclass(frozen=True, kw_only=True)
class LoggedPassage:
    """What a passage said, and its relevance in 0..1."""

    file: str
    text: str
    score: float


@dataclass(frozen=True, kw_only=True)
class LoggedAnswer:
    """One row.

    Attributes:
        ended_at: in seconds since 1970.
        outcome: `answered` or `declined`.
        relevance: of the best passage, 0..1; 0 where none was found.
        model: digest of the model that wrote it; empty: none was asked.
        versions: of all else that it came from, by name (graphs/observing/versions.py).
    """

    request_id: str
    tenant: str
    ended_at: float
    question: str
    search_query: str
    answer: str
    outcome: str
    relevance: float
    passages: tuple[LoggedPassage, ...]
    model: str
    versions: Mapping[str, str]
    degraded: tuple[str, ...]


class QualityLog:
    """Collects rows and writes them in files, on a thread; another one deletes what is too old.

    Rows of one that nobody has any more are written all the same: its timer holds it. Days are
    deleted as long as somebody has it.

    Args:
        settings: what is kept, of whom, and where.
        versions: what the answers come from, by name.
        seed: of the choice where a share is kept.
    """

    def __init__(
        self, settings: QualityLogSettings, versions: Mapping[str, str], seed: int | None = None
    ) -> None:
        self._settings = settings
        self.versions = versions
        self._random = Random(seed)  # a sample, no secret
        self._rows: list[LoggedAnswer] = []
        self._writing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        gone = threading.Event()
        weakref.finalize(self, gone.set)
        old = (Path(settings.folder), settings.kept_days, gone)
        threading.Thread(target=_keep_deleting, args=old, daemon=True).start()

    def wants(self, request: ChatRequest) -> bool:
        """Says whether an answer may be kept, and is in the sample; one that goes on is known."""
        tenants = self._settings.tenants
        agreed = EVERY_TENANT in tenants or request.caller.tenant in tenants
        of_stores = request.retrieves and not request.documents and request.identity is None
        may = agreed and of_stores and request.may_be_logged
        return may and self._random.random() < self._settings.share

    def add(self, row: LoggedAnswer) -> None:
        """Takes a row; it is written a little later."""
        if len(self._rows) >= _MAX_WAITING:
            logger.warning("the quality log is not written: request_id=%s is lost", row.request_id)
            return
        self._rows.append(row)
        self._plan()

    async def flush(self) -> None:
        """Writes what waits."""
        self._begin()
        while self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])
            self._begin()

    def _plan(self) -> None:
        """Sees to it that what waits is written, now or a little later."""
        if len(self._rows) >= self._settings.max_rows:
            self._begin()
        elif self._rows and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._settings.flush_s, self._begin)

    def _begin(self) -> None:
        """Begins to write what waits; while a write runs, its end plans the next one."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._rows and (self._writing is None or self._writing.done()):
            rows, self._rows = self._rows, []
            self._writing = asyncio.create_task(self._write(rows))
            self._writing.add_done_callback(lambda _: self._plan())

    async def _write(self, rows: Sequence[LoggedAnswer]) -> None:
        folder = Path(self._settings.folder)
        try:
            await asyncio.to_thread(write_rows, folder, rows, next(_numbers))
        except OSError as err:  # answers go on without it
            logger.warning("the quality log is not written, %d answers: %s", len(rows), err)


async def logged(
    answer: AsyncGenerator[Event, None], request: ChatRequest, log: QualityLog
) -> AsyncGenerator[Event, None]:
    """Gives the events of an answer, and keeps them when the answer is whole."""
    retrieved: Retrieved | None = None
    texts: list[str] = []
    async with aclosing(answer) as events:
        async for event in events:
            if isinstance(event, Retrieved):
                retrieved = event
            elif isinstance(event, TextDelta):
                texts.append(event.text)
            elif isinstance(event, Finished) and retrieved and event.refusal is None:
                log.add(_row(request, retrieved, "".join(texts), event, log.versions))
            yield event


def _row(
    request: ChatRequest,
    retrieved: Retrieved,
    answer: str,
    finished: Finished,
    versions: Mapping[str, str],
) -> LoggedAnswer:
    return LoggedAnswer(
        request_id=request.request_id,
        tenant=request.caller.tenant,
        ended_at=time.time(),
        question=blot_personal_data(request.messages[-1].text),
        search_query=blot_personal_data(retrieved.search_query or ""),
        answer=blot_personal_data(answer),
        outcome="declined" if answer == NO_ANSWER else "answered",
        relevance=max((one.score for one in retrieved.passages), default=0.0),
        passages=tuple(
            LoggedPassage(
                file=blot_personal_data(one.filename),
                text=blot_personal_data(one.text),
                score=one.score,
            )
            for one in retrieved.passages
        ),
        model=retrieved.identity,
        versions=versions,
        degraded=finished.degraded,
    )


def write_rows(folder: Path, rows: Sequence[LoggedAnswer], number: int) -> None:
    """Writes rows, a file for each tenant and day, whole or not at all; nobody else may read them.

    Raises:
        OSError: they cannot be written.
    """
    by_part: dict[str, list[LoggedAnswer]] = {}
    for row in rows:
        day = datetime.fromtimestamp(row.ended_at, UTC).date().isoformat()
        by_part.setdefault(f"tenant={row.tenant}/day={day}", []).append(row)
    for part, own in by_part.items():
        (folder / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        name = f"{int(1000 * own[-1].ended_at)}-{os.getpid()}-{number}.parquet"
        _write_file(folder / part / name, own)


def _write_file(path: Path, rows: Sequence[LoggedAnswer]) -> None:
    from pyarrow import Table, parquet  # half a second, for who keeps this log

    told = [one for one in map(_plain, rows) if _is_writable(one)]
    if not told:
        return
    new = path.with_suffix(".new")
    try:
        with os.fdopen(os.open(new, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb") as file:
            parquet.write_table(Table.from_pylist(told), file)
        new.rename(path)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def _is_writable(row: Mapping[str, Any]) -> bool:
    """Whether a row is text: half a surrogate pair, which JSON allows, is none."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as err:
        logger.warning("the quality log lacks request_id=%s: %s", row["request_id"], err.reason)
        return False
    return True


def _plain(row: LoggedAnswer) -> dict[str, Any]:
    told = asdict(row) | {"degraded": list(row.degraded)}
    del told["tenant"]  # the folder says it
    told["passages"] = [asdict(one) for one in row.passages]
    return told


def _keep_deleting(folder: Path, kept_days: int, gone: threading.Event) -> None:
    while not gone.is_set():
        delete_old(folder, kept_days)
        gone.wait(_DELETE_S)


def delete_old(folder: Path, kept_days: int, today: datetime | None = None) -> None:
    """Deletes the days that are older than `kept_days`."""
    first = ((today or datetime.now(UTC)) - timedelta(days=kept_days)).date().isoformat()
    for day in folder.glob("tenant=*/day=*"):
        if day.name.removeprefix("day=") < first:
            shutil.rmtree(day, ignore_errors=True)
