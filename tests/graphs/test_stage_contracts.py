"""What the pipeline may expect of its stages: of the deployments' clients and of the fakes alike.

The clients call the real deployments with the bundled models, in this process and without Ray.
"""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from deployments.embedder import Embedder
from deployments.generator import Generator
from deployments.reranker import Reranker
from deployments.retriever import Retriever
from deployments.safety_filter import SafetyFilter
from graphs.clients import EmbedderClient, RerankerClient, RetrieverClient, SafetyClient
from graphs.config import FailoverSettings, TimeoutSettings
from graphs.failover import ResumingGenerator, Retries
from graphs.generator_client import GeneratorClient, TokenCounters
from graphs.shards import ShardedRetriever
from index.catalog.catalog import Catalog
from index.records import ChunkDraft
from index.searching.request import Hit, SearchRequest
from index.shard import Shard
from models.bundled.prepare import BUNDLED
from models.errors import InvalidInputError
from models.generation import GenerationRequest, Message, Sampling
from models.safety import MODERATION_CATEGORIES, PERSONAL_DATA
from tests.graphs.fake_services import (
    FINGERPRINT,
    FakeEmbedder,
    FakeReranker,
    FakeSafety,
    FoldRetriever,
    word_vector,
)
from tests.graphs.fake_stages import FakeStages
from tests.graphs.local_handle import LocalHandle

# The models are loaded once, on the loop that every test of this file runs on.
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.filterwarnings("ignore"),  # transformers warns at import
]
ROUNDING = 1e-5  # of float32, between batches of another size
MODEL = {"engine": "onnx"}
TEXTS = ["The port is 8000.", "Cats sleep.", "The port is 8000.", "One more, and a longer one."]


def client(kind, deployment):
    retries = Retries(FailoverSettings())
    return kind(LocalHandle(deployment), stage="a stage", timeout_s=60, retries=retries)


def stage(*names):
    """A fixture of the module, once for each of these."""
    return pytest_asyncio.fixture(loop_scope="module", scope="module", params=names)


@stage("deployment", "fake of the pipeline", "fake of the API")
async def embedder(request):
    if request.param != "deployment":
        return FakeStages() if "pipeline" in request.param else FakeEmbedder()
    made = Embedder.func_or_class()
    await made.reconfigure(MODEL | {"model": "bundled:embedder", "matryoshka_dims": [16, 32]})
    return client(EmbedderClient, made)


@pytest.mark.parametrize("kind", ["query", "document"])
async def test_embed_stage_gives_a_unit_vector_a_text_in_their_order(embedder, kind):
    found = await embedder.embed(TEXTS, kind=kind)
    assert (found.vectors.dtype, found.vectors.ndim) == (np.float32, 2)
    assert (found.token_counts.dtype, found.token_counts.shape) == (np.int32, (len(TEXTS),))
    assert np.all(found.token_counts > 0)
    assert found.fingerprint
    assert np.linalg.norm(found.vectors, axis=1) == pytest.approx(1, abs=ROUNDING)
    for row, text in enumerate(TEXTS):
        alone = await embedder.embed([text], kind=kind)
        assert alone.fingerprint == found.fingerprint
        assert alone.vectors[0] == pytest.approx(found.vectors[row], abs=ROUNDING)
    assert found.vectors[0] @ found.vectors[1] < 1 - ROUNDING


async def test_embed_stage_cuts_vectors_and_norms_them_again(embedder):
    whole = (await embedder.embed(TEXTS)).vectors
    cut = (await embedder.embed(TEXTS, dimensions=16)).vectors
    expected = whole[:, :16] / np.linalg.norm(whole[:, :16], axis=1, keepdims=True)
    assert (cut.dtype, cut.shape) == (np.float32, (len(TEXTS), 16))
    assert cut == pytest.approx(expected, abs=ROUNDING)
    with pytest.raises(InvalidInputError, match="got 7"):
        await embedder.embed(TEXTS, dimensions=7)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A catalog with one store of five passages, and its id."""
    catalog = Catalog(f"sqlite:///{tmp_path_factory.mktemp('corpus')}/corpus.db")
    store_id = catalog.create_store(name="docs").id
    file_id = catalog.create_file(filename="a.md", purpose="assistants", data=b"Words.").id
    catalog.attach_file(store_id, file_id)
    texts = [f"Text of {number}, and some words." for number in range(5)]
    drafts = [
        ChunkDraft(text=text, title="A", char_start=n, char_end=n + 1, ordinal=n)
        for n, text in enumerate(texts)
    ]
    vectors = np.stack([word_vector(text) for text in texts])
    catalog.complete_job(catalog.claim_job("test", 60), drafts, vectors, FINGERPRINT)
    yield catalog, store_id
    catalog.close()


@pytest.fixture(params=["deployment", "two shards", "fake of the pipeline", "fake of the API"])
def search(request, corpus):
    """Searches the one store of a stage."""
    catalog, store_id = corpus
    url = catalog._engine.url.render_as_string(hide_password=False)
    match request.param:
        case "deployment":
            made = client(RetrieverClient, Retriever.func_or_class(url))
        case "two shards":
            shards = [Retriever.func_or_class(url, Shard(number=n, count=2)) for n in range(2)]
            made = ShardedRetriever([client(RetrieverClient, one) for one in shards])
        case "fake of the pipeline":
            made, store_id = FakeStages(), "vs_1"
        case _:
            made = FoldRetriever(catalog)

    def ask(text, **fields):
        return made.search(
            SearchRequest(stores=(store_id,), text=text, vector=word_vector(text), **fields)
        )

    ask.store_id = store_id
    return ask


async def test_search_stage_gives_the_best_first_and_no_more_than_asked_for(search):
    hits = await search("Text of 2")
    assert isinstance(hits, tuple)
    assert len(hits) >= 3
    assert all(isinstance(hit, Hit) and hit.text and hit.filename for hit in hits)
    assert {hit.store_id for hit in hits} == {search.store_id}
    assert len({hit.chunk_id for hit in hits}) == len(hits)
    scores = [hit.score for hit in hits]
    assert scores == sorted(scores, reverse=True)
    assert all(hit.dense_score is not None or hit.lexical_score is not None for hit in hits)
    assert await search("Text of 2", top_k=2) == hits[:2]


@stage("deployment", "fake of the pipeline", "fake of the API")
async def reranker(request):
    if request.param != "deployment":
        return FakeStages() if "pipeline" in request.param else FakeReranker()
    made = Reranker.func_or_class()
    await made.reconfigure(MODEL | {"model": "bundled:reranker"})
    return client(RerankerClient, made)


@pytest.mark.parametrize("num_documents", [1, 2, 3])
async def test_rerank_stage_scores_every_document_in_its_place(reranker, num_documents):
    documents = ["Cats sleep a lot.", "The server listens on port 8000.", "Rain fell."]
    found = await reranker.rerank("which port the server listens on", documents[:num_documents])
    assert (found.scores.dtype, found.scores.shape) == (np.float32, (num_documents,))
    assert np.all((found.scores >= 0) & (found.scores <= 1))
    assert found.num_tokens > 0
    assert num_documents == 1 or found.scores.argmax() == 1


@stage("deployment", "fake of the pipeline", "fake of the API")
async def judge(request):
    """A stage, and a text that it flags."""
    if request.param == "fake of the pipeline":
        return FakeStages(harmful="poison"), "Some poison."
    if request.param == "fake of the API":
        return FakeSafety(), "With pii in it."
    made = SafetyFilter.func_or_class()
    await made.reconfigure(MODEL | {"model": "bundled:safety", "flag_personal_data": True})
    return client(SafetyClient, made), "Write to jane.doe@acme-corp.io."


async def test_safety_stage_judges_every_text_in_its_place(judge):
    stage, harmful = judge
    verdicts = await stage.classify(["The weather is fine.", harmful, "Rain fell."])
    assert isinstance(verdicts, tuple)
    assert [verdict.flagged for verdict in verdicts] == [False, True, False]
    for verdict in verdicts:
        assert set(verdict.scores) >= {*MODERATION_CATEGORIES, PERSONAL_DATA}
        assert all(0 <= score <= 1 for score in verdict.scores.values())
        assert verdict.flagged == bool(verdict.flagged_categories)
        assert set(verdict.flagged_categories) <= set(verdict.scores)
    alone = await stage.classify([harmful])
    assert alone[0].flagged_categories == verdicts[1].flagged_categories


class Unserved(Generator.func_or_class):
    """Serve awaits `__del__`; Python itself cannot."""

    def __del__(self):
        pass


@dataclass(frozen=True, kw_only=True)
class Writer:
    """A stage that generates, and what counts the slots that it has given away."""

    stage: Any
    count_open: Any

    async def read(self, **fields):
        return [chunk async for chunk in self.stage.stream(ask(**fields))]


def ask(**fields):
    messages = (Message(role="user", content="Tell me which port the API listens on."),)
    sampling = Sampling(temperature=0.0, max_tokens=8)
    return GenerationRequest(request_id="r", messages=messages, sampling=sampling, **fields)


@stage("deployment", "fake of the pipeline")
async def writer(request):
    if request.param == "fake of the pipeline":
        fake = FakeStages()

        async def count_open():
            return fake.num_streams_open

        yield Writer(stage=fake, count_open=count_open)
        return
    made = Unserved()
    options = {"cache_tokens": 8192, "max_concurrent_requests": 2, "dtype": "float32"}
    model = str(BUNDLED / "generator-full")  # without GPTQ's kernels, which take longer to load
    await made.reconfigure({"model": model, "engine_options": options})
    try:
        one = GeneratorClient(
            LocalHandle(made), timeouts=TimeoutSettings(), retries=Retries(FailoverSettings()),
            counters=TokenCounters(),
        )  # fmt: skip
        resuming = ResumingGenerator(one, FailoverSettings())
        yield Writer(stage=resuming, count_open=made.num_active_streams)
    finally:  # its thread would keep the whole test run from ending
        await Generator.func_or_class.__del__(made)


async def test_generate_stage_counts_the_tokens_of_its_own_model(writer):
    counter = await writer.stage.tokens()
    assert 0 < counter.profile.max_answer_tokens < counter.profile.context_tokens
    counts = counter.count(["word", "word and word and word", "word"])
    assert (counts.dtype, counts.shape) == (np.int32, (3,))
    assert 0 < counts[0] == counts[2] < counts[1]
    chunks = await writer.read()
    assert {chunk.identity for chunk in chunks} == {counter.profile.identity.digest}


async def test_generate_stage_gives_chunks_that_meet_and_ends_with_a_reason(writer):
    chunks = await writer.read()
    position = 0
    for chunk in chunks:
        assert chunk.position == position
        position += len(chunk.token_ids)
    assert position > 2
    assert all(chunk.finish_reason is None for chunk in chunks[:-1])
    assert chunks[-1].finish_reason in {"stop", "length"}
    assert chunks[-1].num_prompt_tokens > 0
    assert {chunk.attempt for chunk in chunks} == {0}
    assert "".join(chunk.text for chunk in chunks).strip()


async def test_generate_stage_goes_on_after_what_was_delivered(writer):
    ids = [token for chunk in await writer.read() for token in chunk.token_ids]
    rest = await writer.read(delivered_token_ids=tuple(ids[:2]))
    assert rest[0].position == 2
    assert [token for chunk in rest for token in chunk.token_ids] == ids[2:]


async def test_generate_stage_frees_the_slot_of_a_stream_that_is_closed(writer):
    assert await writer.count_open() == 0
    async with aclosing(writer.stage.stream(ask())) as chunks:
        chunk = await anext(chunks)
        assert chunk.finish_reason is None
        assert await writer.count_open() == 1
    for _ in range(1000):  # Serve, too, lets the end of a closed stream be waited for by nobody
        if await writer.count_open() == 0:
            break
        await asyncio.sleep(0.01)
    assert await writer.count_open() == 0
