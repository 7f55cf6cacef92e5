"""Typed clients over Ray Serve's handles: the one place where `Any` and Ray's errors stop.

Errors of models and index come out as themselves; a full queue, or one in which a question waited
too long, is an `OverloadedError`, a replica that died or fell silent over a request a
`ReplicaLostError`, no replica a `StageUnavailableError`.
Pure calls that were lost are made again; see `graphs.failover`.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

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

from deployments.replica import ReplicaDescription
from graphs.accounts.weight import weight
from graphs.deadline import allowed_s, time_left_s
from graphs.errors import (
    DeadlineError,
    GraphError,
    OverloadedError,
    ReplicaDiedError,
    ReplicaLostError,
    StageUnavailableError,
)
from graphs.failover import Retries
from index.searching.ranking import ShardScores
from index.searching.request import Hit, SearchRequest
from models.embedder import Embeddings, TextKind
from models.errors import ModelBusyError
from models.reranker import RerankScores
from models.safety import Verdict


def translated(stage: str, err: Exception) -> Exception:
    """Gives the error that the graph understands for one that a handle raised."""
    if isinstance(err, RayTaskError):
        cause: Exception = err.cause if isinstance(err.cause, Exception) else err
        return translated(stage, cause) if cause is not err else err
    if isinstance(err, BackPressureError | ModelBusyError):
        why = f": {err}" if isinstance(err, ModelBusyError) else ""
        return OverloadedError(f"the queue of {stage} is full{why}")
    if isinstance(err, ActorDiedError):
        return ReplicaDiedError(f"the replica of {stage} died")
    # A result that lay on a node is lost with it, as a call that still ran there.
    if isinstance(err, RayActorError | ObjectLostError | TaskCancelledError):
        return ReplicaLostError(f"the replica of {stage} was lost")
    if isinstance(err, RayServeException):
        return StageUnavailableError(f"{stage} is not available")
    return err


def too_late(stage: str, err: TimeoutError) -> Exception:
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

    async def answers(self, timeout_s: float) -> bool:
        """Says whether a replica answers in time."""
        try:
            await self.describe(timeout_s)
        except GraphError:
            return False
        return True

    async def describe(self, timeout_s: float) -> ReplicaDescription:
        """Asks a replica what it is; a generator answers when it has a slot.

        Raises:
            GraphError: none answers in time.
        """
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
            raise too_late(self._stage, err) from None
        except (RayError, RayServeException) as err:
            ours = translated(self._stage, err)
            raise ours from (None if ours is err else err)

    async def _call_pure(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Calls what may be called twice: again when the replica was lost."""
        return await self._retries.run(self._stage, partial(self._call, method, *args, **kwargs))


class EmbedderClient(DeploymentClient):
    """See `deployments.embedder.Embedder`."""

    async def embed(
        self,
        texts: Sequence[str],
        *,
        kind: TextKind = "document",
        dimensions: int | None = None,
    ) -> Embeddings:
        """Embeds texts: one unit vector a text, in the same order."""
        embeddings: Embeddings = await self._call_pure(
            "embed", list(texts), kind, dimensions, weight=weight()
        )
        return embeddings


class RerankerClient(DeploymentClient):
    """See `deployments.reranker.Reranker`."""

    async def rerank(self, query: str, documents: Sequence[str]) -> RerankScores:
        """Scores every document against the query, in the same order."""
        scores: RerankScores = await self._call_pure(
            "rerank", query, list(documents), weight=weight()
        )
        return scores


class JudgeClient(DeploymentClient):
    """See `deployments.reranker.Reranker.judge`."""

    async def rerank(self, query: str, documents: Sequence[str]) -> RerankScores:
        """Scores how likely each sentence answers the query, in the same order."""
        scores: RerankScores = await self._call_pure(
            "judge", query, list(documents), weight=weight()
        )
        return scores


class SafetyClient(DeploymentClient):
    """See `deployments.safety_filter.SafetyFilter`."""

    async def classify(self, texts: Sequence[str]) -> tuple[Verdict, ...]:
        """Judges every text, in the same order."""
        verdicts: tuple[Verdict, ...] = await self._call_pure(
            "classify", list(texts), weight=weight()
        )
        return verdicts


class RetrieverClient(DeploymentClient):
    """See `deployments.retriever.Retriever`."""

    async def search(self, request: SearchRequest) -> tuple[Hit, ...]:
        """Finds passages, best first."""
        hits: tuple[Hit, ...] = await self._call_pure("search", request)
        return hits

    async def find(self, request: SearchRequest) -> ShardScores:
        """Finds passages of one shard: ids and scores."""
        found: ShardScores = await self._call_pure("find", request)
        return found

    async def read(self, found: Sequence[ShardScores], request: SearchRequest) -> tuple[Hit, ...]:
        """Gives the hits of what all shards found, best first."""
        hits: tuple[Hit, ...] = await self._call_pure("read", found, request)
        return hits
