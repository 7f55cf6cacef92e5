"""The batches that this Gateway works on; those of a Gateway that died are taken over."""

import asyncio
import logging
from collections.abc import Callable

from starlette.types import ASGIApp

from graphs.access.callers import FreshAsker
from graphs.api.batches.batch_run import BatchRun
from graphs.api.batches.turns import Turns
from graphs.api.border.traffic import Traffic
from graphs.api.claiming import LeasedWork
from graphs.api.services import Services
from graphs.caller import DEFAULT_CALLER
from graphs.errors import GraphError
from index.catalog.batches.records import BatchFault, BatchRecord
from index.errors import CorpusError, LostLeaseError

logger = logging.getLogger(__name__)

_MAX_AT_ONCE = 2  # so that a small batch does not wait for the end of a large one
MAX_ATTEMPTS = 50  # a batch over which so many Gateways died is given up


class BatchRuns(LeasedWork):
    """Works on batches.

    Args:
        services: gives those of the moment; settings may change.
        app: the application, which answers the lines.
        traffic: what others ask of it.
    """

    def __init__(self, services: Callable[[], Services], app: ASGIApp, traffic: Traffic) -> None:
        self._services = services
        self._app = app
        self._turns = Turns(lambda: services().config.batches, traffic)
        super().__init__(
            self._look, what="batches", poll_s=lambda: services().config.batches.poll_s
        )

    async def _look(self) -> None:
        while len(self._working) < _MAX_AT_ONCE:
            services = self._services()
            lease_s = services.config.batches.lease_s
            record = await services.corpus.of(DEFAULT_CALLER).claim_batch(self._owner, lease_s)
            if record is None:
                return
            if known := self._working.pop(record.id, None):
                known.cancel()  # that its lease ran out here was not noticed yet
            self._working[record.id] = asyncio.create_task(self._work(record))

    async def _work(self, record: BatchRecord) -> None:
        services = self._services()
        try:
            keys = services.corpus.of(DEFAULT_CALLER)
            asker = FreshAsker(
                keys,
                (record.tenant, record.key_id),
                lambda: self._services().config.auth.fresh_s,
            )
            corpus = services.corpus.of(await asker())
            run = BatchRun(
                record=record,
                app=self._app,
                asker=asker,
                corpus=corpus,
                turns=self._turns,
                settings=services.config.batches,
            )
            if record.attempt > MAX_ATTEMPTS:
                msg = f"{MAX_ATTEMPTS} Gateways did not come to an end with it."
                await corpus.finish_batch(record, "failed", [_given_up(msg)])
                return
            await run.work()
        except LostLeaseError as err:
            logger.info("batch %s: %s", record.id, err)
        except (GraphError, CorpusError) as err:
            logger.info("batch %s waits for the end of its lease: %r", record.id, err)
        except Exception:  # the last resort: nobody else would tell of it
            logger.exception("batch %s waits for the end of its lease", record.id)
        finally:
            if self._working.get(record.id) is asyncio.current_task():
                del self._working[record.id]
                self._claiming.wake()


def _given_up(message: str) -> BatchFault:
    return BatchFault(code="given_up", message=message)
