"""Fakes of the HTTP layer's services, around the real catalog, parser and search."""

import shutil
from collections.abc import AsyncIterator, Callable

import httpx
import httpx2
import numpy as np
import pytest
from cohere import AsyncClientV2
from openai import AsyncOpenAI

from graphs.api.app import build_app
from graphs.api.services import Services
from graphs.config import GatewayConfig, HttpSettings
from graphs.pipeline.events import (
    Citation,
    Finished,
    Passage,
    Retrieved,
    StageTime,
    TextDelta,
    Usage,
)
from graphs.pipeline.retrieval import Retrieval
from graphs.pipeline.stages import Stages
from graphs.settings import ServedNames
from index.access import Viewer
from index.catalog.catalog import Catalog
from index.chunk import chunk
from index.errors import InvalidFileError, UnsupportedFileError
from index.parsing.parse import parse
from index.records import Chunking
from tests.graphs.fake_services import (
    FINGERPRINT,
    FakeCorpora,
    FakeEmbedder,
    FakePipeline,
    FakeReranker,
    FakeSafety,
    FoldRetriever,
    word_vector,
)
from tests.graphs.serving import in_app


def small_config():
    names = ServedNames(
        generator="local/generator",
        embedder="bundled:embedder",
        reranker="bundled:reranker",
        safety="bundled:safety",
    )
    http = HttpSettings(
        max_body_bytes=64 * 1024,
        max_file_bytes=128 * 1024,
        max_inputs=8,
        max_documents=8,
        max_moderation_chars=1000,
    )
    return GatewayConfig(served_names=names, http=http)


@pytest.fixture
def api_config():
    return small_config()


@pytest.fixture(scope="session")
def _api_empty_database(tmp_path_factory):
    """Creating the tables costs several fsyncs; each test gets a copy."""
    path = tmp_path_factory.mktemp("corpus") / "corpus.db"
    Catalog(f"sqlite:///{path}")
    return path


@pytest.fixture
def api_catalog(tmp_path, _api_empty_database):
    shutil.copy(_api_empty_database, tmp_path / "corpus.db")
    return Catalog(f"sqlite:///{tmp_path}/corpus.db")


@pytest.fixture
def api_pipeline(api_passage, api_config, api_catalog, api_embedder):
    pipeline = FakePipeline()
    stages = Stages(
        embedder=api_embedder, retriever=FoldRetriever(api_catalog), reranker=FakeReranker(),
        judge=FakeReranker(), safety=None, generator=None,
    )  # fmt: skip
    pipeline.retrieval = Retrieval(api_config, stages)
    pipeline.script = [
        Retrieved(
            passages=(api_passage,),
            search_query="where do requests wait",
            timings=(StageTime(stage="retrieve", latency_ms=4.25),),
        ),
        TextDelta(text="Requests wait in a "),
        TextDelta(text="bounded queue. [1]"),
        Citation(start=34, end=37, passage=api_passage),
        Finished(
            finish_reason="stop",
            usage=Usage(num_prompt_tokens=20, num_completion_tokens=9),
            timings=(
                StageTime(stage="retrieve", latency_ms=4.25),
                StageTime(stage="generate", latency_ms=90.0),
            ),
        ),
    ]
    return pipeline


@pytest.fixture
def api_passage():
    return Passage(
        number=1,
        chunk_id="7",
        file_id="file-1",
        filename="handbook.md",
        title="Queues > Bounds",
        text="Requests wait in a bounded queue.",
        excerpt="Requests wait in a bounded queue.",
        char_start=10,
        char_end=43,
        score=0.9,
        attributes={},
    )


@pytest.fixture
def api_embedder():
    return FakeEmbedder()


@pytest.fixture
def api_services(api_config, api_catalog, api_pipeline, api_embedder):
    return Services(
        config=api_config,
        pipeline=api_pipeline,
        embedder=api_embedder,
        reranker=FakeReranker(),
        safety=FakeSafety(),
        retriever=FoldRetriever(api_catalog),
        corpus=FakeCorpora(api_catalog),
    )


@pytest.fixture(scope="session")
def _api_shared_app():
    """Building takes 0.2 s, so all tests share one application and each puts its services in."""
    nobody = dict.fromkeys(("pipeline", "embedder", "reranker", "safety", "retriever", "corpus"))
    return build_app(Services(config=small_config(), **nobody))


@pytest.fixture
async def api_app(_api_shared_app, api_services):
    async with in_app(_api_shared_app, api_services) as app:
        yield app


@pytest.fixture
async def api_http(api_app) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=api_app)
    async with httpx.AsyncClient(transport=transport, base_url="http://ragfleet") as client:
        yield client


@pytest.fixture
async def api_openai(api_app) -> AsyncIterator[AsyncOpenAI]:
    transport = httpx2.ASGITransport(app=api_app)
    async with AsyncOpenAI(
        api_key="none",
        base_url="http://ragfleet/v1",
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=transport),
    ) as client:
        yield client


@pytest.fixture
async def api_cohere(api_app) -> AsyncIterator[AsyncClientV2]:
    transport = httpx.ASGITransport(app=api_app)
    async with httpx.AsyncClient(transport=transport) as http:
        yield AsyncClientV2(api_key="none", base_url="http://ragfleet", httpx_client=http)


@pytest.fixture
def api_ingest(api_catalog) -> Callable[[], None]:
    """Does every waiting job as the Ingester would, with the fake embedder's vectors."""

    def token_spans(text):
        ends = [index for index, char in enumerate(text) if char == " "] + [len(text)]
        return list(zip([0, *[end + 1 for end in ends[:-1]]], ends, strict=True))

    def ingest():
        while (job := api_catalog.claim_job("test", 60.0)) is not None:
            seen = api_catalog.seen_by(Viewer(tenant=job.tenant))
            try:
                document = parse(job.filename, seen.file_content(job.file_id))
            except (InvalidFileError, UnsupportedFileError) as error:
                api_catalog.fail_job(job, error.code, str(error))
                continue
            chunking = job.chunking or Chunking(max_chunk_tokens=40)
            drafts = chunk(document, chunking, token_spans)
            vectors = np.stack([word_vector(draft.text) for draft in drafts])
            api_catalog.complete_job(job, drafts, vectors, FINGERPRINT)

    return ingest
