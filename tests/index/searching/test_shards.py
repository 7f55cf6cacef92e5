"""A search over shards finds what a search of one index finds."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import ExpiredStoreError, FingerprintMismatchError, UnknownStoreError
from index.records import Change, Chunking, StoredPassage
from index.searching.filters import parse_filter
from index.searching.fold import Fold
from index.searching.fusion import fuse
from index.searching.ranking import ShardScores, join
from index.searching.request import SearchRequest
from index.searching.store_index import StoreIndex
from index.shard import Shard
from tests.index import moving
from tests.index.moving import NEW, filled, put, texts_of

COUNTS = (2, 3, 7)
WORDS = ["replica", "queue", "spot", "drain", "node", "chunk", "token", "graph", "filter", "score"]
LANG = {"type": "eq", "key": "lang", "value": "en"}


def shards_of(catalog, count):
    return [Fold(catalog, Shard(number, count)) for number in range(count)]


def search(shards, request):
    found = [shard.find(request) for shard in shards]
    return shards[-1].read(found, request)


def texts(rng, count):
    return [" ".join(rng.choice(WORDS, 5)) for _ in range(count)]


@pytest.fixture(scope="module")
def changed(make_corpus):
    """Two stores of files that were added, changed and removed, while shards and whole followed.

    One of them is so small that not every shard has a passage of it.
    """
    corpus, rng = make_corpus(), np.random.default_rng(3)
    catalog = corpus.catalog
    folds = {count: shards_of(catalog, count) for count in COUNTS}
    large, small = corpus.store(), corpus.store()
    files = []
    for number in range(16):
        lang = "en" if number % 3 else "de"
        files.append(corpus.add(large, texts(rng, number % 7), lang=lang))
        folds[COUNTS[number % 3]][number % 2].catch_up()
    corpus.add(small, texts(rng, 2), lang="en")
    for file_id in files[1:5]:
        catalog.attach_file(large, file_id, chunking=Chunking(max_chunk_tokens=1))
        corpus.complete(corpus.claim(), texts(rng, 3))
    catalog.detach_file(large, files[6])
    catalog.delete_file(files[8])
    catalog.update_attributes(large, files[9], {"lang": "en", "year": 2020})
    return Fold(catalog), folds, (large, small)


queries = st.fixed_dictionaries(
    {
        "text": st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join),
        "seed": st.integers(0, 1000),
        "top_k": st.integers(1, 60),
        "stores": st.sampled_from([(0,), (1,), (0, 1)]),
        "count": st.sampled_from(COUNTS),
        "filters": st.sampled_from([None, parse_filter(LANG)]),
    }
)
options = st.sampled_from(
    [{}, {"neighbours": 2}, {"diversity": 0.4}, {"max_similarity": 0.5}, {"neighbours": 1}]
)


def asked(changed, query, vectors_of, **fields):
    """The shards, and what is searched for."""
    _, folds, stores = changed
    request = SearchRequest(
        stores=tuple(stores[number] for number in query["stores"]),
        text=query["text"], vector=vectors_of(1, seed=query["seed"])[0], top_k=query["top_k"],
        filters=query["filters"], **fields,
    )  # fmt: skip
    return folds[query["count"]], request


def shown(hits):
    """All of the hits; float32 sums in another order differ in the last bits."""
    return [
        vars(hit)
        | {"score": pytest.approx(hit.score), "dense_score": pytest.approx(hit.dense_score)}
        for hit in hits
    ]


@given(query=queries, options=options)
def test_dense_search_is_that_of_one_index(changed, vectors_of, query, options):
    shards, request = asked(changed, query, vectors_of, mode="dense", **options)
    assert [vars(hit) for hit in search(shards, request)] == shown(changed[0].search(request))


@given(query=queries)
def test_lexical_search_finds_the_same_passages_best_first(changed, vectors_of, query):
    shards, request = asked(changed, query | {"top_k": 1000}, vectors_of, mode="lexical")
    found = search(shards, request)
    assert {hit.chunk_id for hit in found} == {hit.chunk_id for hit in changed[0].search(request)}
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)


@given(query=queries)
def test_hybrid_search_fuses_the_ranks_over_all_shards(changed, vectors_of, query):
    shards, request = asked(changed, query, vectors_of)
    deep = {**query, "top_k": 100}
    dense = changed[0].search(asked(changed, deep, vectors_of, mode="dense")[1])
    lexical = search(*asked(changed, deep, vectors_of, mode="lexical"))
    ranks = [[hit.chunk_id for hit in hits] for hits in (dense, lexical)]
    expected = list(fuse(ranks, [1.0, request.lexical_weight]).items())[: request.top_k]
    assert [(hit.chunk_id, hit.score) for hit in search(shards, request)] == expected


scores = st.dictionaries(st.integers(0, 500), st.integers(0, 20).map(float), max_size=300)


@given(dense=scores, lexical=scores, count=st.integers(1, 8), top_k=st.integers(1, 150))
def test_parts_are_joined_to_what_they_were_cut_from(dense, lexical, count, top_k):
    def best(scores, number, count):
        kept = [pair for pair in scores.items() if pair[0] % count == number]
        return dict(sorted(kept, key=lambda pair: (-pair[1], pair[0]))[: max(top_k, 100)])

    def found(number, count):
        return ShardScores(dense=best(dense, number, count), lexical=best(lexical, number, count))

    request = SearchRequest(stores=("vs",), text="x", vector=np.ones(2), top_k=top_k)
    joined = join([found(number, count) for number in range(count)], request)
    whole = join([found(0, 1)], request)
    for name in ("fused", "dense", "lexical"):
        assert list(getattr(joined, name).items()) == list(getattr(whole, name).items())


@pytest.fixture
def three(catalog):
    return shards_of(catalog, 3)


def request_for(store_id, vectors_of, **fields):
    return SearchRequest(stores=(store_id,), text="words", vector=vectors_of(1)[0], **fields)


def test_a_search_sees_what_was_committed_before_it(corpus, three, vectors_of):
    store_id = corpus.store()
    wanted = request_for(store_id, vectors_of)
    assert search(three, wanted) == ()
    file_id = corpus.add(store_id, ["words one", "words two", "words three", "words four"])
    assert len(search(three, wanted)) == 4
    corpus.add(store_id, ["other words"])
    corpus.catalog.detach_file(store_id, file_id)
    assert [hit.text for hit in search(three, wanted)] == ["other words"]


def test_every_shard_finds_the_stores_by_their_names(corpus, three, vectors_of):
    words = ["words one", "words two", "words three", "words four"]
    corpus.add(corpus.store("handbook"), words)
    for stores in [("handbook",), None]:
        named = SearchRequest(stores=stores, text="words", vector=vectors_of(1)[0])
        assert sorted(hit.text for hit in search(three, named)) == sorted(words)


def test_the_next_takes_the_place_of_a_hit_that_went_before_it_was_read(corpus, three, vectors_of):
    store_id = corpus.store()
    files = [corpus.add(store_id, [f"words {number}"]) for number in range(6)]
    wanted = request_for(store_id, vectors_of, mode="dense", top_k=3)
    ranked = [hit.file_id for hit in search(three, SearchRequest(**vars(wanted) | {"top_k": 6}))]
    found = [shard.find(wanted) for shard in three]
    corpus.catalog.delete_file(ranked[1])
    left = [file_id for file_id in ranked if file_id != ranked[1]]
    assert sorted(ranked) == sorted(files)
    assert [hit.file_id for hit in three[0].read(found, wanted)] == left[:3]


def test_what_is_refused_by_one_index_is_refused_by_shards(corpus, three, clock, vectors_of):
    with pytest.raises(UnknownStoreError, match="vs_none"):
        search(three, request_for("vs_none", vectors_of))
    expiring = corpus.catalog.create_store(name="docs", expires_after_days=1).id
    corpus.add(expiring, ["words"])
    with pytest.raises(FingerprintMismatchError, match="'words@1', dimension 8"):
        search(three, request_for(expiring, vectors_of, fingerprint="other@1"))
    clock.now += 86_400
    with pytest.raises(ExpiredStoreError):
        search(three, request_for(expiring, vectors_of))


def test_an_emptied_store_takes_another_embedder(corpus, three, vectors_of):
    store_id = corpus.store()
    file_id = corpus.add(store_id, ["words one", "words two", "words three"])
    assert len(search(three, request_for(store_id, vectors_of))) == 3
    corpus.catalog.detach_file(store_id, file_id)
    corpus.catalog.attach_file(store_id, corpus.upload())
    corpus.complete(corpus.claim(), ["new words"], vectors_of(1, dim=4), fingerprint="new@1")
    new = SearchRequest(stores=(store_id,), text="x", vector=vectors_of(1, dim=4)[0])
    assert [hit.text for hit in search(three, new)] == ["new words"]


def test_the_best_by_words_of_four_shards_are_as_good_as_those_of_one_index():
    """Words are as rare as their rank says (Zipf), so many stand in few of 4000 passages."""
    rng = np.random.default_rng(11)
    rarity = 1 / np.arange(1, 2001)
    drawn = rng.choice(2000, (4000, 20), p=rarity / rarity.sum())
    words = [[f"w{word}x" for word in row] for row in drawn]
    whole = indexed(words, Shard())
    parts = [indexed(words, Shard(number, 4)) for number in range(4)]
    shared, worth = [], []
    for row in drawn[::40]:
        text = " ".join(f"w{word}x" for word in rng.choice(row, 5, replace=False))
        request = SearchRequest(stores=("vs",), text=text, mode="lexical")
        found = [ShardScores(dense={}, lexical=part.search_lexical(request, 100)) for part in parts]
        ours, scored = list(join(found, request).fused)[:10], whole.search_lexical(request, 4000)
        best = list(scored)[:10]
        shared.append(len({*ours} & {*best}) / 10)
        worth.append(sum(scored[i] for i in ours) / sum(scored[i] for i in best))
    # A different passage in three places of twenty, and one that is as good.
    assert np.mean(shared) > 0.8
    assert np.mean(worth) > 0.98


def indexed(words, shard):
    """Makes the index of a shard of these passages, one a file."""
    index = StoreIndex()
    index.apply(
        [
            Change(
                number=number, kind="upsert", store_id="vs", file_id=f"file-{number}",
                fingerprint="words@1", vectors=np.ones((1, 2), np.float32),
                passages=(
                    StoredPassage(
                        chunk_id=number, store_id="vs", file_id=f"file-{number}", filename="",
                        title="", text=" ".join(row), char_start=0, char_end=1,
                    ),
                ),
            )
            for number, row in enumerate(words) if number % shard.count == shard.number
        ]
    )  # fmt: skip
    index.publish()
    return index


@pytest.mark.parametrize(("number", "count"), [(2, 2), (-1, 2), (0, 0)])
def test_a_shard_that_is_none_is_refused(number, count):
    with pytest.raises(ValueError, match=f"got {number}"):
        Shard(number, count)


def test_every_shard_of_a_store_moves_to_another_embedder(corpus):
    _, store_id, _, _ = filled(corpus)
    shards = shards_of(corpus.catalog, 3)

    def find_all(**fields):
        return sorted(hit.text for hit in search(shards, moving.request(store_id, **fields)))

    assert find_all() == texts_of(corpus.catalog, store_id)
    assert corpus.catalog.switch_embedder(store_id, NEW)
    put(corpus, store_id, ["words added"])
    assert find_all() == texts_of(corpus.catalog, store_id)
    for shard in shards:
        shard.indexes[store_id].wait()
    assert find_all(embedders=[NEW]) == texts_of(corpus.catalog, store_id)
    sizes = [shard.indexes[store_id].num_passages for shard in shards]
    assert (sum(sizes), max(sizes)) == (31, 11)
