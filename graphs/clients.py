"""Typed clients over Ray Serve's handles: the one place where `Any` and Ray's errors stop.

Errors of models and index come out as themselves; a full queue is an `OverloadedError`, a dead,
missing or silent replica a `StageUnavailableError`.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Literal

from ray.exceptions import RayActorError, RayTaskError, TaskCancelledError
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle

from deployments.ingester import CATALOG_METHODS
from deployments.settings import ReplicaDescription
from graphs.errors import OverloadedError, StageUnavailableError
from index.search import Hit, SearchRequest
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
    if isinstance(err, TimeoutError):
        return StageUnavailableError(f"{stage} did not answer in time")
    if isinstance(err, RayActorError | RayServeException | TaskCancelledError):
        return StageUnavailableError(f"{stage} is not available")
    return err


class DeploymentClient:
    """Calls the methods of one deployment."""

    def __init__(self, handle: DeploymentHandle, *, stage: str, timeout_s: float) -> None:
        self._handle = handle
        self._stage = stage
        self._timeout_s = timeout_s

    async def describe(self, timeout_s: float) -> ReplicaDescription:
        """Asks one replica which model it has loaded."""
        description: ReplicaDescription = await self._call("describe", timeout_s=timeout_s)
        return description

    async def _call(
        self, method: str, *args: Any, timeout_s: float | None = None, **kwargs: Any
    ) -> Any:
        remote: Callable[..., Any] = getattr(self._handle, method).remote
        try:
            async with asyncio.timeout(timeout_s or self._timeout_s):
                return await remote(*args, **kwargs)
        except (RayTaskError, RayActorError, RayServeException, TimeoutError) as err:
            translated = _translate(self._stage, err)
            raise translated from (None if translated is err else err)


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
        embeddings: Embeddings = await self._call("embed", list(texts), kind, dimensions)
        return embeddings


class RerankerClient(DeploymentClient):
    """See `deployments.reranker.Reranker`."""

    async def rerank(self, query: str, documents: Sequence[str]) -> RerankScores:
        """Scores every document against the query, in the same order."""
        scores: RerankScores = await self._call("rerank", query, list(documents))
        return scores


class SafetyClient(DeploymentClient):
    """See `deployments.safety_filter.SafetyFilter`."""

    async def classify(self, texts: Sequence[str]) -> tuple[Verdict, ...]:
        """Judges every text, in the same order."""
        verdicts: tuple[Verdict, ...] = await self._call("classify", list(texts))
        return verdicts


class RetrieverClient(DeploymentClient):
    """See `deployments.retriever.Retriever`."""

    async def search(self, request: SearchRequest) -> tuple[Hit, ...]:
        """Finds passages, best first."""
        hits: tuple[Hit, ...] = await self._call("search", request)
        return hits


class GeneratorClient(DeploymentClient):
    """See `deployments.generator.Generator`."""

    def __init__(
        self, handle: DeploymentHandle, *, timeout_s: float, first_s: float, next_s: float
    ) -> None:
        super().__init__(handle, stage="Generator", timeout_s=timeout_s)
        self._first_s = first_s
        self._next_s = next_s

    async def count_tokens(self, texts: Sequence[str]) -> TokenCounts:
        """Counts the tokens of every text, in the same order."""
        counts: TokenCounts = await self._call("count_tokens", list(texts))
        return counts

    async def stream(self, request: GenerationRequest) -> AsyncGenerator[GenerationChunk, None]:
        """Streams an answer; closing the iterator frees the slot."""
        response: Any = self._handle.options(stream=True).stream.remote(request)
        wait_s = self._first_s
        try:
            while True:
                try:
                    async with asyncio.timeout(wait_s):
                        chunk: GenerationChunk = await anext(response)
                except StopAsyncIteration:
                    return
                wait_s = self._next_s
                yield chunk
        except (RayTaskError, RayActorError, RayServeException, TimeoutError) as err:
            translated = _translate(self._stage, err)
            raise translated from (None if translated is err else err)
        finally:
            response.cancel()


class CorpusClient(DeploymentClient):
    """The catalog of the corpus by deployment: each of its public methods, awaited.

    The names, arguments, records and errors are those of `index.catalog.Catalog`.
    """

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        if name not in CATALOG_METHODS:
            raise AttributeError(name)
        return partial(self._call, "catalog", name)
