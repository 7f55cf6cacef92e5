import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from index.catalog.schema import chunks, store_files
from index.errors import (
    ClosedCatalogError,
    CorpusUnavailableError,
    ExpiredStoreError,
    LostLeaseError,
    UnknownStoreError,
)
from index.searching.filters import parse_filter
from index.searching.fold import Fold
from index.searching.lexical import LexicalIndex
from index.searching.request import SearchRequest
from index.shard import Shard
from tests.index.moving import NEW, filled

# Weighted: most examples should have several indexed files when one of them changes or goes.
ACTS = ["attach", "detach", "delete_file", "delete_store", "attributes"]
ACTS += ["complete"] * 4 + ["attach and complete"] * 4 + ["fold"] * 3


def request(store_id, vector, **fields):
    return SearchRequest(stores=(store_id,), text="words", vector=vector, **fields)


def folded(fold):
    """Which passages a fold holds, and what filters say of them: sets of ids by attribute."""
    held = {
        (store_id, chunk_id)
        for store_id, index in fold.indexes.items()
        for chunk_id in index.chunk_ids.tolist()
    }
    passing = {}
    for value in range(30):
        for key in ("at", "changed"):
            wanted = parse_filter({"type": "eq", "key": key, "value": value})
            ids = found(fold, filters=wanted)
            assert ids[0] == ids[1]
            if ids[0]:
                passing[key, value] = ids[0]
    return held, passing


def stored(catalog):
    """The same, read from the tables."""
    query = select(chunks, store_files.c.attributes).join(
        store_files,
        (store_files.c.store_id == chunks.c.store_id) & (store_files.c.file_id == chunks.c.file_id),
    )
    held, passing = set(), defaultdict(set)
    with catalog._read() as connection:
        for row in connection.execute(query):
            held.add((row.store_id, row.id))
            for attribute in row.attributes.items():
                passing[attribute].add(row.id)
    return held, passing


def of_shard(whole, number, count):
    """What a shard holds of the whole."""
    held, passing = whole
    mine = {key: {i for i in ids if i % count == number} for key, ids in passing.items()}
    return {(store_id, i) for store_id, i in held if i % count == number}, {
        key: ids for key, ids in mine.items() if ids
    }


def act(corpus, name, store_id, file_id, number):
    catalog = corpus.catalog
    attached = {file.file_id for file in catalog.list_store_files(store_id).items}
    match name:
        case "attach" | "attach and complete":
            catalog.attach_file(store_id, file_id, attributes={"at": number})
    match name:
        case "complete" | "attach and complete":
            job = catalog.claim_job("a", 60)
            if job:
                corpus.complete(job, [f"words {number} {i}" for i in range(number % 3)])
        case "attributes" if file_id in attached:
            catalog.update_attributes(store_id, file_id, {"changed": number})
        case "detach" if file_id in attached:
            catalog.detach_file(store_id, file_id)
        case "delete_file":
            catalog.delete_file(file_id)
        case "delete_store":
            catalog.delete_store(store_id)


@settings(max_examples=10)
@given(
    st.lists(
        st.tuples(st.sampled_from(ACTS), st.integers(0, 1), st.integers(0, 2)),
        min_size=10,
        max_size=25,
    )
)
def test_a_fold_equals_a_replay_from_scratch_equals_the_catalog(make_corpus, acts):
    corpus = make_corpus()
    stores, files = [corpus.store(), corpus.store()], [corpus.upload() for _ in range(3)]
    fold = Fold(corpus.catalog)
    shards = [Fold(corpus.catalog, Shard(number, 2)) for number in range(2)]
    for number, (name, store, file) in enumerate(acts):
        if name == "fold":
            fold.catch_up()
            shards[number % 2].catch_up()
        act(corpus, name, stores[store], files[file], number)
        if name == "delete_file":
            files[file] = corpus.upload()
        if name == "delete_store":
            stores[store] = corpus.store()
    replay = Fold(corpus.catalog)
    assert fold.catch_up() == replay.catch_up() == corpus.catalog.head()
    assert folded(fold) == folded(replay) == stored(corpus.catalog)
    ids = {chunk_id for _, chunk_id in stored(corpus.catalog)[0]}
    assert found(fold) == found(replay) == (ids, ids)
    for number, shard in enumerate(shards):
        assert shard.catch_up() == corpus.catalog.head()
        assert folded(shard) == of_shard(stored(corpus.catalog), number, len(shards))
    corpus.catalog.close()


def test_writers_that_race_leave_log_tables_and_search_in_step(corpus):
    stores, files = [corpus.store(), corpus.store()], [corpus.upload() for _ in range(3)]

    def work(seed):
        random = Random(seed)
        for number in range(15):
            name = random.choice(["attach", "attach and complete", "complete", *ACTS[:4]])
            at = random.randrange(3)
            with suppress(LookupError, LostLeaseError):  # another writer was faster
                act(corpus, name, random.choice(stores), files[at], number)
                if name == "delete_file":
                    files[at] = corpus.upload()
                if name == "delete_store":
                    stores[:] = [corpus.store(), corpus.store()]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    fold, head = Fold(corpus.catalog), corpus.catalog.head()
    numbers = [change.number for change in corpus.catalog.changes_since(0, limit=1000)]
    assert numbers == list(range(1, head + 1))
    assert fold.catch_up() == head
    assert folded(fold) == stored(corpus.catalog)


def found(fold, **fields):
    """The ids that each of the two searches can reach, over all stores."""
    everything = request("any", np.eye(1, 8, dtype=np.float32)[0], top_k=1000, **fields)
    indexes = fold.indexes.values()
    dense = {i for index in indexes for i in index.search_dense(everything, 1000)}
    lexical = {i for index in indexes for i in index.search_lexical(everything, 1000)}
    return dense, lexical


def test_a_search_sees_what_was_committed_before_it(corpus, vectors_of):
    fold, store_id, (vector,) = Fold(corpus.catalog), corpus.store(), vectors_of(1)
    assert fold.search(request(store_id, vector)) == ()
    file_id = corpus.add(store_id, ["other", "words"], lang="en")
    first, second = fold.search(request(store_id, vector))
    assert (first.file_id, first.text, first.attributes) == (file_id, "words", {"lang": "en"})
    assert (first.lexical_score is None, second.lexical_score) == (False, None)
    corpus.add(store_id, ["newer words"])
    assert len(fold.search(request(store_id, vector))) == 3
    corpus.catalog.detach_file(store_id, file_id)
    assert [hit.text for hit in fold.search(request(store_id, vector))] == ["newer words"]


def test_a_changed_attribute_changes_what_a_filter_lets_through(corpus, vectors_of):
    fold, store_id, (vector,) = Fold(corpus.catalog), corpus.store(), vectors_of(1)
    file_id = corpus.add(store_id, ["words"], lang="en")
    german = parse_filter({"type": "eq", "key": "lang", "value": "de"})
    assert fold.search(request(store_id, vector, filters=german)) == ()
    corpus.catalog.update_attributes(store_id, file_id, {"lang": "de"})
    assert len(fold.search(request(store_id, vector, filters=german))) == 1


def test_stores_are_kept_apart_and_searched_together(corpus, vectors_of):
    fold, (vector,) = Fold(corpus.catalog), vectors_of(1)
    one, two = corpus.store("one"), corpus.store("two")
    corpus.add(one, ["words one"])
    corpus.add(two, ["words two"])
    assert [hit.text for hit in fold.search(request(one, vector))] == ["words one"]
    for stores in [(one, two, one), (one, "two"), None]:
        both = SearchRequest(stores=stores, text="words", vector=vector)
        assert sorted(hit.text for hit in fold.search(both)) == ["words one", "words two"]


def test_a_store_that_is_unknown_deleted_or_expired_is_refused(corpus, clock, vectors_of):
    fold, store_id, (vector,) = Fold(corpus.catalog), corpus.store(), vectors_of(1)
    corpus.add(store_id, ["words"])
    fold.catch_up()
    corpus.catalog.delete_store(store_id)
    fold.catch_up()
    assert fold.indexes == {}
    for gone in ("vs_none", store_id):
        with pytest.raises(UnknownStoreError, match=gone):
            fold.search(request(gone, vector))
    expiring = corpus.catalog.create_store(name="docs", expires_after_days=1).id
    clock.now += 86_400
    with pytest.raises(ExpiredStoreError):
        fold.search(request(expiring, vector))


def test_searches_from_many_threads_while_files_arrive_are_whole(corpus, vectors_of):
    fold, store_id, (vector,) = Fold(corpus.catalog), corpus.store(), vectors_of(1)
    counts: list[int] = []

    def read():
        counts.extend(len(fold.search(request(store_id, vector))) for _ in range(5))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for _ in range(4):
        corpus.add(store_id, ["words one", "words two"])
    for reader in readers:
        reader.join()
    assert len(counts) == 15
    assert set(counts) <= {0, 2, 4, 6, 8}
    assert len(fold.search(request(store_id, vector))) == 8


def test_a_fold_that_failed_midway_starts_over_and_ends_whole(corpus, vectors_of, monkeypatch):
    store_id, (vector,) = corpus.store(), vectors_of(1)
    corpus.add(store_id, ["words one"])
    fold = Fold(corpus.catalog)
    fold.catch_up()
    corpus.add(store_id, ["words two"])
    with monkeypatch.context() as broken:
        broken.setattr(LexicalIndex, "publish", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fold.search(request(store_id, vector))
    assert {hit.text for hit in fold.search(request(store_id, vector))} == {
        "words one",
        "words two",
    }


def test_a_database_that_fails_midway_costs_no_work_that_is_done(corpus, vectors_of, monkeypatch):
    store_id, (vector,) = corpus.store(), vectors_of(1)
    for number in range(3):
        corpus.add(store_id, [f"words {number}"])
    monkeypatch.setattr("index.searching.fold.CHANGES_A_STEP", 1)
    fold, changes_since = Fold(corpus.catalog), corpus.catalog.changes_since

    def fail_at_two(number, limit, shard):
        if number == 2:
            raise CorpusUnavailableError("gone")
        return changes_since(number, limit, shard)

    with monkeypatch.context() as broken:
        broken.setattr(corpus.catalog, "changes_since", fail_at_two)
        with pytest.raises(CorpusUnavailableError):
            fold.catch_up()
    index = fold.indexes[store_id]
    assert fold.number == 2
    assert len(fold.search(request(store_id, vector))) == 3
    assert found(fold)[0] == found(fold)[1]
    assert fold.indexes[store_id] is index


def test_the_building_ends_with_the_catalog(corpus, monkeypatch):
    """Not with a warning a second for as long as the process lives."""
    _, store_id, _, fold = filled(corpus)
    catalog, store_contents = corpus.catalog, corpus.catalog.store_contents

    def close_first(*arguments):
        catalog.close()
        return store_contents(*arguments)

    monkeypatch.setattr(catalog, "store_contents", close_first)
    assert catalog.switch_embedder(store_id, NEW)
    fold.catch_up()
    fold.indexes[store_id].wait()
    with pytest.raises(ClosedCatalogError):
        catalog.head()
