import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import FingerprintMismatchError, InvalidSearchError
from index.records import Change, StoredPassage
from index.searching.filters import matches, parse_filter
from index.searching.fusion import fuse
from index.searching.ranking import find, join
from index.searching.request import LEXICAL_WEIGHT, SearchRequest
from index.searching.store_index import StoreIndex

WORDS = ["replica", "queue", "spot", "drain", "node", "chunk", "token", "graph", "filter", "score"]


def upsert(number, store_id, texts, vectors, attributes):
    passages = tuple(
        StoredPassage(
            chunk_id=number * 100 + i,
            store_id=store_id,
            file_id=f"file-{number}",
            filename=f"{number}.md",
            title="",
            text=text,
            char_start=0,
            char_end=len(text),
        )
        for i, text in enumerate(texts)
    )
    return Change(
        number=number,
        kind="upsert",
        store_id=store_id,
        file_id=f"file-{number}",
        filename=f"{number}.md",
        attributes=attributes,
        fingerprint="words@1",
        passages=passages,
        vectors=vectors,
    )


@pytest.fixture(scope="module")
def changes(vectors_of):
    """Two stores, 20 files each with 3 passages of 6 random words."""
    rng = np.random.default_rng(5)
    return [
        upsert(
            number,
            f"vs_{number % 2}",
            [" ".join(rng.choice(WORDS, 6)) for _ in range(3)],
            vectors_of(3, seed=number),
            {"year": int(rng.integers(2020, 2025)), "lang": str(rng.choice(["en", "de"]))},
        )
        for number in range(1, 41)
    ]


@pytest.fixture(scope="module")
def indexes(changes):
    made = {"vs_0": StoreIndex(), "vs_1": StoreIndex()}
    for store_id, index in made.items():
        index.apply([change for change in changes if change.store_id == store_id])
        index.publish()
    return made


queries = st.builds(
    dict,
    text=st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join),
    seed=st.integers(0, 1000),
    top_k=st.integers(1, 150),
    stores=st.sampled_from([("vs_0",), ("vs_1",), ("vs_0", "vs_1")]),
)
filters = st.sampled_from(
    [
        {"type": "gte", "key": "year", "value": 2023},
        {"type": "eq", "key": "lang", "value": "xx"},
        {"type": "ne", "key": "year", "value": 2021},
        {
            "type": "and",
            "filters": [
                {"type": "in", "key": "lang", "value": ["de"]},
                {"type": "lt", "key": "year", "value": 2023},
            ],
        },
    ]
)


def request_of(query, vectors_of, **fields):
    vector = vectors_of(1, seed=query["seed"])[0]
    return SearchRequest(
        stores=query["stores"],
        text=query["text"],
        vector=vector,
        top_k=query["top_k"],
        **fields,
    )


def rank(indexes, request):
    """Searches these stores; what names stand for is the catalog's to know."""
    return join([find([indexes[store] for store in request.stores], request)], request)


def best(indexes, request):
    """The first `top_k` chunk ids with their scores."""
    return list(rank(indexes, request).fused.items())[: request.top_k]


def passing(changes, request):
    """All passages of the stores that pass the filter, with vector and attributes."""
    return [
        (passage, vector, change.attributes)
        for change in changes
        if change.store_id in request.stores
        and (request.filters is None or matches(request.filters, change.attributes))
        for passage, vector in zip(change.passages, change.vectors, strict=True)
    ]


@given(query=queries, spec=st.none() | filters)
def test_dense_search_finds_what_brute_force_finds(changes, indexes, vectors_of, query, spec):
    wanted = parse_filter(spec) if spec else None
    request = request_of(query, vectors_of, mode="dense", filters=wanted)
    candidates = passing(changes, request)
    cosines = {p.chunk_id: float(v @ request.vector) for p, v, _ in candidates}
    expected = sorted(cosines, key=lambda i: -cosines[i])[: request.top_k]
    found = best(indexes, request)
    assert [chunk_id for chunk_id, _ in found] == expected
    # float32 sums in another order differ in the last bits
    assert [score for _, score in found] == pytest.approx([cosines[i] for i in expected], abs=1e-6)


@given(query=queries, spec=st.none() | filters)
def test_lexical_search_finds_what_shares_a_word(changes, indexes, vectors_of, query, spec):
    wanted = parse_filter(spec) if spec else None
    request = request_of(query | {"top_k": 150}, vectors_of, mode="lexical", filters=wanted)
    words = set(query["text"].split())
    expected = {p.chunk_id for p, _, _ in passing(changes, request) if words & set(p.text.split())}
    found = best(indexes, request)
    assert {chunk_id for chunk_id, _ in found} == expected
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)


@given(query=queries, spec=filters)
def test_a_filter_inside_the_search_equals_a_filter_after_it(
    changes, indexes, vectors_of, query, spec
):
    wanted = parse_filter(spec)
    of_file = {p.chunk_id: change.attributes for change in changes for p in change.passages}
    for mode in ("dense", "lexical"):
        request = request_of(query, vectors_of, mode=mode, filters=wanted)
        unfiltered = best(indexes, request_of(query | {"top_k": 150}, vectors_of, mode=mode))
        expected = [(i, pytest.approx(s)) for i, s in unfiltered if matches(wanted, of_file[i])]
        assert best(indexes, request) == expected[: request.top_k]


@given(query=queries)
def test_hybrid_search_fuses_the_two_rankings(indexes, vectors_of, query):
    deep = query | {"top_k": max(100, query["top_k"])}
    dense = dict(best(indexes, request_of(deep, vectors_of, mode="dense")))
    lexical = dict(best(indexes, request_of(deep, vectors_of, mode="lexical")))
    expected = fuse([list(dense), list(lexical)], [1.0, LEXICAL_WEIGHT])
    ranking = rank(indexes, request_of(query, vectors_of))
    assert list(ranking.fused.items()) == list(expected.items())
    assert (ranking.dense, ranking.lexical) == (dense, lexical)


@given(st.text(st.sampled_from("ab\"'():*?~^+-&|!{}[]\\/ \0\ud800<>=é文")))
def test_any_text_is_only_words(indexes, text):
    rank(indexes, SearchRequest(stores=("vs_0",), text=text, mode="lexical"))


@pytest.mark.parametrize(
    "text", ['"replica', "replica AND", "body:replica", "REPLICAS?", "réplica"]
)
def test_query_syntax_case_plural_and_accents_do_not_matter(indexes, text):
    wanted = best(indexes, SearchRequest(stores=("vs_0",), text="replica", mode="lexical"))
    found = best(indexes, SearchRequest(stores=("vs_0",), text=text, mode="lexical"))
    assert found == wanted != []


def test_a_text_without_words_leaves_hybrid_search_to_the_vectors(indexes, vectors_of):
    request = SearchRequest(stores=("vs_0",), text="?!", vector=vectors_of(1)[0], top_k=3)
    ranking = rank(indexes, request)
    assert list(ranking.fused) == list(ranking.dense) != []
    assert ranking.lexical == {}


def test_a_vector_of_another_embedder_is_refused(indexes, vectors_of):
    other = SearchRequest(stores=("vs_0",), text="x", vector=vectors_of(1)[0], fingerprint="x@1")
    with pytest.raises(FingerprintMismatchError, match="'words@1', dimension 8"):
        rank(indexes, other)
    short = SearchRequest(stores=("vs_0",), text="x", vector=vectors_of(1, dim=4)[0])
    with pytest.raises(FingerprintMismatchError, match="dimension 4"):
        rank(indexes, short)


@pytest.mark.parametrize(
    "fields",
    [{"top_k": 0}, {"top_k": 1001}, {"stores": ()}, {"vector": None}, {"vector": np.eye(2)}],
)
def test_a_request_out_of_bounds_is_refused(vectors_of, fields):
    with pytest.raises(InvalidSearchError):
        SearchRequest(**{"stores": ("vs_0",), "text": "x", "vector": vectors_of(1)[0], **fields})


def test_another_embedder_replaces_all_vectors(vectors_of):
    index = StoreIndex()
    index.apply([upsert(1, "vs", ["one"], vectors_of(1), {})])
    newer = upsert(2, "vs", ["two"], vectors_of(1, dim=4), {})
    index.apply([Change(**{**vars(newer), "fingerprint": "new@1"})])
    assert (index.fingerprint, index.chunk_ids.tolist()) == ("new@1", [200])
