"""The stage that moves passages to another embedder, for Ray Data and for a single process."""

import pickle
from collections.abc import Sequence

from deployments.bulk_load import VALUE, EmbeddingStage, Row, embed_patiently, patiently, row_of
from index.catalog.catalog import Catalog
from models.embedder import Embedder as EmbedderModel

REEMBEDDED_AT_ONCE = 128  # passages; what a process that is killed had in its hands


class Reembedder(EmbeddingStage):
    """Adds the vectors of another embedder to passages."""

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
    made = embed_patiently(catalog, model, passages)
    patiently(lambda: catalog.add_vectors(made.fingerprint, list(found), made.vectors))
