"""The stages of a bulk load: one thin class around each part of the work, run by Ray Data.

Rows hold one pickled value: what goes in, some sources; between the stages, a parcel; what comes
out, a tally. Each actor opens the corpus, and loads its model, with the first row: an error then is
one of the load, while one of a constructor would reach the user as the death of an actor.
"""

import pickle
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

from deployments.embeds import LocalEmbeds
from deployments.model_loading import share_for
from deployments.state import models_folder
from index.access import Viewer
from index.bulk.bulk_cutting import BulkCutter
from index.bulk.bulk_parcel import Parcel, Stopwatch, Tally
from index.bulk.bulk_reading import read_sources
from index.catalog.catalog import Catalog
from index.chunk import Cutting
from index.errors import CorpusUnavailableError
from index.parsing.parse_limits import ParseLimits
from index.records import Titled, Vectors
from index.reuse import EmbeddedPassages, embed_new
from models.embedder import Embedder as EmbedderModel
from models.embedder import EmbedderConfig
from models.hub import resolve
from models.tokens import TokenSpans, read_tokenizer

VALUE = "value"
Row = dict[str, bytes]

_PAUSES_S = (1.0, 5.0, 25.0)  # a database that restarts or fails over is back after that

Result = TypeVar("Result")


def row_of(value: object) -> Row:
    """Packs a value."""
    return {VALUE: pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)}


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where a bulk load puts its documents: the URL of the corpus, and a store of a tenant."""

    database_url: str
    store_id: str
    tenant: str = "default"

    def opened(self) -> Catalog:
        """The corpus as the tenant has it; whoever opens it closes it."""
        return Catalog(self.database_url).seen_by(Viewer(tenant=self.tenant))


class Reader:
    """Reads the bytes of documents, on the machine where they were found."""

    def __init__(self, limits: ParseLimits) -> None:
        self._limits = limits

    def __call__(self, row: Row) -> Row:
        """Some sources to their documents."""
        return row_of(list(read_sources(pickle.loads(row[VALUE]), self._limits)))


class Cutter:
    """Parses documents and cuts them, without those that the store holds."""

    def __init__(self, to: Destination, cutting: Cutting, embedder: EmbedderConfig) -> None:
        self._to = to
        self._cutting = cutting
        self._embedder = embedder

    @cached_property
    def _cutter(self) -> BulkCutter:
        folder = resolve(self._embedder.model, self._embedder.revision, models_folder())
        spans = TokenSpans(read_tokenizer(folder))
        return BulkCutter(self._to.opened(), self._to.store_id, self._cutting, spans)

    def __call__(self, row: Row) -> list[Row]:
        """Some documents to parcels."""
        documents = pickle.loads(row[VALUE])
        parcels = patiently(lambda: list(self._cutter.cut(documents)))
        return list(map(row_of, parcels))


class EmbeddingStage:
    """A stage with the corpus and an embedder, which are opened for the first row."""

    def __init__(self, database_url: str, config: EmbedderConfig, num_threads: int) -> None:
        self._database_url = database_url
        self._config = config
        self._num_threads = num_threads

    @cached_property
    def _catalog(self) -> Catalog:
        return Catalog(self._database_url)

    @cached_property
    def _model(self) -> EmbedderModel:
        share = replace(share_for(self._config), num_cpus=self._num_threads)
        return EmbedderModel(self._config, cache=models_folder(), share=share)


class NewPassageEmbedder(EmbeddingStage):
    """Embeds the passages whose content is new to the model."""

    def __init__(self, to: Destination, config: EmbedderConfig, num_threads: int) -> None:
        super().__init__(to.database_url, config, num_threads)
        self._watch = Stopwatch()

    def __call__(self, row: Row) -> Row:
        """A parcel to one with vectors."""
        parcel: Parcel = pickle.loads(row[VALUE])
        return row_of(self._embedded(parcel) if parcel.documents else parcel)

    def _embedded(self, parcel: Parcel) -> Parcel:
        model = self._model
        began = time.time()
        drafts = [draft for one in parcel.documents for draft in one.drafts]
        with self._watch.measured("embed"):
            made = embed_patiently(self._catalog, model, drafts)
        done = Tally(num_embedded=made.num_new, seconds=self._watch.take(), began=began)
        return replace(parcel.counted(done), vectors=made.vectors, fingerprint=made.fingerprint)


class Committer:
    """Stores the documents of a parcel in one transaction."""

    def __init__(self, to: Destination) -> None:
        self._to = to
        self._watch = Stopwatch()

    @cached_property
    def _catalog(self) -> Catalog:
        return self._to.opened()

    def __call__(self, row: Row) -> Row:
        """A parcel to its tally."""
        parcel: Parcel = pickle.loads(row[VALUE])
        return row_of(parcel.tally + self._commit(parcel))

    def _commit(self, parcel: Parcel) -> Tally:
        vectors, documents = parcel.vectors, parcel.documents
        if vectors is None:
            return Tally()
        with self._watch.measured("commit"):
            are_stored = patiently(
                lambda: self._catalog.load_documents(
                    self._to.store_id, documents, vectors, parcel.fingerprint
                )
            )
        stored = [one for one, is_stored in zip(documents, are_stored, strict=True) if is_stored]
        return Tally(
            num_loaded=len(stored),
            num_present=len(documents) - len(stored),
            num_chunks=sum(len(one.drafts) for one in stored),
            seconds=self._watch.take(),
            ended=time.time(),
        )


def embed_patiently(
    catalog: Catalog, model: EmbedderModel, passages: Sequence[Titled]
) -> EmbeddedPassages:
    """Gives the vectors of passages; the model computes those alone that are new to it."""

    def find_known(fingerprint: str, hashes: Sequence[str]) -> Mapping[str, Vectors]:
        return patiently(lambda: catalog.known_vectors(fingerprint, hashes))

    return embed_new(passages, model.fingerprint, find_known, LocalEmbeds(model))


def patiently(call: Callable[[], Result]) -> Result:
    """Calls again while the database is out of reach, for a while."""
    for pause_s in _PAUSES_S:
        try:
            return call()
        except CorpusUnavailableError:
            time.sleep(pause_s)
    return call()
