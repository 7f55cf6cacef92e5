"""What travels through a bulk load: some documents at a time, and the count of what was done."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from index.bulk.bulk_reading import Failure
from index.catalog.bulk_load import CutDocument
from index.records import Vectors

Stage = Literal["read", "parse", "chunk", "embed", "commit"]
STAGES: tuple[Stage, ...] = ("read", "parse", "chunk", "embed", "commit")


@dataclass(frozen=True, kw_only=True)
class Tally:
    """What was done; two tallies add up.

    Attributes:
        num_loaded: documents that were stored.
        num_present: documents that the store held already.
        num_chunks: passages of the documents that were stored.
        num_embedded: passages among them whose content was new to the embedder.
        failures: documents that are not loaded.
        seconds: how long each stage worked, all of its processes together.
        began: when the first document was embedded, in unix seconds; 0 if none was.
        ended: when the last one was committed; 0 if none was.
    """

    num_loaded: int = 0
    num_present: int = 0
    num_chunks: int = 0
    num_embedded: int = 0
    failures: tuple[Failure, ...] = ()
    seconds: dict[Stage, float] = field(default_factory=dict)
    began: float = 0.0
    ended: float = 0.0

    @property
    def num_documents(self) -> int:
        """All documents, whatever became of them."""
        return self.num_loaded + self.num_present + len(self.failures)

    def __add__(self, other: "Tally") -> "Tally":
        began = [one for one in (self.began, other.began) if one]
        return Tally(
            num_loaded=self.num_loaded + other.num_loaded,
            num_present=self.num_present + other.num_present,
            num_chunks=self.num_chunks + other.num_chunks,
            num_embedded=self.num_embedded + other.num_embedded,
            failures=self.failures + other.failures,
            seconds={
                stage: self.seconds.get(stage, 0.0) + other.seconds.get(stage, 0.0)
                for stage in STAGES
            },
            began=min(began, default=0.0),
            ended=max(self.ended, other.ended),
        )


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """Documents that are embedded and committed together, none if all have left by now.

    Attributes:
        documents: cut, not yet stored.
        tally: of the documents that came with them.
        vectors: float32, (n_passages, dim), of all passages in their order, once they are embedded.
        fingerprint: names the embedder, then.
    """

    documents: tuple[CutDocument, ...]
    tally: Tally
    vectors: Vectors | None = None
    fingerprint: str = ""

    @property
    def num_chunks(self) -> int:
        """Passages of all documents."""
        return sum(len(one.drafts) for one in self.documents)

    def counted(self, tally: Tally) -> "Parcel":
        """The same with more done."""
        return replace(self, tally=self.tally + tally)


class Stopwatch:
    """Sums up how long each stage works."""

    def __init__(self) -> None:
        self._seconds: dict[Stage, float] = {}

    @contextmanager
    def measured(self, stage: Stage) -> Iterator[None]:
        """Counts the time of the block for the stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[stage] = self._seconds.get(stage, 0.0) + time.perf_counter() - start

    def take(self) -> dict[Stage, float]:
        """Gives what was counted since the last call."""
        taken, self._seconds = self._seconds, {}
        return taken
