"""Which of all passages a search replica holds."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Shard:
    """The passages whose `chunk_id % count` is `number`, of every store.

    Ids are given in order, so the passages of a file go to the shards in turn, and each shard is a
    sample of every store. A shard's BM25 knows how rare a word is in its own sample, not in the
    whole, so lexical ranks differ a little from those of one index, the less the more passages
    there are: over 8,032 passages 4 shards give 94 % of the same ten best, hybrid search 99 %, and
    nDCG@10 stays within 0.002 (`python -m benchmarks.retrieval --shards 4`). Dense search does not
    depend on other passages.

    Raises:
        ValueError: there is no such shard.
    """

    number: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count:
            raise ValueError(f"shard must be in 0..{self.count - 1}, got {self.number}")


WHOLE = Shard()
