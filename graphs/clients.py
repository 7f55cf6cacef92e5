"""Typed clients over Ray Serve's handles: the one place where `Any` and Ray's errors stop.

Errors of models and index come out as themselves; a full queue, or one in which a question waited
too long, is an `OverloadedError`, a replica that died or fell silent over a request a
`ReplicaLostError`, no replica a `StageUnavailableError`.
Pure calls that were lost are made again; see `graphs.failover`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Literal

from ray.exceptions import (
    ActorDiedError,
    ObjectLostError,
    RayActorError,
    RayError,
    RayTaskError,
    TaskCancelledError,
)
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle

from deployments.ingester import CATALOG_METHODS
from deployments.replica import ReplicaDescription
from graphs.config import TimeoutSettings
from graphs.deadline import allowed_s, time_left_s
from graphs.errors import (
    DeadlineError,
    OverloadedError,
    ReplicaDiedError,
    ReplicaLostError,
    StageUnavailableError,
)
from graphs.failover import Retries
from index.searching.ranking import Found
from index.searching.request import Hit, SearchRequest
from models.embedder import Embeddings
from models.generation import GenerationChunk, GenerationRequest, TokenCounts
from models.reranker import RerankScores
from models.safety import Verdict


def _translate(stage: str, err: Exception) -> Exception:
    """Gives the error that the graph understands for one that a handle raised."""
    if isinstance(err, RayTaskError):
        cause: Exception = err.cause if isinstance(err.cause, Exception) else err
        return _translate(stage, cause) if cause is not err else err
    if isinstance(err, BackPressureError):
        return OverloadedError(f"the queue of {stage} is full")
    if isinstance(err, ActorDiedError):
        return ReplicaDiedError(f"the replica of {stage} died")
    # A result that lay on a node is lost with it, as a call that still ran there.
    if isinstance(err, RayActorError | ObjectLostError | TaskCancelledError):
        return ReplicaLostError(f"the replica of {stage} was lost")
    if isinstance(err, RayServeException):
        return StageUnavailableError(f"{stage} is not available")
    return err


def _too_late(stage: str, err: TimeoutError) -> Exception:
    """Tells whose time has passed: the client's, or the one that the stage has."""
    if isinstance(err, DeadlineError):
        return err
    if time_left_s() <= 0:
        return DeadlineError(f"the deadline of the request passed in {stage}")
    return StageUnavailableError(f"{stage} did not answer in time")


class DeploymentClient:
    """Calls the methods of one deployment."""

    def __init__(
        self, handle: DeploymentHandle, *, stage: str, timeout_s: float, retries: Retries
    ) -> None:
        self._handle = handle
        self._stage = stage
        self._timeout_s = timeout_s
        self._retries = retries

    async def describe(self, timeout_s: float) -> ReplicaDescription:
        """Asks one replica which model it has loaded."""
        description: ReplicaDescription = await self._call("describe", timeout_s=timeout_s)
        return description

    async def _call(
        self, method: str, *args: Any, timeout_s: float | None = None, **kwargs: Any
    ) -> Any:
        remote: Callable[..., Any] = getattr(self._handle, method).remote
        try:
            async with asyncio.timeout(allowed_s(timeout_s or self._timeout_s)):
                return await remote(*args, **kwargs)
        except TimeoutError as err:
            raise _too_late(self._stage, err) from None
        except (RayError, RayServeException) as err:
            translated = _translate(self._stage, err)
            raise translated from (None if translated is err else err)

    async def _call_pure(self, method: str, *args: Any) -> Any:
        """Calls what may be called twice: again when the replica was lost."""
        return await self._retries.run(self._stage, partial(self._call, method, *args))


class EmbedderClient(DeploymentClient):
    """See `deployments.embedder.Embedder`."""

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: Literal["query", "document"] = "document",
        dimensions: int | None = None,
    ) -> Embeddings:
        """Embeds texts: one unit vector a text, in the same order."""
        embeddings: Embeddings = await self._call_pure("embed", list(texts), kind, dimensions)
        return embeddings


class RerankerClient(DeploymentClient):
    """See `deployments.reranker.Reranker`."""

    async def rerank(self, query: str, documents: Sequence[str]) -> RerankScores:
        """Scores every document against the query, in the same order."""
        scores: RerankScores = await self._call_pure("rerank", query, list(documents))
        return scores


class SafetyClient(DeploymentClient):
    """See `deployments.safety_filter.SafetyFilter`."""

    async def classify(self, texts: Sequence[str]) -> tuple[Verdict, ...]:
        """Judges every text, in the same order."""
        verdicts: tuple[Verdict, ...] = await self._call_pure("classify", list(texts))
        return verdicts


class RetrieverClient(DeploymentClient):
    """See `deployments.retriever.Retriever`."""

    async def search(self, request: SearchRequest) -> tuple[Hit, ...]:
        """Finds passages, best first."""
        hits: tuple[Hit, ...] = await self._call_pure("search", request)
        return hits

    async def find(self, request: SearchRequest) -> Found:
        """Finds passages of one shard: ids and scores."""
        found: Found = await self._call_pure("find", request)
        return found

    async def read(self, found: Sequence[Found], request: SearchRequest) -> tuple[Hit, ...]:
        """Gives the hits of what all shards found, best first."""
        hits: tuple[Hit, ...] = await self._call_pure("read", found, request)
        return hits


class GeneratorClient(DeploymentClient):
    """See `deployments.generator.Generator`; `graphs.failover` makes its streams survive losses."""

    def __init__(
        self, handle: DeploymentHandle, *, timeouts: TimeoutSettings, retries: Retries
    ) -> None:
        super().__init__(handle, stage="Generator", timeout_s=timeouts.model_s, retries=retries)
        self._timeouts = timeouts

    async def count_tokens(self, texts: Sequence[str]) -> TokenCounts:
        """Counts the tokens of every text, in the same order."""
        counts: TokenCounts = await self._call_pure("count_tokens", list(texts))
        return counts

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
        response: Any = self._handle.options(stream=True).stream.remote(request)
        limits_s = self._limits_s(self._timeouts.slot_s if slot_s is None else slot_s)
        taken = False
        try:
            while True:
                try:
                    async with asyncio.timeout(allowed_s(next(limits_s))):
                        chunk: GenerationChunk = await anext(response)
                except StopAsyncIteration:
                    return
                taken = True
                yield chunk
        except TimeoutError as err:
            late = _too_late(self._stage, err)
            if isinstance(late, DeadlineError):
                raise late from None
            if taken:
                msg = "the replica of Generator fell silent"
                raise ReplicaLostError(msg) from None
            msg = "no replica of Generator had a slot in time"
            raise OverloadedError(msg) from None
        except (RayError, RayServeException) as err:
            translated = _translate(self._stage, err)
            raise translated from (None if translated is err else err)
        finally:
            # `cancel` raises what the call itself raised, and would put it in place of ours.
            with suppress(RayError, RayServeException):
                response.cancel()

    def _limits_s(self, slot_s: float) -> Iterator[float]:
        """Gives how long each chunk may take; the first says that a replica took the request."""
        yield slot_s
        yield self._timeouts.first_token_s
        while True:
            yield self._timeouts.next_token_s


class CorpusClient(DeploymentClient):
    """The catalog of the corpus by deployment: each of its public methods, awaited.

    The names, arguments, records and errors are those of `index.catalog.catalog.Catalog`.
    """

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        if name not in CATALOG_METHODS:
            raise AttributeError(name)
        return partial(self._call, "catalog", name)
