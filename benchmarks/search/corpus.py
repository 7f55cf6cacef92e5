"""A corpus of any size for `benchmarks.search`, with the exact answers to questions about it.

Vectors lie as those of a sentence embedder do: in clusters within clusters of uneven size, spread
along few of their dimensions (the share of dimension i falls with i ** -0.6). Texts are words of a
Zipf vocabulary. Everything is drawn block by block from a seed, so that a million passages need no
more memory than a block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert

from index.catalog.catalog import Catalog
from index.catalog.database import log_changes, take_chunk_ids
from index.catalog.schema import chunks, files, store_files, vector_stores, vectors
from index.records import ChunkDraft, Vectors, content_hash

FINGERPRINT = "synthetic@1"
PASSAGES_A_FILE = 10
WORDS_A_PASSAGE = 60
TENANTS = 100  # a filter on one lets 1 % of the files through
EXACT_AT = 10
BLOCK = 20_000
_VOCABULARY = 50_000
Texts = list[str]


@dataclass(frozen=True, kw_only=True)
class Questions:
    """What is asked, and the ids of the nearest passages by exact search.

    `vectors`: float32, (n, dim), unit L2 norm. `tenants`: the one that each filtered search asks
    for. `nearest` and `nearest_of_tenant`: int64, (n, 10).
    """

    vectors: Vectors
    texts: Texts
    tenants: Texts
    nearest: NDArray[np.int64]
    nearest_of_tenant: NDArray[np.int64]


class Source:
    """Draws passages and questions, always the same ones for the same arguments."""

    def __init__(self, *, num_passages: int, dim: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.seed = seed
        self.dim = dim
        spread = np.arange(1, dim + 1) ** -0.6
        rotation = np.linalg.qr(rng.normal(size=(dim, dim)))[0]
        self._basis = (rotation * (spread / np.linalg.norm(spread))[:, np.newaxis]).astype("f4")
        num_topics = max(16, int(num_passages**0.5 / 4))
        num_clusters = max(64, int(num_passages**0.5 * 8))
        topics = self._noise(rng, num_topics)
        self._clusters = topics[rng.zipf(1.3, num_clusters) % num_topics]
        self._clusters += 0.8 * self._noise(rng, num_clusters)
        share = np.arange(1, num_clusters + 1) ** -0.5
        self._share = share / share.sum()
        self._words = [_word(number) for number in range(_VOCABULARY)]
        zipf = 1 / np.arange(1, _VOCABULARY + 1)
        self._drawn = rng.choice(_VOCABULARY, 1 << 21, p=zipf / zipf.sum()).astype(np.int32)

    def block(self, number: int, size: int) -> tuple[Vectors, Texts]:
        """The vectors and texts of a block of passages."""
        rng = np.random.default_rng([self.seed, number])
        cluster = rng.choice(len(self._clusters), size, p=self._share)
        rows = self._clusters[cluster] + 0.8 * self._noise(rng, size)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        words = self._drawn[rng.integers(0, len(self._drawn), (size, WORDS_A_PASSAGE))]
        return rows, [" ".join(map(self._words.__getitem__, row)) for row in words.tolist()]

    def questions(self, count: int) -> tuple[Vectors, Texts]:
        """Passages that are not in the corpus; of their words five rarer ones and two at random."""
        rng = np.random.default_rng([self.seed, 1 << 30])
        rows, texts = self.block(1 << 30, count)
        rank = {word: number for number, word in enumerate(self._words)}
        asked = []
        for text in texts:
            words = sorted(text.split(), key=rank.__getitem__)
            half = words[len(words) // 2 :]
            asked.append(" ".join([*rng.choice(half, 5), *rng.choice(words, 2)]))
        return rows, asked

    def _noise(self, rng: np.random.Generator, count: int) -> Vectors:
        noise: Vectors = rng.standard_normal((count, self.dim), dtype=np.float32) @ self._basis
        return noise


def _word(number: int) -> str:
    """Spells a number in syllables; frequent words have small numbers and are short."""
    syllable = "bcdfghklmnprstvz"[number % 16] + "aeiou"[number // 16 % 5]
    return syllable + (_word(number // 80) if number >= 80 else "")


class Filler:
    """Fills one store of a catalog, and keeps the exact answers up to date.

    Writes rows by the thousands rather than file by file; the rows are those that ingestion leaves.
    """

    def __init__(self, catalog: Catalog, source: Source, num_questions: int) -> None:
        self.store_id = catalog.create_store(name="benchmark").id
        self.num_passages = 0
        self._catalog = catalog
        self._source = source
        self._vectors, self._texts = source.questions(num_questions)
        self._tenants = [str(number % TENANTS) for number in range(num_questions)]
        self._best = _Best(num_questions)
        self._best_of_tenant = _Best(num_questions)
        embedder = {"fingerprint": FINGERPRINT, "dim": source.dim}
        with catalog._write() as connection:
            connection.execute(vector_stores.update().values(embedder))

    def fill(self, num_passages: int, advance: Callable[[int], None]) -> None:
        """Adds passages until the store holds so many."""
        while self.num_passages < num_passages:
            size = min(BLOCK, num_passages - self.num_passages)
            rows, texts = self._source.block(self.num_passages // BLOCK, size)
            first = self._store(rows, texts)
            ids = first + np.arange(size)
            tenants = (ids - first + self.num_passages) // PASSAGES_A_FILE * 31 % TENANTS
            scores = self._vectors @ rows.T
            self._best.add(scores, ids)
            asked = np.array(self._tenants, dtype=int)
            scores[asked[:, np.newaxis] != tenants] = -np.inf
            self._best_of_tenant.add(scores, ids)
            self.num_passages += size
            advance(size)

    def questions(self) -> Questions:
        """The questions and the answers in what is there by now."""
        return Questions(
            vectors=self._vectors,
            texts=self._texts,
            tenants=self._tenants,
            nearest=self._best.ids,
            nearest_of_tenant=self._best_of_tenant.ids,
        )

    def _store(self, rows: Vectors, texts: Texts) -> int:
        """Writes passages as files of ten; returns the first chunk id."""
        numbers = range(
            self.num_passages // PASSAGES_A_FILE,
            (self.num_passages + len(texts) - 1) // PASSAGES_A_FILE + 1,
        )
        names = {number: f"file-{number:024d}" for number in numbers}
        with self._catalog._write() as connection:
            connection.execute(insert(files), [_file(name) for name in names.values()])
            connection.execute(
                insert(store_files),
                [_store_file(self.store_id, name, number) for number, name in names.items()],
            )
            ids = take_chunk_ids(connection, len(texts))
            chunk_rows = list(self._chunks(ids, texts, names))
            connection.execute(insert(chunks), chunk_rows)
            stored = [
                {"chunk_id": i, "fingerprint": FINGERPRINT, "vector": row.tobytes()}
                for i, row in zip(ids, rows.astype("<f4"), strict=True)
            ]
            connection.execute(insert(vectors), stored)
            log_changes(connection, "upsert", [(self.store_id, name) for name in names.values()])
        return ids[0]

    def _chunks(
        self, ids: range, texts: Texts, names: dict[int, str]
    ) -> Iterator[dict[str, object]]:
        for at, (chunk_id, text) in enumerate(zip(ids, texts, strict=True), self.num_passages):
            ordinal = at % PASSAGES_A_FILE
            start = ordinal * 500
            draft = ChunkDraft(
                text=text, title="", char_start=start, char_end=start + len(text), ordinal=ordinal
            )
            yield {
                "id": chunk_id,
                "store_id": self.store_id,
                "file_id": names[at // PASSAGES_A_FILE],
                "content_hash": content_hash(draft),
                **vars(draft),
            }


class _Best:
    """The greatest scores of each question so far."""

    def __init__(self, num_questions: int) -> None:
        self.ids: NDArray[np.int64] = np.full((num_questions, EXACT_AT), -1)
        self._scores: NDArray[np.float32] = np.full(self.ids.shape, -np.inf, np.float32)

    def add(self, scores: NDArray[np.float32], ids: NDArray[np.int64]) -> None:
        top = np.argpartition(-scores, EXACT_AT, axis=1)[:, :EXACT_AT]
        scores = np.hstack([self._scores, np.take_along_axis(scores, top, axis=1)])
        all_ids = np.hstack([self.ids, ids[top]])
        order = np.argsort(-scores, axis=1)[:, :EXACT_AT]
        self._scores = np.take_along_axis(scores, order, axis=1)
        self.ids = np.take_along_axis(all_ids, order, axis=1)


def _file(name: str) -> dict[str, object]:
    return {
        "id": name, "filename": f"{name}.md", "purpose": "assistants", "status": "processed",
        "num_bytes": 1, "sha256": name, "created_at": 0, "content": b"-",
    }  # fmt: skip


def _store_file(store_id: str, name: str, number: int) -> dict[str, object]:
    attributes = {"tenant": str(number * 31 % TENANTS), "year": 2000 + number % 25}
    return {
        "store_id": store_id, "file_id": name, "status": "completed", "attributes": attributes,
        "usage_bytes": 1, "created_at": 0,
    }  # fmt: skip
