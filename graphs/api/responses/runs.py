"""The responses that this Gateway works on: those asked here as streams, and those in background.

POST stream       -> begin -> Run           stored with its first event
POST background   -> queued in the catalog -> claimed by any Gateway that has room -> Run
a Gateway dies    -> its leases run out    -> claimed by another one               -> Run
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial

from pydantic import ValidationError

from graphs.access.callers import asker
from graphs.api.claiming import LeasedWork
from graphs.api.error_replies import reply_of
from graphs.api.errors import ApiError, BadRequestError, ForbiddenError, kind_of
from graphs.api.responses.journal import read
from graphs.api.responses.question import Question, answer
from graphs.api.responses.response_shape import ResponseShape
from graphs.api.responses.run import Keeping, Run
from graphs.api.responses.stored import head_of
from graphs.api.services import Services
from graphs.caller import DEFAULT_CALLER
from graphs.errors import GraphError
from graphs.pipeline.events import Event, Retrieved
from index.catalog.answers.records import StoredResponse
from index.errors import CorpusError, LostLeaseError

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5  # a response that this many Gateways did not come to an end with is given up
SECONDS_A_DAY = 86_400
_LATER_S = 2.0


class Runs(LeasedWork):
    """Works on responses, as many at once as the settings allow.

    Args:
        services: gives those of the moment; settings may change.
    """

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services
        self._claimed: set[str] = set()
        super().__init__(
            self._look, what="responses", poll_s=lambda: services().config.responses.poll_s
        )

    def keeping(self) -> Keeping:
        """How responses are kept."""
        config = self._services().config
        return Keeping(
            owner=self._owner,
            lease_s=config.responses.lease_s,
            kept_s=config.responses.kept_days * SECONDS_A_DAY,
            patience_s=config.failover.resume_s,
        )

    def begin(self, run: Run, source: AsyncGenerator[Event, None], *, again: bool = False) -> None:
        """Begins to work on a response; `again`: whether it is tried again after a while."""
        task = asyncio.create_task(self._work(run, source, again=again))
        self._working[run.record.id] = task
        task.add_done_callback(partial(self._forget, run.record.id))

    async def watched(
        self, run: Run, source: AsyncGenerator[Event, None]
    ) -> AsyncGenerator[Event, None]:
        """Works on a response, and gives its events.

        Who closes them ends no work, unless that has come to no event: then nobody knows of it.
        """
        self.begin(run, source)
        try:
            async with aclosing(run.watch()) as events:
                async for event in events:
                    yield event
        finally:
            if run.is_new:
                self.drop(run.record.id)

    def drop(self, response_id: str) -> None:
        """Ends the work on a response, if it is done here."""
        if task := self._working.get(response_id):
            task.cancel()

    def _forget(self, response_id: str, task: "asyncio.Task[None]") -> None:
        if self._working.get(response_id) is not task:
            return  # its lease ran out here, and it was begun again
        del self._working[response_id]
        if response_id in self._claimed:
            self._claimed.discard(response_id)
            self._claiming.wake()

    async def _work(self, run: Run, source: AsyncGenerator[Event, None], *, again: bool) -> None:
        stopped = BadRequestError("the response was cancelled or deleted", code="cancelled")
        failure: Exception | None = stopped  # what a cancelled task leaves
        try:
            await run.work(source)
            failure = None
        except LostLeaseError as err:
            logger.info("response %s: %s", run.record.id, err)
        except Exception as err:  # the last resort: nobody else would tell of it
            failure = err
            logger.warning("response %s failed: %r", run.record.id, err)
            await self._fail(run, err, again=again)
        finally:
            run.end(failure)

    async def _fail(self, run: Run, error: Exception, *, again: bool) -> None:
        attempt = run.record.attempt
        with suppress(GraphError, CorpusError):
            if run.is_new:  # nothing was sent; the error has its own status
                return
            if again and attempt < MAX_ATTEMPTS and kind_of(error).status == 503:
                await run.wait_for_another(_LATER_S * attempt)
                return
            await run.fail(reply_of(error))

    async def _look(self) -> None:
        settings = self._services().config.responses
        while len(self._claimed) < settings.max_running:
            corpus = self._services().corpus.of(DEFAULT_CALLER)
            record = await corpus.claim_response(self._owner, settings.lease_s)
            if record is None:
                break
            await self._take_over(record)

    async def _take_over(self, record: StoredResponse) -> None:
        self.drop(record.id)  # that its lease ran out here was not noticed yet
        services = self._services()
        nobody = services.corpus.of(DEFAULT_CALLER)
        caller = await asker(nobody, record.tenant, record.key_id)
        corpus = services.corpus.of(caller)
        known = (await corpus.response_events(record.tenant, record.id, 0)).events
        run = Run(
            record=record,
            shape=ResponseShape(head_of(record), with_results=True),
            corpus=corpus,
            keeping=self.keeping(),
            known=known,
        )
        try:
            if record.attempt > MAX_ATTEMPTS:
                msg = f"given up: {MAX_ATTEMPTS} Gateways did not come to an end with it"
                raise GivenUpError(msg)
            if services.config.auth.keys and not caller.may("query"):
                raise ForbiddenError("The API key does not allow this request any more.")
            question = Question.model_validate_json(record.request)
            first = read(known[0]) if known else None
            identity = first.identity or None if isinstance(first, Retrieved) else None
            config = services.config
            chat = question.chat(
                config, caller, request_id=record.id, once=record.id, identity=identity
            )
            if known:  # its rest has to fit them
                chat = replace(chat, sampling=replace(chat.sampling, seed_is_drawn=False))
        except (ApiError, ValidationError, CorpusError) as err:  # of another version, say
            logger.warning("response %s cannot be worked on: %r", record.id, err)
            await self._fail(run, err, again=False)
            return
        run.streams = question.streams
        self._claimed.add(record.id)
        source = answer(services.pipeline, chat, shortens=question.shortens)
        self.begin(run, source, again=True)


class GivenUpError(ApiError, RuntimeError):
    """A response was tried too often."""
