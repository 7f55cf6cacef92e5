"""Searching with more than the question: other wordings, or an imagined answer."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from graphs.caller import DEFAULT_CALLER
from graphs.config import GatewayConfig
from graphs.errors import OverloadedError, StageUnavailableError
from graphs.pipeline.events import ChatRequest
from graphs.pipeline.retrieval import Retrieval, Scope
from graphs.pipeline.stages import Stages
from graphs.pipeline.trace import Trace
from index.searching.request import Hit
from models.embedder import Embeddings
from models.generation import GenerationChunk, Message
from models.reranker import RerankScores
from tests.graphs.fake_stages import word_counter

ASKED = "How large may a file be?"


def hit(number, context=""):
    return Hit(
        chunk_id=number, store_id="vs", file_id=f"file-{number}", filename="a.md", title="A",
        text=f"Text {number}.", char_start=0, char_end=7, page=None, attributes={},
        score=1.0, dense_score=0.9, lexical_score=None, context=context,
    )  # fmt: skip


class Fakes:
    """Embeds a text as its number in `texts`; finds what `found` says for each text."""

    def __init__(self, written="", found=None, error=None, delay_s=0.0):
        self.written, self.found, self.error, self.delay_s = written, found or {}, error, delay_s
        self.embedded, self.searches, self.prompts = [], [], []

    async def embed(self, texts, *, kind="document"):
        self.embedded += [(text, kind) for text in texts]
        angles = [0.0 if kind == "query" else np.pi / 2 for _ in texts]
        vectors = np.asarray([(np.cos(a), np.sin(a)) for a in angles], np.float32)
        return Embeddings(
            vectors=vectors, token_counts=np.ones(len(texts), np.int32), fingerprint="fake"
        )

    async def search(self, request):
        self.searches.append(request)
        return self.found.get(request.text, (hit(1),))

    async def rerank(self, query, documents):
        scores = np.linspace(0.9, 0.6, len(documents), dtype=np.float32)
        return RerankScores(scores=scores, num_tokens=1)

    async def tokens(self):
        return word_counter(context_tokens=4000, max_answer_tokens=100)

    async def stream(self, request):
        self.prompts.append(request)
        await asyncio.sleep(self.delay_s)
        if self.error:
            raise self.error
        yield GenerationChunk(
            position=0, token_ids=(1,), text=self.written, finish_reason="stop",
            num_prompt_tokens=1,
        )  # fmt: skip


async def find(fakes, options=None, **settings):
    config = GatewayConfig.model_validate({"retrieval": settings})
    stages = Stages(
        embedder=fakes, retriever=fakes, reranker=fakes, judge=fakes, safety=None, generator=fakes
    )
    request = ChatRequest(
        request_id="r",
        messages=(Message(role="user", content=ASKED),),
        stores=("vs",),
        retrieval=config.retrieval.overridden(options or {}),
    )
    trace = Trace("r")
    return await Retrieval(config, stages).evidence(request, trace), trace


async def test_without_expansion_the_generator_writes_nothing():
    fakes = Fakes()
    await find(fakes)
    assert not fakes.prompts
    assert [search.text for search in fakes.searches] == [ASKED]


@pytest.mark.parametrize(
    "written",
    [
        "What is the file size limit?\nBiggest upload?",
        "1. What is the file size limit?\n\n- Biggest upload?\n",
    ],
)
async def test_each_wording_is_searched_for_and_the_rankings_are_fused(written):
    found = {
        ASKED: (hit(1), hit(2)),
        "What is the file size limit?": (hit(3), hit(2)),
        "Biggest upload?": (hit(2),),
    }
    fakes = Fakes(written, found)
    result, trace = await find(fakes, expand="multi_query")
    assert [search.text for search in fakes.searches] == list(found)
    assert [kind for _, kind in fakes.embedded] == ["query"] * 3
    assert result.passages[0].file_id == "file-2"  # in all three rankings
    assert result.search_query == ASKED
    assert not trace.degraded


async def test_an_imagined_answer_joins_the_vector_and_not_the_words():
    fakes = Fakes("A file may have 32 megabytes.")
    await find(fakes, expand="hyde")
    (search,) = fakes.searches
    assert search.text == ASKED
    assert search.vector == pytest.approx([np.sqrt(0.5), np.sqrt(0.5)])
    assert fakes.embedded == [(ASKED, "query"), ("A file may have 32 megabytes.", "document")]


@pytest.mark.parametrize("expand", ["multi_query", "hyde"])
@pytest.mark.parametrize(
    "trouble",
    [{"error": StageUnavailableError("down")}, {"error": OverloadedError("full")}, {"delay_s": 5}],
)
async def test_a_slow_or_lost_generator_leaves_the_question_alone(expand, trouble):
    fakes = Fakes("Other words?", **trouble)
    result, trace = await find(fakes, expand=expand, expand_timeout_s=0.05)
    assert [search.text for search in fakes.searches] == [ASKED]
    assert trace.degraded == ("expand",)
    assert result.passages


async def test_a_request_chooses_for_itself():
    fakes = Fakes("Other words?")
    await find(fakes, {"expand": "multi_query", "diversity": 0.5, "neighbours": 2})
    assert [search.text for search in fakes.searches] == [ASKED, "Other words?"]
    assert {(search.diversity, search.neighbours) for search in fakes.searches} == {(0.5, 2)}
    fakes = Fakes("Other words?")
    await find(fakes, {"expand": "off", "neighbours": None}, expand="multi_query", neighbours=1)
    assert [search.neighbours for search in fakes.searches] == [1]


async def test_the_generator_reads_a_passage_with_its_neighbours():
    result, _ = await find(Fakes(found={ASKED: (hit(1, context="Before. Text 1. After."),)}))
    (passage,) = result.passages
    assert (passage.text, passage.excerpt) == ("Text 1.", "Before. Text 1. After.")


class SeveralEmbedders(Fakes):
    """Queries come with what another embedder makes of them."""

    async def embed(self, texts, *, kind="document"):
        embeddings = await super().embed(texts, kind=kind)
        if kind == "document":
            return embeddings
        rows = np.arange(len(texts), dtype=np.float32)[:, None]
        return replace(embeddings, others=(replace(embeddings, vectors=rows, fingerprint="other"),))


@pytest.mark.parametrize("expand", ["off", "multi_query", "hyde"])
async def test_every_search_carries_the_vectors_of_all_embedders(expand):
    fakes = SeveralEmbedders("One wording?\nTwo wordings?")
    await find(fakes, expand=expand)
    others = [request.others["other"].tolist() for request in fakes.searches]
    assert others == ([[0.0], [1.0], [2.0]] if expand == "multi_query" else [[0.0]])
    assert {request.fingerprint for request in fakes.searches} == {"fake"}


async def searched(fakes, *queries, **settings):
    config = GatewayConfig.model_validate({"retrieval": settings})
    stages = Stages(
        embedder=fakes, retriever=fakes, reranker=fakes, judge=fakes, safety=None, generator=fakes
    )
    scope = Scope(caller=DEFAULT_CALLER, stores=None, filters=None, settings=config.retrieval)
    trace = Trace("r")
    return await Retrieval(config, stages).search(queries, scope, trace), trace


class RerankerLostAfter(Fakes):
    """Answers so many times, then not any more."""

    num_answers = 1

    async def rerank(self, query, documents):
        self.num_answers -= 1
        if self.num_answers < 0:
            raise OverloadedError("full")
        return RerankScores(scores=np.full(len(documents), 0.03, np.float32), num_tokens=1)


async def test_queries_that_were_reranked_and_others_are_measured_on_one_scale():
    low = (replace(hit(1), score=0.5), replace(hit(2), score=0.4))
    fakes = RerankerLostAfter(found={"a": low, "b": (replace(hit(3), score=0.9),)})
    found, trace = await searched(fakes, "a", "b")
    assert [one.hit.chunk_id for one in found] == [3, 1, 2]
    assert not any(one.is_reranked for one in found)
    assert trace.degraded == ("rerank",)


async def test_all_queries_of_a_search_are_embedded_by_one_call():
    class Counting(Fakes):
        num_calls = 0

        async def embed(self, texts, *, kind="document", dimensions=None):
            self.num_calls += 1
            return await super().embed(texts, kind=kind)

    fakes = Counting()
    await searched(fakes, *"abcdef")
    assert fakes.num_calls == 1
    assert sorted(search.text for search in fakes.searches) == list("abcdef")


async def test_a_search_that_fails_stops_the_others_and_few_run_at_once():
    class Slow(Fakes):
        num_running = num_most = num_ended = 0

        async def search(self, request):
            self.num_running += 1
            self.num_most = max(self.num_most, self.num_running)
            try:
                await asyncio.sleep(0.01 if request.text == "a" else 60)
                raise StageUnavailableError("down")
            finally:
                self.num_running -= 1

    fakes = Slow()
    with pytest.raises(StageUnavailableError):
        await searched(fakes, *"abcdefgh")
    assert (fakes.num_running, fakes.num_most) == (0, 4)
