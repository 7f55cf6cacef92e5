"""What happens when a replica is lost: pure calls are made again, streams go on elsewhere.

Ray Serve itself never repeats a request that a replica has accepted. Here a stream is resumed from
the token ids delivered so far; sampling is a pure function of seed and position, so the rest is the
one that the lost replica would have written. That holds for the same model only: the first chunk
fixes which one, later attempts ask for it, and a replica of another one refuses.

    taken by A: w0 w1 w2 | A lost | refused by B (another model) | taken by C: w3 w4 ...
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol, TypeVar

from graphs.config import FailoverSettings
from graphs.deadline import time_left_s
from graphs.errors import (
    DeadlineError,
    OverloadedError,
    PoisonRequestError,
    ReplicaDiedError,
    ReplicaLostError,
    StageUnavailableError,
)
from graphs.pipeline.stages import GenerateStage
from graphs.pipeline.trace import code_of
from models.errors import (
    EngineBusyError,
    EngineDrainingError,
    EngineStoppedError,
    ModelChangedError,
)
from models.generation import GenerationChunk, GenerationRequest
from models.token_counter import TokenCounter

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Condition = Callable[[], bool]  # `bool` itself says no

# Waits between attempts: those of Ray Serve's own router (request_router_config).
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.025, 0.5
# A resumed answer may have been sent to a replica that is frozen and not yet known to be: it asks
# again soon. Later waits are longer, since who asks again goes to the end of the queue.
_FIRST_SLOT_WAIT_S = 1.0
# Replicas of another model refuse at once. So many attempts take about 8 s; they miss the one
# replica in four that still has the model once in a thousand times.
_MAX_REFUSALS = 24


class RetryBudget:
    """Lets at most a share of the requests be repeated, so that retries cannot become the load.

    A token bucket (gRPC's retry throttling; Site Reliability Engineering, chapter 21): every
    request puts in `ratio`, every retry takes 1 out.
    """

    def __init__(self, *, ratio: float, burst: int) -> None:
        self._ratio = ratio
        self._burst = burst
        self._tokens = float(burst)

    def earn(self) -> None:
        """Counts a request."""
        self._tokens = min(self._tokens + self._ratio, self._burst)

    def spend(self) -> bool:
        """Takes one retry out; says whether there was one."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Retries:
    """Repeats pure calls whose replica was lost: in time, within the budget, never after a cancel.

    A full queue is not a loss: `OverloadedError` passes through at once.
    """

    def __init__(self, settings: FailoverSettings) -> None:
        self._max_attempts = settings.max_attempts
        self._budget = RetryBudget(ratio=settings.retry_ratio, burst=settings.retry_burst)

    async def run(self, stage: str, call: Callable[[], Awaitable[Result]]) -> Result:
        """Makes a call, and makes it again when its replica was lost.

        Raises:
            ReplicaLostError: the attempts or the budget are used up.
            PoisonRequestError: two replicas died over this very call.
        """
        self._budget.earn()
        num_deaths = 0
        for attempt in range(self._max_attempts):
            try:
                return await call()
            except ReplicaLostError as err:
                num_deaths += isinstance(err, ReplicaDiedError)
                if num_deaths == 2:
                    msg = f"two replicas of {stage} died over this request"
                    raise PoisonRequestError(msg) from err
                is_last = attempt == self._max_attempts - 1
                if is_last or time_left_s() <= 0 or not self._budget.spend():
                    raise
                logger.warning("%s: attempt %d was lost (%s)", stage, attempt + 1, err)
                await _pause(attempt)
        raise AssertionError  # the loop returns or raises


class AttemptStage(GenerateStage, Protocol):
    """Makes one attempt at a stream, on one replica: `graphs.clients.GeneratorClient`."""

    def stream(
        self, request: GenerationRequest, *, slot_s: float | None = None
    ) -> AsyncGenerator[GenerationChunk, None]:
        """Streams an answer that a replica has to take within `slot_s`."""
        ...


# What another replica may make good.
_LOSSES = (StageUnavailableError, EngineStoppedError, OverloadedError, ModelChangedError)


class ResumingGenerator:
    """A generator whose streams survive the loss of their replica. See `GenerateStage`.

    While it `hands_over`, a loss before the first token is left to who may ask another generator.
    """

    def __init__(
        self, generator: AttemptStage, settings: FailoverSettings, *, hands_over: Condition = bool
    ) -> None:
        self._generator = generator
        self._settings = settings
        self._hands_over = hands_over

    async def tokens(self) -> TokenCounter:
        """Gives what counts tokens as the generator does."""
        return await self._generator.tokens()

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[GenerationChunk, None]:
        """Streams an answer over as many replicas as it takes; positions always meet.

        Raises:
            ReplicaLostError: more replicas were lost than migrations are allowed.
            PoisonRequestError: two replicas were lost at the same position, not to a drain.
            OverloadedError: no replica has room, and the answer has not begun or waited too long.
            StageUnavailableError: the deployment does not run, likewise.
            DeadlineError: no time is left to go on.
            ModelChangedError: no replica was found that has the model which began the answer.
        """
        answer = _Delivered(request, self._settings)
        num_waits = 0
        while True:
            try:
                slot_s = answer.slot_wait_s(num_waits)
                stream = self._generator.stream(answer.rest(), slot_s=slot_s)
                async with aclosing(stream) as chunks:
                    async for chunk in chunks:
                        if answer.add(chunk):
                            num_waits = 0
                            yield answer.told(chunk)
                        if chunk.finish_reason is not None:
                            return
                raise ReplicaLostError("the stream ended without a finish reason")
            except _LOSSES as err:
                if request.identity is None and answer.position == 0 and self._hands_over():
                    raise
                answer.lose(err)
            await _pause(num_waits)
            num_waits += 1


class _Delivered:
    """What of an answer has come, from all replicas that worked on it, and how often it moved."""

    def __init__(self, request: GenerationRequest, settings: FailoverSettings) -> None:
        self._request = request
        self._settings = settings
        self._token_ids = list(request.delivered_token_ids)
        self._num_chars = request.num_delivered_chars
        self._num_migrations = 0
        self._is_taken = False
        self._replica = ""
        self._moved_by = ""
        self._lost_at: int | None = None
        self._lost_there: set[str] = set()
        self._waits_until = float("inf")
        self._num_refusals = 0
        self.identity = request.identity

    @property
    def position(self) -> int:
        return len(self._token_ids)

    def rest(self) -> GenerationRequest:
        """Gives the request for what is lacking."""
        self._is_taken = False
        self._replica = ""
        return replace(
            self._request,
            delivered_token_ids=tuple(self._token_ids),
            num_delivered_chars=self._num_chars,
            attempt=self._num_migrations,
            identity=self.identity,
        )

    def slot_wait_s(self, num_waits: int) -> float | None:
        """Says how long to wait for a slot this time; None: as long as any new question."""
        if self._num_migrations == 0:
            return None
        return _doubled(_FIRST_SLOT_WAIT_S, num_waits, self._settings.resume_s)

    def add(self, chunk: GenerationChunk) -> bool:
        """Takes the next chunk; says no to a late one of a replica that was given up.

        Raises:
            ReplicaLostError: it does not go on where the last one ended.
            ModelChangedError: another model wrote it.
        """
        if chunk.attempt < self._num_migrations:
            return False
        if self.identity not in {None, chunk.identity}:
            msg = f"the answer is of model {self.identity}, but a chunk of {chunk.identity} came"
            raise ModelChangedError(msg)
        self.identity = chunk.identity
        self._replica = chunk.replica or self._replica
        if chunk.position != self.position:
            msg = f"the next token has position {self.position}, but {chunk.position} came"
            raise ReplicaLostError(msg)
        self._is_taken = True
        self._num_refusals = 0
        self._waits_until = float("inf")
        self._token_ids += chunk.token_ids
        self._num_chars += len(chunk.text)
        return True

    def told(self, chunk: GenerationChunk) -> GenerationChunk:
        """Gives a chunk; one by which a replica takes over says why the last one did not go on."""
        return replace(chunk, moved_by=self._moved_by) if chunk.replica else chunk

    def lose(self, err: Exception) -> None:
        """Takes note of a loss; the answer moves when a replica was at work.

        Raises the loss itself when the answer is not to go on.
        """
        if not self._is_taken:
            self._check_wait(err)
            return
        if self._num_migrations == self._settings.max_migrations:
            raise err
        self._num_migrations += 1
        # A machine that goes away and a full engine are no request's fault.
        if not isinstance(err, EngineDrainingError | EngineBusyError):
            self._blame(err)
        self._moved_by = code_of(err)
        logger.warning(
            "migrating request_id=%s position=%d model=%s reason=%s",
            self._request.request_id, self.position, self.identity, err,
        )  # fmt: skip

    def _blame(self, err: Exception) -> None:
        """Counts the replicas that were lost at this position; the same one counts once."""
        if self._lost_at != self.position:
            self._lost_at, self._lost_there = self.position, {self._replica}
        elif not self._replica or self._replica not in self._lost_there:
            msg = f"two replicas were lost at token {self.position} of this answer"
            raise PoisonRequestError(msg) from err

    def _check_wait(self, err: Exception) -> None:
        """Only an answer that has begun waits for room, and not for ever.

        A question whose replica was lost before it took it has not been asked: it is sent again.
        """
        now = time.monotonic()
        was_lost = isinstance(err, ReplicaLostError | EngineStoppedError | ModelChangedError)
        if self._num_migrations == 0 and not was_lost:
            raise err
        if time_left_s() <= 0:
            raise DeadlineError("the deadline passed while the answer waited") from err
        if self._waits_until == float("inf"):
            self._waits_until = now + self._settings.resume_s
        self._num_refusals += isinstance(err, ModelChangedError)
        if now > self._waits_until or self._num_refusals >= _MAX_REFUSALS:
            raise err


async def _pause(attempt: int) -> None:
    """Waits a little longer each time, so that those who lost the same replica spread out."""
    longest_s = _doubled(_FIRST_WAIT_S, attempt, _LONGEST_WAIT_S)
    await asyncio.sleep(random.uniform(longest_s / 2, longest_s))  # spread, no secret


def _doubled(first_s: float, times: int, longest_s: float) -> float:
    return min(first_s * 2.0 ** min(times, 30), longest_s)
