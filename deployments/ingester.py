"""The Ingester deployment."""

import asyncio
import logging
import os
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ray import serve
from ray.serve.handle import DeploymentHandle

from deployments.embeds import RemoteEmbeds
from deployments.observing.corpus import watch_ingestion
from deployments.observing.logs import join_serve_logs
from deployments.observing.metrics import Meter
from deployments.replica import ReplicaDescription, describe_replica
from deployments.shared_database import refuse_unshared_database
from deployments.user_config import parse_config
from index.access import Viewer
from index.catalog.catalog import Catalog, ClientCatalog
from index.catalog.database import Database
from index.chunk import Cutting
from index.errors import CorpusUnavailableError
from index.ingestion import Ingestion
from index.parsing.parse_limits import ParseLimits
from index.records import Chunking

logger = logging.getLogger(__name__)

CLIENT_METHODS = frozenset(
    name for name in dir(ClientCatalog) if not name.startswith("_") and not hasattr(Database, name)
)


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
        self.cutting()

    def cutting(self) -> Cutting:
        """How documents are read and cut."""
        return Cutting(
            chunking=Chunking(
                max_chunk_tokens=self.max_chunk_tokens,
                chunk_overlap_tokens=self.chunk_overlap_tokens,
            ),
            limits=self.parse_limits,
        )


@serve.deployment
class Ingester:
    """Owns the writes to the corpus and turns files into passages.

    Duties: answer the catalog's calls of clients, off the event loop; run the worker of
    `index.ingestion` and lend it the Embedder; be unhealthy when the worker has ended.
    """

    def __init__(self, database_url: str, embedder: DeploymentHandle) -> None:
        refuse_unshared_database(database_url)
        join_serve_logs()
        self._catalog = Catalog(database_url)
        self._embedder = embedder
        self._name = f"ingester-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._ingestion: Ingestion | None = None
        self._watching: asyncio.Task[None] | None = None

    async def reconfigure(self, user_config: Mapping[str, Any]) -> None:
        """Takes over the settings and starts the worker."""
        cutting = parse_config(IngesterConfig, user_config).cutting()
        if self._ingestion is None:
            embeds = RemoteEmbeds(self._embedder, asyncio.get_running_loop())
            self._ingestion = Ingestion(self._catalog, embeds, name=self._name, cutting=cutting)
            self._ingestion.start()
        self._ingestion.cutting = cutting
        if self._watching is None:
            self._watching = asyncio.create_task(watch_ingestion(self._catalog, Meter()))

    async def catalog(self, viewer: Viewer, method: str, *args: Any, **kwargs: Any) -> Any:
        """Calls a method of `ClientCatalog` for a viewer; what it returned from is durable."""
        if method not in CLIENT_METHODS:
            msg = f"no method of the catalog for clients: {method!r}"
            raise AttributeError(msg)
        seen = self._catalog.seen_by(viewer)
        logger.debug("%s tenant=%s key_id=%s", method, viewer.tenant, viewer.key_id)
        result = await asyncio.to_thread(getattr(seen, method), *args, **kwargs)
        if self._ingestion is not None:
            self._ingestion.wake()
        return result

    async def describe(self) -> ReplicaDescription:
        """Tells where the corpus is written."""
        return describe_replica("corpus")

    async def check_health(self) -> None:
        """Raises when the worker has ended; a lost database is not mended by a new replica."""
        with suppress(CorpusUnavailableError):
            await asyncio.to_thread(self._catalog.head)
        if self._ingestion is not None:
            self._ingestion.check()
