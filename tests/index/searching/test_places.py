"""A hit tells its places in both searches, which are more than its place among the hits."""

import numpy as np

from index.records import FoundPassage, StoredPassage
from index.searching.hits import read_hits
from index.searching.ranking import ShardScores, join
from index.searching.request import SearchRequest


class Stored:
    """Holds every passage but those that are gone."""

    def __init__(self, *gone):
        self.gone = gone

    def read_passages(self, chunk_ids, *, neighbours=0, with_vectors=False):
        return {one: passage(one) for one in chunk_ids if one not in self.gone}


def passage(number):
    stored = StoredPassage(
        chunk_id=number, store_id="vs", file_id="f", filename="a.md", title="", text="t",
        char_start=0, char_end=1, page=None,
    )  # fmt: skip
    return FoundPassage(passage=stored, attributes={}, context="", around=(), vector=None)


def test_places_are_those_of_the_searches_over_all_shards():
    shards = [
        ShardScores(dense={1: 0.9, 3: 0.5}, lexical={3: 7.0}),
        ShardScores(dense={2: 0.7}, lexical={4: 9.0, 2: 1.0}),
    ]
    request = SearchRequest(stores=None, text="q", vector=np.ones(2, np.float32), top_k=4)
    hits = {hit.chunk_id: hit for hit in read_hits(Stored(1), join(shards, request), request)}
    places = {one: (hit.dense_rank, hit.lexical_rank) for one, hit in hits.items()}
    assert places == {2: (2, 3), 3: (3, 2), 4: (None, 1)}
