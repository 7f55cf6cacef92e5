"""The steps of a store that moves to another embedder, with vectors that anybody can tell."""

import numpy as np
import pytest
from sqlalchemy import select

from index.catalog.schema import chunks
from index.searching.fold import Fold
from index.searching.request import SearchRequest

DIMS = {"old@1": 8, "new@1": 4}
OLD, NEW = DIMS


def vector_of(embedder, text):
    vector = np.random.default_rng([*text.encode(), DIMS[embedder]]).normal(size=DIMS[embedder])
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def embed(embedder, texts):
    rows = [vector_of(embedder, text) for text in texts]
    return np.stack(rows) if rows else np.empty((0, DIMS[embedder]), np.float32)


def ingest(corpus, job, texts):
    """What the Ingester does: the embedder is that of the store, also if it changes meanwhile."""
    embedder = corpus.catalog.embedder_of(job.store_id) or OLD
    corpus.complete(job, texts, embed(embedder, texts), embedder)


def put(corpus, store_id, texts, file_id=None):
    """Adds a file, or lets one have other passages."""
    if file_id:
        corpus.catalog.detach_file(store_id, file_id)
    file_id = file_id or corpus.upload()
    corpus.catalog.attach_file(store_id, file_id)
    ingest(corpus, corpus.claim(), texts)
    return file_id


def fill(catalog, store_id, embedder, limit=None):
    ids = catalog.chunk_ids(store_id, without=embedder)[:limit]
    found = catalog.read_passages(ids)
    added = embed(embedder, [found[i].passage.text for i in found])
    return catalog.add_vectors(embedder, list(found), added)


def move(catalog, store_id, embedder):
    while not catalog.switch_embedder(store_id, embedder):
        fill(catalog, store_id, embedder)


def request(store_id, text="words", embedders=(OLD, NEW), **fields):
    main, *others = embedders
    return SearchRequest(
        stores=(store_id,), text=text, vector=vector_of(main, text), fingerprint=main,
        others={other: vector_of(other, text) for other in others}, top_k=1000, **fields,
    )  # fmt: skip


def texts_of(catalog, store_id):
    with catalog._read() as connection:
        query = select(chunks.c.text).where(chunks.c.store_id == store_id)
        return sorted(connection.execute(query).scalars())


def found(fold, store_id, **fields):
    return sorted(hit.text for hit in fold.search(request(store_id, **fields)))


def wait(fold, store_id):
    if store_id in fold.indexes:
        fold.indexes[store_id].wait()


def is_exact(fold, store_id, embedder):
    """Whether the first hits are those that the cosines of this embedder give."""
    passages = [hit.text for hit in fold.search(request(store_id, "x", mode="lexical"))]
    assert passages == []
    hits = fold.search(request(store_id, "any query", mode="dense"))
    query = vector_of(embedder, "any query")
    wanted = [float(vector_of(embedder, hit.text) @ query) for hit in hits]
    assert [hit.dense_score for hit in hits] == pytest.approx(wanted, abs=1e-5)
    return wanted == sorted(wanted, reverse=True)


def filled(corpus):
    """A store whose vectors of the new embedder are filled in, and a fold of it."""
    store_id = corpus.store()
    files = [put(corpus, store_id, [f"words {n} {i}" for i in range(3)]) for n in range(10)]
    fold = Fold(corpus.catalog)
    fold.catch_up()
    assert fill(corpus.catalog, store_id, NEW) == 30
    return corpus, store_id, files, fold
