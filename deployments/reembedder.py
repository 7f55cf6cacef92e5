"""The stage that moves passages to another embedder, for Ray Data and for a single process."""

import pickle
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial

from deployments.bulk_load import VALUE, Row, patiently, row_of
from deployments.settings import MODEL_CACHE, assigned_share
from index.catalog import Catalog
from index.reuse import plan_embedding
from models.embedder import Embedder as EmbedderModel
from models.embedder import EmbedderConfig

REEMBEDDED_AT_ONCE = 128  # passages; what a process that is killed had in its hands


class Reembedder:
    """Adds the vectors of another embedder to passages; it is loaded for the first of them."""

    def __init__(self, database_url: str, config: EmbedderConfig, num_threads: int) -> None:
        self._database_url = database_url
        self._config = config
        self._num_threads = num_threads

    @cached_property
    def _catalog(self) -> Catalog:
        return Catalog(self._database_url)

    @cached_property
    def _model(self) -> EmbedderModel:
        share = replace(assigned_share(), num_cpus=self._num_threads)
        return EmbedderModel(self._config, cache=MODEL_CACHE, share=share)

    def __call__(self, row: Row) -> Row:
        """The ids of some passages to their number."""
        chunk_ids: list[int] = pickle.loads(row[VALUE])
        reembed(self._catalog, self._model, chunk_ids)
        return row_of(len(chunk_ids))


def reembed(catalog: Catalog, model: EmbedderModel, chunk_ids: Sequence[int]) -> None:
    """Adds the vectors of passages, in one transaction; those of known content are not computed.

    Raises:
        CorpusUnavailableError: the database was out of reach for longer than a restart takes.
    """
    found = patiently(lambda: catalog.read_passages(chunk_ids))
    if not found:
        return  # all were deleted meanwhile
    passages = [one.passage for one in found.values()]
    find_known = partial(catalog.known_vectors, model.fingerprint)
    plan = patiently(lambda: plan_embedding(passages, find_known))
    vectors = plan.vectors(model.embed(plan.texts).vectors if plan.texts else ())
    patiently(lambda: catalog.add_vectors(model.fingerprint, list(found), vectors))
