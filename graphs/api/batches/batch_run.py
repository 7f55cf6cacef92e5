"""Work on one batch: its lines are answered, and what comes of them is kept.

input file --> lines without a result --> turns --> the routes --> pending --> catalog
                                                                     |  _KEEP_S, or many
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from starlette.types import ASGIApp

from graphs.access.callers import FreshAsker
from graphs.api.batches.asking import NO_ROOM, Reply, ask, error_result, result_of
from graphs.api.batches.batch_input import BatchInput, Line, read_input
from graphs.api.batches.turns import Turns
from graphs.corpus.protocols import Corpus
from graphs.errors import GraphError
from graphs.settings import BatchSettings
from index.catalog.batches.records import BatchEnd, BatchFault, BatchRecord, LineResult
from index.catalog.files import MAX_FILE_BYTES
from index.errors import CorpusUnavailableError, UnknownFileError

logger = logging.getLogger(__name__)

_KEEP_S = 0.5  # what is answered and not kept is answered again after a kill
_LOOK_S = 2.0  # between two looks at whether the batch was cancelled, when nothing is to be kept
_MAX_KEPT = 500  # results in one call
_AGAIN_S = 1.0
_AWAY = (CorpusUnavailableError, GraphError)  # whoever writes the catalog does not answer
_LEFT: dict[BatchEnd, tuple[str, str]] = {
    "expired": (
        "batch_expired",
        "This request could not be executed before the completion window expired.",
    ),
    "cancelled": (
        "batch_cancelled",
        "This request was not executed before the batch was cancelled.",
    ),
}
_GIVEN_UP_S = 600.0  # of replies that tell of no want of room: longer than a model is away
_FAILED = "The server failed on this request; its log says why."
_TOO_LARGE = "The replies of this batch have become too large for one file."


@dataclass(kw_only=True)
class BatchRun:
    """One batch that this Gateway works on.

    Attributes:
        record: as it is kept; its attempt is the one that works here.
        app: what answers the lines.
        asker: tells whose batch it is, and what that one may do by now.
        corpus: as this one saw it at the start, so that what was answered can be kept.
    """

    record: BatchRecord
    app: ASGIApp
    asker: FreshAsker
    corpus: Corpus
    turns: Turns
    settings: BatchSettings
    _pending: list[LineResult] = field(default_factory=list)
    _num_bytes: int = 0
    _kept_at: float = 0.0
    _is_reached: asyncio.Event = field(default_factory=asyncio.Event)  # the catalog, of late

    async def work(self) -> None:
        """Answers the lines that have no result, and ends the batch.

        Raises:
            LostLeaseError: the batch has ended, or somebody else works on it.
            Exception: the catalog is away, or we have a fault; whoever claims it next goes on.
        """
        found = await self._read()
        if found.faults:
            await self.corpus.finish_batch(self.record, "failed", found.faults)
            return
        self.record = await self.corpus.begin_batch(
            self.record, num_total=len(found.lines), model=found.model
        )
        progress = await self.corpus.batch_progress(self.record)
        self._num_bytes = progress.num_bytes
        left = {line.number: line for line in found.lines if line.number not in progress.numbers}
        end = await self._answer(left)
        if end in _LEFT:
            code, message = _LEFT[end]
            self._pending += [
                error_result(one, code, message, is_left=True) for one in left.values()
            ]
        while self._pending:
            await self._keep(waits=True)
        if self.record.status == "cancelling":
            end = "cancelled"
        await self.corpus.finish_batch(self.record, end)

    async def _read(self) -> BatchInput:
        try:
            data = await self.corpus.file_content(self.record.input_file_id)
        except UnknownFileError:
            fault = BatchFault(code="file_not_found", message="The input file was deleted.")
            return BatchInput((), (fault,), None)
        return await asyncio.to_thread(
            read_input,
            data,
            endpoint=self.record.endpoint,
            max_lines=self.settings.max_lines,
        )

    async def _answer(self, left: dict[int, Line]) -> BatchEnd:
        """Answers lines until none is left or the batch has to end; takes out what has a result."""
        self._is_reached.set()
        lines = iter(tuple(left.values()))
        workers = {
            asyncio.create_task(self._answer_some(lines, left))
            for _ in range(self.settings.max_running)
        }
        pause_s = min(_KEEP_S, self.settings.lease_s / 3)
        try:
            while workers:
                done, workers = await asyncio.wait(workers, timeout=pause_s)
                for worker in done:
                    worker.result()
                if self._pending or self._is_due():
                    await self._keep()
                if self.record.status == "cancelling":
                    return "cancelled"
                if time.time() >= self.record.expires_at and left:
                    return "expired"
            return "completed"
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    def _is_due(self) -> bool:
        return time.monotonic() - self._kept_at >= min(_LOOK_S, self.settings.lease_s / 3)

    async def _answer_some(self, lines: Iterator[Line], left: dict[int, Line]) -> None:
        for line in lines:
            await self._is_reached.wait()  # what cannot be kept is not worth answering
            too_large = error_result(line, "batch_too_large", _TOO_LARGE, is_left=False)
            result = too_large
            if self._num_bytes <= MAX_FILE_BYTES:
                result = await self._result(line)
                self._num_bytes += len(result.data)
            if self._num_bytes > MAX_FILE_BYTES:
                result = too_large
            self._pending.append(result)
            del left[line.number]

    async def _result(self, line: Line) -> LineResult:
        key = f"{self.record.id}/{line.number}"
        failing_since: float | None = None
        while True:
            try:
                reply = await self.turns.run(lambda: self._ask(line, key))
                failing_since = failing_since or time.monotonic() if reply.is_failing else None
                failed_s = 0.0 if failing_since is None else time.monotonic() - failing_since
                if reply.status not in NO_ROOM or failed_s > _GIVEN_UP_S:
                    return result_of(line, reply)
            except _AWAY as err:  # nobody can say now what the key allows
                logger.info("batch %s, line %d waits: %r", self.record.id, line.number, err)
            except Exception:  # one line must not end the batch
                logger.exception("batch %s, line %d", self.record.id, line.number)
                return error_result(line, "server_error", _FAILED, is_left=False)
            self.turns.pause()

    async def _ask(self, line: Line, key: str) -> Reply:
        caller = await self.asker()
        return await ask(
            self.app, line, endpoint=self.record.endpoint, caller=caller, key=key,
            public_url=self.record.public_url,
        )  # fmt: skip

    async def _keep(self, *, waits: bool = False) -> None:
        """Keeps results and the lease; `waits`: as long as the catalog is out of reach.

        Raises:
            LostLeaseError: the batch has ended, or somebody else works on it.
        """
        results = tuple(self._pending[:_MAX_KEPT])
        while True:
            try:
                self.record = await self.corpus.keep_batch(
                    self.record, results, self.settings.lease_s
                )
            except _AWAY:
                self._is_reached.clear()
                if not waits:
                    return
                await asyncio.sleep(_AGAIN_S)
            else:
                self._is_reached.set()
                self._kept_at = time.monotonic()
                del self._pending[: len(results)]
                return
