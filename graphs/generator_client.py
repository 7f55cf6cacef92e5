"""The client of the Generator: streams of one replica, and what counts tokens as it does.

`graphs.failover` makes the streams survive losses.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from contextvars import Context
from functools import partial
from math import inf
from typing import Any

from opentelemetry import trace as otel
from opentelemetry.trace import Span, StatusCode
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from graphs.clients import DeploymentClient, too_late, translated
from graphs.config import TimeoutSettings
from graphs.deadline import allowed_s, time_left_s
from graphs.errors import DeadlineError, GraphError, OverloadedError, ReplicaLostError
from graphs.failover import Retries
from graphs.pipeline.trace import code_of
from graphs.replicas import has_running
from models.errors import ModelError
from models.generation import GenerationChunk, GenerationRequest, GeneratorProfile
from models.token_counter import TokenCounter

logger = logging.getLogger(__name__)

_tracer = otel.get_tracer("ragfleet")

_RETRY_S = 1.0
_PATIENCE_S = 10.0  # between two questions for the profile of an unknown model
_MAX_KNOWN = 4  # models of a fleet that is being swapped


class TokenCounters:
    """Counts as the generator does, without asking it for every prompt.

    A call to a generator waits for one of its slots, so its profile is asked for once, and anew
    when a stream shows that another model is served. Until that answer the old counts are used.
    It outlives the settings of the Gateway, which say nothing of the generator's model.
    """

    def __init__(self) -> None:
        self.ask: Callable[[], Awaitable[GeneratorProfile]] | None = None
        self._by_digest: dict[str, TokenCounter] = {}
        self._current: TokenCounter | None = None
        self._asking: asyncio.Task[TokenCounter] | None = None
        self._asked_at = float("-inf")

    @property
    def are_known(self) -> bool:
        """Whether tokens can be counted, also while no generator runs."""
        return self._current is not None

    async def current(self) -> TokenCounter:
        """Gives the counter of the model that was seen last; all who wait share one question."""
        if self._current is None:
            return await asyncio.shield(self._asked())
        return self._current

    async def warm(self) -> None:
        """Learns the model before the first question comes, as soon as a generator answers."""
        while self._current is None:
            try:
                await self.current()
            except (GraphError, ModelError):
                await asyncio.sleep(_RETRY_S)

    def note(self, digest: str) -> None:
        """Takes note of the model that a stream comes from."""
        if digest in self._by_digest:
            self._current = self._by_digest[digest]
        # A model that retires answers streams, but no replica gives its profile any more.
        elif digest and time.monotonic() - self._asked_at > _PATIENCE_S:
            self._asked()

    def _asked(self) -> asyncio.Task[TokenCounter]:
        if self._asking is None or self._asking.done():
            self._asked_at = time.monotonic()
            # Of nobody's deadline: a context of its own.
            self._asking = asyncio.create_task(self._learn(), context=Context())
            self._asking.add_done_callback(_log_failure)
        return self._asking

    async def _learn(self) -> TokenCounter:
        assert self.ask is not None
        profile = await self.ask()
        counter = await asyncio.to_thread(TokenCounter, profile)  # some megabytes of JSON
        new = dict.fromkeys((profile.identity.digest, *profile.adapters), counter)
        old = [one for one in self._by_digest.items() if one[0] not in new]
        self._by_digest = dict(old[1 - _MAX_KNOWN :]) | new
        self._current = counter
        return counter


def _log_failure(task: "asyncio.Task[TokenCounter]") -> None:
    if not task.cancelled() and isinstance(task.exception(), GraphError | ModelError):
        logger.warning("how the generator counts is not known yet: %s", task.exception())


@contextmanager
def _attempt_span(request: GenerationRequest) -> Iterator[Span]:
    """A span of one attempt at an answer, below the stage that asks; the call is made within it."""
    span = _tracer.start_span("generate.attempt")
    span.set_attribute("ragfleet.attempt", request.attempt)
    span.set_attribute("ragfleet.position", len(request.delivered_token_ids))
    try:
        yield span
    except Exception as err:
        span.set_status(StatusCode.ERROR, code_of(err))
        raise
    finally:
        span.end()


class GeneratorClient(DeploymentClient):
    """See `deployments.generator.Generator`; `graphs.failover` makes its streams survive losses."""

    def __init__(
        self,
        handle: DeploymentHandle,
        *,
        timeouts: TimeoutSettings,
        retries: Retries,
        counters: TokenCounters,
    ) -> None:
        super().__init__(handle, stage="Generator", timeout_s=timeouts.model_s, retries=retries)
        self._timeouts = timeouts
        self._counters = counters
        counters.ask = self._profile

    async def tokens(self) -> TokenCounter:
        """Gives what counts tokens as the model that is served; see `TokenCounters`.

        Raises:
            OverloadedError: it is not known before the deadline, since the model was scaled to
                zero and starts.
        """
        left_s = time_left_s()
        try:
            async with asyncio.timeout(left_s if left_s < inf else None):
                return await self._counters.current()
        except TimeoutError as err:
            raise self._silence(err, taken=False) from None

    async def _profile(self) -> GeneratorProfile:
        ask = partial(self._call, "profile", timeout_s=self._model_s())
        profile: GeneratorProfile = await self._retries.run(self._stage, ask)
        return profile

    async def stream(
        self, request: GenerationRequest, *, slot_s: float | None = None
    ) -> AsyncGenerator[GenerationChunk, None]:
        """Streams an answer; closing the iterator frees the slot.

        Args:
            request: what to answer.
            slot_s: how long a replica may take to accept it; by default that of the settings.

        Raises:
            ReplicaLostError: the replica died, or fell silent after it had taken the request.
            OverloadedError: the queue is full, or no replica had a slot in time.
        """
        with _attempt_span(request) as span:
            async with aclosing(self._attempt(request, slot_s, span)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def _attempt(
        self, request: GenerationRequest, slot_s: float | None, span: Span
    ) -> AsyncGenerator[GenerationChunk, None]:
        # No longer than the call itself: what is yielded goes to somebody else.
        with otel.use_span(span):
            # An answer that moves goes to any replica: that of its chat may be the one it lost.
            chat = "" if request.attempt else request.chat
            handle = self._handle.options(stream=True, session_id=chat)
            response: Any = handle.stream.remote(request)
        limits_s = self._limits_s(self._slot_s() if slot_s is None else slot_s)
        taken = False
        try:
            while True:
                try:
                    async with asyncio.timeout(allowed_s(next(limits_s))):
                        chunk: GenerationChunk = await anext(response)
                except StopAsyncIteration:
                    return
                taken = True
                self._counters.note(chunk.identity)
                yield chunk
        except TimeoutError as err:
            raise self._silence(err, taken=taken) from None
        except (RayError, RayServeException) as err:
            ours = translated(self._stage, err)
            raise ours from (None if ours is err else err)
        finally:
            # `cancel` raises what the call itself raised, and would put it in place of ours.
            with suppress(RayError, RayServeException):
                response.cancel()

    def _slot_s(self) -> float:
        """How long a new question waits: longer for a model that was scaled to zero and loads."""
        return self._woken_s(self._timeouts.slot_s)

    def _model_s(self) -> float:
        """How long a question for the model waits, likewise."""
        return self._woken_s(self._timeout_s)

    def _woken_s(self, usual_s: float) -> float:
        return max(usual_s, self._timeouts.wake_s or 0.0) if self._wakes() else usual_s

    def _wakes(self) -> bool:
        return self._timeouts.wake_s is not None and not has_running(self._handle)

    def _silence(self, err: TimeoutError, *, taken: bool) -> Exception:
        """Tells what it means that nothing came in time."""
        if not taken and self._wakes():
            msg = "no replica of Generator runs yet: it was scaled to zero and starts"
            return OverloadedError(msg)
        late = too_late(self._stage, err)
        if isinstance(late, DeadlineError):
            return late
        if taken:
            return ReplicaLostError("the replica of Generator fell silent")
        return OverloadedError("no replica of Generator had a slot in time")

    def _limits_s(self, slot_s: float) -> Iterator[float]:
        """Gives how long each chunk may take; the first says that a replica took the request."""
        yield slot_s
        yield self._timeouts.first_token_s
        while True:
            yield self._timeouts.next_token_s
