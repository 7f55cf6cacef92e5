"""The Ingester deployment."""

import asyncio
import logging
import os
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ray import serve
from ray.exceptions import ObjectLostError, RayActorError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from deployments.replica import ReplicaDescription, describe_replica
from deployments.shared_database import refuse_unshared_database
from deployments.user_config import parse_config
from index.catalog.catalog import Catalog
from index.chunk import cut_file
from index.errors import (
    CorpusError,
    CorpusUnavailableError,
    FingerprintMismatchError,
    InvalidFileError,
    LostLeaseError,
    SandboxError,
    UnknownFileError,
    UnknownStoreError,
    UnsupportedFileError,
)
from index.parsing.parse import check_size
from index.parsing.parse_limits import ParseLimits
from index.parsing.sandbox import Sandbox
from index.records import ChunkDraft, Chunking, IngestErrorCode, Job, Vectors
from index.reuse import plan_embedding
from models.tokens import TokenSpans

logger = logging.getLogger(__name__)

# What the graph may call of the catalog; jobs and the change log stay inside the cluster.
CATALOG_METHODS = frozenset(
    {
        "create_file", "get_file", "list_files", "file_content", "delete_file",
        "create_store", "get_store", "find_store", "list_stores", "update_store", "delete_store",
        "attach_file", "get_store_file", "list_store_files", "update_attributes", "detach_file",
        "store_file_text",
        "create_file_batch", "get_file_batch", "list_batch_files", "cancel_file_batch",
    }
)  # fmt: skip
_LEASE_S = 30.0
_IDLE_S = 0.25
_EMBED_BATCH = 64
# No fault of the document: its job is left to the lease and claimed again after that.
_PASSING = (
    CorpusUnavailableError, SandboxError, RayActorError, RayServeException, ObjectLostError
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class IngesterConfig:
    """How documents are cut when neither file nor store says so.

    Attributes:
        max_chunk_tokens: most tokens of the embedder in a passage.
        chunk_overlap_tokens: tokens that neighbouring passages share.
        parse_limits: what reading one file may cost.
    """

    max_chunk_tokens: int = 400
    chunk_overlap_tokens: int = 80
    parse_limits: ParseLimits = field(default_factory=ParseLimits)

    def __post_init__(self) -> None:
        """Checks the ranges."""
        self.chunking()

    def chunking(self) -> Chunking:
        """The default chunking."""
        return Chunking(
            max_chunk_tokens=self.max_chunk_tokens,
            chunk_overlap_tokens=self.chunk_overlap_tokens,
        )


@serve.deployment
class Ingester:
    """Owns the writes to the corpus and turns files into passages.

    Duties: answer the catalog's calls; work off the leased jobs (parse, chunk, embed, commit) in
    the background, giving up a job whose lease was lost; keep blocking work off the event loop.
    """

    def __init__(self, database_url: str, embedder: DeploymentHandle) -> None:
        refuse_unshared_database(database_url)
        self._catalog = Catalog(database_url)
        self._embedder = embedder
        self._name = f"ingester-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._config = IngesterConfig()
        self._sandbox = Sandbox()
        self._spans: tuple[str, TokenSpans] | None = None
        self._worker: asyncio.Task[None] | None = None
        self._work = asyncio.Event()

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Takes over the settings and starts the worker."""
        self._config = parse_config(IngesterConfig, user_config)
        if self._worker is None:
            self._worker = asyncio.create_task(self._work_off())

    async def catalog(self, method: str, *args: Any, **kwargs: Any) -> Any:
        """Calls a public method of the catalog; what it returned from is durable."""
        if method not in CATALOG_METHODS:
            msg = f"no such catalog method: {method!r}"
            raise AttributeError(msg)
        result = await asyncio.to_thread(getattr(self._catalog, method), *args, **kwargs)
        self._work.set()
        return result

    async def describe(self) -> ReplicaDescription:
        """Tells where the corpus is written."""
        return describe_replica("corpus")

    async def check_health(self) -> None:
        """Raises when the worker has died; a lost database is not mended by a new replica."""
        with suppress(CorpusUnavailableError):
            await asyncio.to_thread(self._catalog.head)
        if self._worker is not None and self._worker.done():
            self._worker.result()

    async def _work_off(self) -> None:
        """Works off jobs for ever; sleeps when there is none."""
        while True:
            job = await self._claim()
            if job is not None:
                await self._ingest(job)
                continue
            self._work.clear()
            # A job of another replica may run out of its lease without a call to this one.
            try:
                await asyncio.wait_for(self._work.wait(), timeout=_IDLE_S)
            except TimeoutError:
                continue

    async def _claim(self) -> Job | None:
        try:
            return await asyncio.to_thread(self._catalog.claim_job, self._name, _LEASE_S)
        except CorpusUnavailableError as err:
            logger.warning("no jobs to be had: %s", err)
            return None

    async def _ingest(self, job: Job) -> None:
        """Does one job, whatever becomes of it; a lost lease means that another does it."""
        keep_alive = asyncio.create_task(self._keep_lease(job))
        try:
            num_passages = await self._commit_passages(job)
            logger.info("ingested file_id=%s num_passages=%d", job.file_id, num_passages)
        except (LostLeaseError, UnknownFileError, UnknownStoreError):
            logger.info("job dropped, taken over or file deleted, file_id=%s", job.file_id)
        except (UnsupportedFileError, InvalidFileError) as err:
            await self._fail(job, "invalid_file", err)
        except _PASSING as err:
            logger.warning("job left to its lease, file_id=%s: %s", job.file_id, err)
        except Exception as err:
            # The job's own failure must not end the worker, on which all other files wait.
            logger.exception("ingestion failed file_id=%s", job.file_id)
            await self._fail(job, "server_error", err)
        finally:
            keep_alive.cancel()

    async def _commit_passages(self, job: Job) -> int:
        record = await asyncio.to_thread(self._catalog.get_file, job.file_id)
        check_size(record.filename, record.num_bytes, self._config.parse_limits)
        data = await asyncio.to_thread(self._catalog.file_content, job.file_id)
        while True:
            wanted = await asyncio.to_thread(self._catalog.embedder_of, job.store_id)
            spans = await self._token_spans(wanted)
            drafts = await asyncio.to_thread(self._cut, job, data, spans)
            vectors, fingerprint = await self._embed(drafts, wanted)
            try:
                complete_job = partial(self._catalog.complete_job, job, drafts, vectors)
                await asyncio.to_thread(complete_job, fingerprint)
            except FingerprintMismatchError:
                if await asyncio.to_thread(self._catalog.embedder_of, job.store_id) == wanted:
                    raise
            else:
                return len(drafts)
            # The store has got another embedder meanwhile.

    async def _embed(self, drafts: Sequence[ChunkDraft], wanted: str | None) -> tuple[Vectors, str]:
        """Gives the vectors of the passages and their fingerprint; embeds what is new alone."""
        fingerprint: str = await self._embedder.fingerprint.remote(wanted)
        while True:
            find_known = partial(self._catalog.known_vectors, fingerprint)
            plan = await asyncio.to_thread(plan_embedding, drafts, find_known)
            parts = [
                await self._embedder.embed.remote(
                    plan.texts[start : start + _EMBED_BATCH], "document", None, fingerprint
                )
                for start in range(0, len(plan.texts), _EMBED_BATCH)
            ]
            others = {part.fingerprint for part in parts} - {fingerprint}
            if not others:
                return plan.vectors([row for part in parts for row in part.vectors]), fingerprint
            fingerprint = others.pop()  # the model was swapped meanwhile

    def _cut(self, job: Job, data: bytes, spans: TokenSpans) -> tuple[ChunkDraft, ...]:
        chunking = job.chunking or self._config.chunking()
        document = self._sandbox.parse(job.filename, data, self._config.parse_limits)
        return cut_file(job.filename, document, chunking, spans)

    async def _token_spans(self, wanted: str | None) -> TokenSpans:
        """Gives the embedder's tokenizer; asked for anew when a job starts, kept while the same."""
        tokenizer_json: str = await self._embedder.tokenizer_json.remote(wanted)
        if self._spans is None or self._spans[0] != tokenizer_json:
            self._spans = (tokenizer_json, TokenSpans(tokenizer_json))
        return self._spans[1]

    async def _keep_lease(self, job: Job) -> None:
        while True:
            await asyncio.sleep(_LEASE_S / 3)
            with suppress(CorpusUnavailableError):
                if not await asyncio.to_thread(self._catalog.renew_job, job, _LEASE_S):
                    return

    async def _fail(self, job: Job, code: IngestErrorCode, err: Exception) -> None:
        code = "unsupported_file" if isinstance(err, UnsupportedFileError) else code
        message = str(err) if isinstance(err, CorpusError) else "internal error, see the logs"
        try:
            await asyncio.to_thread(self._catalog.fail_job, job, code, message)
        except (LostLeaseError, CorpusUnavailableError):
            logger.info("lease lost file_id=%s", job.file_id)
