import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest

from index.catalog.catalog import Catalog
from index.records import ChunkDraft, Job, Vectors

DIM = 8
EMBEDDER = "words@1"


@dataclass
class Clock:
    """A clock that only tests move."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Corpus:
    """A real catalog, and the steps that an ingester takes."""

    catalog: Catalog
    clock: Clock

    def upload(self, filename: str = "handbook.md", data: bytes = b"Some words.") -> str:
        return self.catalog.create_file(filename=filename, purpose="assistants", data=data).id

    def store(self, name: str = "docs") -> str:
        return self.catalog.create_store(name=name).id

    def claim(self, worker: str = "a", lease_s: float = 60) -> Job:
        job = self.catalog.claim_job(worker, lease_s)
        assert job is not None
        return job

    def complete(
        self,
        job: Job,
        texts: list[str],
        vectors: Vectors | None = None,
        fingerprint: str = EMBEDDER,
    ) -> int:
        if vectors is None:
            vectors = unit_vectors(len(texts), seed=job.id)
        return self.catalog.complete_job(job, drafts_of(texts), vectors, fingerprint)

    def add(
        self, store_id: str, texts: list[str], vectors: Vectors | None = None, **attributes: object
    ) -> str:
        """Uploads, attaches and indexes a file with these passages."""
        file_id = self.upload()
        self.catalog.attach_file(store_id, file_id, attributes=attributes)  # type: ignore[arg-type]
        self.complete(self.claim(), texts, vectors)
        return file_id


def drafts_of(texts: list[str]) -> list[ChunkDraft]:
    return [
        ChunkDraft(text=text, title="handbook.md", char_start=i, char_end=i + 1, ordinal=i)
        for i, text in enumerate(texts)
    ]


def unit_vectors(count: int, seed: int = 0, dim: int = DIM) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def corpus(url, clock) -> Iterator[Corpus]:
    catalog = Catalog(url, clock)
    yield Corpus(catalog, clock)
    catalog.close()


@pytest.fixture
def catalog(corpus) -> Catalog:
    return corpus.catalog


@pytest.fixture(scope="session")
def make_corpus(databases) -> Iterator[Callable[[], Corpus]]:
    """Fresh corpora for property tests, which run many examples in one test."""
    open_corpora: list[tuple[str, Corpus]] = []

    def drop_last() -> None:
        for url, corpus in open_corpora:
            corpus.catalog.close()
            databases.drop(url)
        open_corpora.clear()

    def make() -> Corpus:
        drop_last()
        clock = Clock()
        url = databases.new_with_tables()
        open_corpora.append((url, Corpus(Catalog(url, clock), clock)))
        return open_corpora[-1][1]

    yield make
    drop_last()


@pytest.fixture(scope="session")
def vectors_of() -> Callable[..., Vectors]:
    return unit_vectors


@pytest.fixture(scope="session")
def word_spans() -> Callable[[str], list[tuple[int, int]]]:
    """A tokenizer: words and single marks."""
    return lambda text: [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]
