"""Work on one stored response: the pipeline runs, and what comes of it is kept.

    pipeline --event--> Run.events --watch--> the connection that asked, as long as it stands
                 '----> pending --keep_response, finish_response--> catalog

A broken connection ends none of this: the rest can be read with `starting_after`.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from graphs.api.border.replies import to_json
from graphs.api.error_replies import ErrorReply
from graphs.api.errors import ResumeMismatchError
from graphs.api.responses.items import kept_item
from graphs.api.responses.journal import is_same, read, written
from graphs.api.responses.response_shape import ResponseShape
from graphs.corpus.protocols import Corpus
from graphs.errors import GraphError, StageUnavailableError
from graphs.pipeline.events import Event, Finished
from graphs.together import together
from index.catalog.answers.records import Item, Lease, Outcome, StoredResponse
from index.errors import CorpusUnavailableError, LostLeaseError

KEEP_S = 0.3  # what a reader at another Gateway lags behind
_AGAIN_S = 1.0
_AWAY = (CorpusUnavailableError, GraphError)  # whoever writes the catalog does not answer


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """How a response is kept; times are in seconds.

    Attributes:
        owner: who works on it, for people who read the table.
        lease_s: after so long without a sign another one goes on with it.
        kept_s: for how long it is kept.
        patience_s: how long its end waits for a catalog that is out of reach.
    """

    owner: str
    lease_s: float
    kept_s: int
    patience_s: float


@dataclass(kw_only=True)
class Run:
    """One response that this Gateway works on.

    Attributes:
        record: as it is kept; its attempt is the one that works here.
        shape: is given every event; makes the body that is kept.
        known: events that an earlier attempt has kept.
        is_new: whether it is still to be stored: with its first event, or all at once.
        streams: whether events are kept as they come, not with the last one.
    """

    record: StoredResponse
    shape: ResponseShape
    corpus: Corpus
    keeping: Keeping
    known: Sequence[str] = ()
    is_new: bool = False
    streams: bool = True
    events: list[Event] = field(default_factory=list)
    _failure: Exception | None = None
    _is_over: bool = False
    _is_kept: bool = False
    _pending: list[str] = field(default_factory=list)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def watch(self) -> AsyncGenerator[Event, None]:
        """Gives all events, as they come; raises what the work failed with."""
        position = 0
        while True:
            while position < len(self.events):
                yield self.events[position]
                position += 1
            if self._is_over:
                if self._failure is not None:
                    raise self._failure
                return
            await self._news.wait()

    async def work(self, source: AsyncGenerator[Event, None]) -> None:
        """Writes the answer, and ends the response with it.

        Raises:
            LostLeaseError: the response was cancelled or deleted, or somebody else works on it.
            ResumeMismatchError: the answer is another one than an earlier attempt began.
            Exception: the pipeline failed; the response has not ended.
        """
        async with together() as group:
            keeping = group.create_task(self._keep())
            async with aclosing(source) as events:
                async for event in events:
                    await self._take(event)
            keeping.cancel()

    async def passing(self, source: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """Gives the events to the one who waits for them; with the last one the response is kept.

        Who closes this ends the work, and nothing is kept.
        """
        async with aclosing(source) as events:
            async for event in events:
                await self._take(event)
                yield event

    def end(self, failure: Exception | None) -> None:
        """Tells all who watch that nothing more comes."""
        self._failure, self._is_over = failure, True
        self._tell()

    def completed_at(self) -> int:
        """When the response was completed, so that all who tell it tell the same."""
        return int(self.shape.response().completed_at or 0)

    async def fail(self, error: ErrorReply) -> None:
        """Ends the response as failed.

        Raises:
            LostLeaseError: it has ended, is deleted, or somebody else works on it.
        """
        self.shape.error(error)
        await self._finish("failed", ())

    async def wait_for_another(self, seconds: float) -> None:
        """Leaves the response to whoever claims it after this time."""
        await self.corpus.keep_response(
            self.record, first_number=len(self.known), events=(), lease_s=seconds
        )

    async def _take(self, event: Event) -> None:
        event = self._known(event)
        self.shape.event(event)
        if len(self.events) >= len(self.known):
            self._pending.append(written(event))
        if isinstance(event, Finished):
            response = self.shape.response()
            outputs = [
                kept_item(item.model_dump(mode="json", exclude_unset=True))
                for item in response.output
            ]
            await self._finish(str(response.status), (*self.record.items, *outputs))
        elif self.is_new and self.streams:
            await self._store()
        self.events.append(event)
        self._tell()

    def _known(self, event: Event) -> Event:
        """Gives the event as an earlier attempt has kept it, so that all readers see the same."""
        number = len(self.events)
        if number >= len(self.known):
            return event
        known = read(self.known[number])
        if not is_same(known, event):
            msg = "the answer was lost with its Gateway, and what it stands on has changed"
            raise ResumeMismatchError(msg)
        return known

    async def _store(self) -> None:
        lease = Lease(owner=self.keeping.owner, seconds=self.keeping.lease_s)
        await self.corpus.create_response(self.record, keep_s=self.keeping.kept_s, lease=lease)
        self.is_new = False

    async def _finish(self, status: str, appended: Sequence[Item]) -> None:
        """Ends the response; tries again while the catalog is out of reach."""
        outcome = Outcome(
            status=status,  # type: ignore[arg-type]  # of a response that has ended
            body=to_json(self.shape.response()),
            first_number=len(self.known),
            events=tuple(self._pending),
            appended=tuple(appended) if self.record.conversation_id else (),
        )
        try:
            async with self._turn, asyncio.timeout(self.keeping.patience_s):
                if self.is_new:
                    await self.corpus.create_response(
                        self.record, keep_s=self.keeping.kept_s, outcome=outcome
                    )
                else:
                    await self._finish_stored(outcome)
                self._is_kept = True
        except TimeoutError as err:
            raise StageUnavailableError("the answer could not be kept in time") from err

    async def _finish_stored(self, outcome: Outcome) -> None:
        is_again = False
        while True:
            try:
                await self.corpus.finish_response(self.record, outcome)
            except _AWAY:
                is_again = True
                await asyncio.sleep(_AGAIN_S)
            except LostLeaseError:
                # What seemed to fail may have been written before its reply was lost.
                stored = await self.corpus.get_response(self.record.tenant, self.record.id)
                if not is_again or stored.body != outcome.body:
                    raise
                return
            else:
                return

    async def _keep(self) -> None:
        """Keeps events as they come, and the lease."""
        clock = asyncio.get_running_loop().time
        kept_at = clock()
        while True:
            await asyncio.sleep(min(KEEP_S, self.keeping.lease_s / 3))
            is_due = clock() - kept_at >= self.keeping.lease_s / 3
            async with self._turn:
                if self.is_new or self._is_kept or not (is_due or (self.streams and self._pending)):
                    continue
                if await self._keep_pending():
                    kept_at = clock()

    async def _keep_pending(self) -> bool:
        """Keeps what is there and the lease; says whether that worked."""
        events = tuple(self._pending) if self.streams else ()
        try:
            is_held = await self.corpus.keep_response(
                self.record,
                first_number=len(self.known),
                events=events,
                lease_s=self.keeping.lease_s,
            )
        except _AWAY:  # it is tried again; nobody takes the response before the lease runs out
            return False
        if not is_held:
            msg = f"response {self.record.id} was cancelled or deleted, or went to another Gateway"
            raise LostLeaseError(msg)
        self.known = (*self.known, *events)
        del self._pending[: len(events)]
        return True

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
