"""The fan-out over shards, with real indexes and without deployments around them."""

import pytest

from deployments.retriever import retriever_names
from graphs.errors import StageUnavailableError
from graphs.shards import ShardedRetriever
from index.searching.fold import Fold
from index.searching.request import SearchRequest
from index.shard import Shard
from tests.graphs.fake_services import word_vector


class FoldShard:
    """A shard; notes what was asked of it."""

    def __init__(self, catalog, number, count, error=None):
        self._fold = Fold(catalog, Shard(number, count))
        self._error = error
        self.calls = []

    async def find(self, request):
        self.calls.append("find")
        if self._error:
            raise self._error
        return self._fold.find(request)

    async def read(self, found, request):
        self.calls.append("read")
        return self._fold.read(found, request)


@pytest.fixture
async def store_id(api_openai, api_ingest):
    store = await api_openai.vector_stores.create(name="docs")
    for number in range(8):
        file = await api_openai.files.create(
            file=(f"{number}.txt", f"the port of node {number} is open".encode()),
            purpose="assistants",
        )
        await api_openai.vector_stores.files.create(file_id=file.id, vector_store_id=store.id)
    api_ingest()
    return store.id


def request(store_id, text="the port of node 5"):
    return SearchRequest(stores=(store_id,), text=text, vector=word_vector(text), top_k=3)


async def test_every_shard_is_asked_and_one_reads_the_hits(api_catalog, store_id):
    shards = [FoldShard(api_catalog, number, 3) for number in range(3)]
    hits = await ShardedRetriever(shards).search(request(store_id))
    assert hits[0].text == "the port of node 5 is open"
    whole = Fold(api_catalog).search(request(store_id))
    # FAISS adds the products of a row in another order when the index has another size.
    wanted = sorted(hit.dense_score for hit in whole)
    assert sorted(hit.dense_score for hit in hits) == pytest.approx(wanted, abs=1e-6)
    assert [shard.calls[0] for shard in shards] == ["find"] * 3
    assert sum("read" in shard.calls for shard in shards) == 1


async def test_a_shard_that_does_not_answer_fails_the_search(api_catalog, store_id):
    down = FoldShard(api_catalog, 1, 2, StageUnavailableError("Retriever1 is not available"))
    shards = [FoldShard(api_catalog, 0, 2), down]
    with pytest.raises(StageUnavailableError, match="Retriever1"):
        await ShardedRetriever(shards).search(request(store_id))
    assert "read" not in shards[0].calls


def test_one_shard_keeps_its_name():
    assert retriever_names(1) == ("Retriever",)
    assert retriever_names(3) == ("Retriever0", "Retriever1", "Retriever2")
