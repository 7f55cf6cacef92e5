"""A store that moves to another embedder, step by step; the command is reembed.py."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deployments.reembedder import REEMBEDDED_AT_ONCE, reembed
from deployments.state import models_folder
from graphs.commands.served import Served
from graphs.errors import ConfigError
from index.catalog.catalog import Catalog
from index.errors import UnknownStoreError
from index.records import StoredPassage, StoreRecord
from index.searching.comparison import EmbedderComparison, nearest
from models.embedder import Embedder, EmbedderConfig

_ON_RAY_FROM = 1024  # passages; fewer are embedded here before the processes elsewhere have started
_DROPPED_AT_ONCE = 5000
_MAX_TRIES = 100


class NotMovedError(RuntimeError):
    """The store keeps its embedder; the message says why."""


@dataclass(frozen=True)
class Target:
    """The embedder that a store moves to; loaded when it is needed.

    Attributes:
        config: its settings; None if only its fingerprint is known.
        known_fingerprint: of vectors that are there already; empty: asked of the model.
    """

    config: EmbedderConfig | None
    known_fingerprint: str = ""

    @property
    def known_config(self) -> EmbedderConfig:
        """Its settings.

        Raises:
            ConfigError: they are not known.
        """
        if self.config is None:
            raise ConfigError(
                f"the Embedder's block has no model of {self.known_fingerprint!r}, which passages "
                "that are new since the switch lack; name it by --model and --revision"
            )
        return self.config

    @cached_property
    def model(self) -> Embedder:
        """The model, on the cores of this machine."""
        return load(self.known_config)

    @property
    def fingerprint(self) -> str:
        """Names it."""
        return self.known_fingerprint or self.model.fingerprint


def load(config: EmbedderConfig) -> Embedder:
    """Loads an embedder in this process."""
    return Embedder(config, cache=models_folder())


class Move:
    """What is done to one store.

    Args:
        store: as it was found.
        target: the embedder that it moves to.
        on_ray: whether many passages are embedded on the connected cluster, or all of them here.
    """

    def __init__(
        self, catalog: Catalog, store: StoreRecord, target: Target, served: Served, *, on_ray: bool
    ) -> None:
        self.target = target
        self.store = store
        self._catalog = catalog
        self._served = served
        self._on_ray = on_ray

    def fill(self, console: Console) -> None:
        """Adds the vectors that are missing, beside those that are searched."""
        missing = self._missing()
        if not missing:
            return
        progress = Progress(
            TextColumn("embedding"), BarColumn(), MofNCompleteColumn(), TextColumn("passages"),
            TimeElapsedColumn(), console=console,
        )  # fmt: skip
        with progress:
            task = progress.add_task("", total=len(missing))
            for count in self._embed(missing):
                progress.advance(task, count)

    def compare(self, queries: Sequence[str], present: EmbedderConfig) -> EmbedderComparison:
        """Searches both sets of vectors for the queries, exactly."""
        ids = self._catalog.chunk_ids(self.store.id)
        old, new = (
            nearest(
                self._catalog, model.fingerprint, ids, model.embed(queries, kind="query").vectors
            )
            for model in (load(present), self.target.model)
        )
        return EmbedderComparison(old=old, new=new)

    def passages(self, chunk_ids: Sequence[int]) -> dict[int, StoredPassage]:
        """Passages by chunk id, without those that are gone."""
        found = self._catalog.read_passages(chunk_ids)
        return {chunk_id: one.passage for chunk_id, one in found.items()}

    def switch(self) -> None:
        """Lets the store be searched by the new vectors, once no passage lacks one.

        Raises:
            NotMovedError: passages arrive faster than they are embedded.
        """
        for _ in range(_MAX_TRIES):
            for _count in self._embed(self._missing()):
                pass
            if self._catalog.switch_embedder(self.store.id, self.target.fingerprint):
                return
        raise NotMovedError(f"documents arrive faster than they are embedded: {_MAX_TRIES} tries")

    def _missing(self) -> list[int]:
        """The passages that lack a vector.

        Raises:
            NotMovedError: the store has become empty.
        """
        if self._catalog.embedder_of(self.store.id) is None:
            raise NotMovedError("the store holds no passage any more; its next one chooses")
        return self._catalog.chunk_ids(self.store.id, without=self.target.fingerprint)

    def _embed(self, chunk_ids: Sequence[int]) -> Iterator[int]:
        """Embeds passages; gives the number of each batch that is stored."""
        if self._on_ray and len(chunk_ids) >= _ON_RAY_FROM:
            # Here, since Ray Data takes seconds to import, and a rollback does not need it.
            from graphs.commands.bulk_pipeline import free_room, plan_processes, run_reembedding

            served = replace(self._served, embedders=(self.target.known_config,))
            yield from run_reembedding(chunk_ids, served, plan_processes(served, free_room()))
            return
        for start in range(0, len(chunk_ids), REEMBEDDED_AT_ONCE):
            batch = chunk_ids[start : start + REEMBEDDED_AT_ONCE]
            reembed(self._catalog, self.target.model, batch)
            yield len(batch)


def drop_old(catalog: Catalog, store: StoreRecord) -> int:
    """Deletes the vectors of all embedders but the present one; gives how many."""
    ids = catalog.chunk_ids(store.id)
    starts = range(0, len(ids), _DROPPED_AT_ONCE)
    return sum(catalog.drop_vectors(store.id, ids[at : at + _DROPPED_AT_ONCE]) for at in starts)


def former_embedder(catalog: Catalog, store: StoreRecord) -> str:
    """The fingerprint that a store can go back to: the one with the most vectors.

    Raises:
        NotMovedError: it has vectors of one embedder alone.
    """
    counts = catalog.count_vectors(store.id)
    counts.pop(store.fingerprint or "", None)
    if not counts:
        raise NotMovedError(f"{store.name!r} has vectors of {store.fingerprint!r} alone")
    return max(counts, key=counts.__getitem__)


def find_filled_store(catalog: Catalog, name_or_id: str) -> StoreRecord:
    """The store, which holds passages.

    Raises:
        UnknownStoreError: there is none, or it has expired.
        NotMovedError: it is empty.
    """
    store = catalog.find_store(name_or_id)
    if store.expired:
        raise UnknownStoreError(f"vector store {name_or_id!r} has expired")
    if catalog.embedder_of(store.id) is None:
        raise NotMovedError(
            f"vector store {name_or_id!r} holds no passage; its first one gets the main model of "
            "the Embedder's block"
        )
    return store
