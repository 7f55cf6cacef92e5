"""How what several searches found becomes one order."""

import numpy as np

from index.searching.ranking import ShardScores, join
from index.searching.request import SearchRequest

DENSE = {number: 1.0 - number / 100 for number in range(30)}
REQUEST = {"stores": ("vs",), "text": "KX-4412", "vector": np.ones(1, np.float32)}


def fused(found, **options):
    return join(found, SearchRequest(**REQUEST, **options)).fused


def test_a_passage_with_the_identifier_of_a_question_goes_before_all_without():
    named = [ShardScores(dense=DENSE, lexical={0: 9.0}, named={98: 1002.0, 99: 1001.0})]
    for fusion in ("rank", "score"):
        assert list(fused(named, fusion=fusion))[:3] == [98, 99, 0]


def test_shards_that_hold_the_identifier_tell_the_others():
    found = [
        ShardScores(dense=DENSE, lexical={}),
        ShardScores(dense={99: 0.1}, lexical={}, named={99: 1001.0}),
    ]
    assert next(iter(fused(found))) == 99


def test_without_an_identifier_nothing_else_counts():
    found = ShardScores(dense=DENSE, lexical={5: 1.0})
    assert fused([found]) == fused([ShardScores(dense=DENSE, lexical={5: 1.0}, named={})])
    assert max(fused([found]).values()) <= 1
