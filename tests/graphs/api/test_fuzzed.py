"""Requests made up from our own OpenAPI description: no 5xx, and no reply outside its schema.

Keys are required, and each request has one that may everything. A few requests an operation here;
`make fuzz` tries 300. RAGFLEET_FUZZ_EXAMPLES says how many, and
RAGFLEET_FUZZ_ONLY, a regular expression such as `POST /v1/chat`, which operations. The log tells
of each operation as it ends.
"""

import asyncio
import dataclasses
import logging
import os
import re

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openai import AsyncOpenAI

from graphs.caller import EVERY_SCOPE
from graphs.config import GatewayConfig
from graphs.pipeline.rag import RagPipeline
from graphs.pipeline.stages import Stages
from graphs.settings import AuthSettings
from index.catalog.keys.records import KeyGrant
from tests.graphs.fake_services import FakeReranker, FakeSafety
from tests.graphs.fake_stages import FakeStages
from tests.graphs.serving import serving

logger = logging.getLogger(__name__)
schemathesis = pytest.importorskip("schemathesis", reason="pip install schemathesis")

NUM_EXAMPLES = int(os.environ.get("RAGFLEET_FUZZ_EXAMPLES", "2"))
CHECKS = [
    "not_a_server_error", "response_schema_conformance", "status_code_conformance",
    "content_type_conformance",
]  # fmt: skip
ONLY = re.compile(os.environ.get("RAGFLEET_FUZZ_ONLY", ""))
MODELS = ["rag", "local/generator", "bundled:embedder", "bundled:reranker", "bundled:safety"]
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(3600)]


class Answering(RagPipeline):
    """The real pipeline over fakes of the models."""

    async def ready(self):
        return {"generator": True, "safety": True}


@pytest.fixture
def api_config(api_config):
    return GatewayConfig(**{**vars(api_config), "auth": AuthSettings(keys=True)})


@pytest.fixture
def key(api_catalog):
    return api_catalog.create_key(KeyGrant(scopes=EVERY_SCOPE)).token


@pytest.fixture
async def url(api_app, api_services):
    fake = FakeStages()
    stages = Stages(
        embedder=api_services.embedder, retriever=api_services.retriever, judge=FakeReranker(),
        reranker=FakeReranker(), safety=FakeSafety(), generator=fake,
    )  # fmt: skip
    pipeline = Answering(api_services.config, stages)
    api_app.state.services = dataclasses.replace(api_services, pipeline=pipeline, tokens=fake)
    async with serving(api_app) as served:
        yield served


async def known_ids(url, key):
    """Makes one of each, so that made-up requests also find something."""
    async with AsyncOpenAI(api_key=key, base_url=url, max_retries=0) as client:
        file = await client.files.create(file=("a.txt", b"Requests wait."), purpose="assistants")
        store = await client.vector_stores.create(file_ids=[file.id])
        batch = await client.vector_stores.file_batches.create(store.id, file_ids=[file.id])
        response = await client.responses.create(model="rag", input="Where?")
        said = {"type": "message", "role": "user", "content": "Hi."}
        talk = await client.conversations.create(items=[said])
        item = (await client.conversations.items.list(talk.id)).data[0]
        upload = await client.uploads.create(
            bytes=9, filename="a.txt", mime_type="text/plain", purpose="assistants"
        )
    return {
        "file_id": [file.id], "store_id": [store.id], "batch_id": [batch.id],
        "response_id": [response.id], "conversation_id": [talk.id], "item_id": [item.id],
        "upload_id": [upload.id], "model_id": MODELS, "model": MODELS, "stream": [True, False],
        "previous_response_id": [response.id], "file_ids": [[file.id]],
    }  # fmt: skip


def tried(operation, url, key, known):
    """Sends requests to an operation; gives what is wrong with the replies."""
    wrong = {}
    headers = {"authorization": f"Bearer {key}"}

    @given(operation.as_strategy(), st.randoms(use_true_random=False))
    @settings(
        max_examples=NUM_EXAMPLES, phases=[Phase.generate], deadline=None, database=None,
        derandomize=True, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    def send(case, dice):
        for values in (case.path_parameters, case.body):
            for name in set(values if isinstance(values, dict) else ()) & set(known):
                if dice.random() < 0.7:
                    values[name] = dice.choice(known[name])
        response = case.call(base_url=url, timeout=60, headers=headers)
        for check in schemathesis.checks.CHECKS.get_by_names(CHECKS):
            try:
                case.validate_response(response, checks=[check])
            except schemathesis.core.failures.FailureGroup as group:
                for one in group.exceptions:
                    wrong.setdefault((response.status_code, type(one).__name__), str(one)[:2000])

    send()
    return wrong


async def test_no_made_up_request_breaks_the_server_or_its_description(api_app, url, key):
    description = await asyncio.to_thread(api_app.openapi)
    schema = schemathesis.openapi.from_dict(description)
    known = await known_ids(url, key)
    wrong = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        if not ONLY.search(operation.label):
            continue
        found = await asyncio.to_thread(tried, operation, url.removesuffix("/v1"), key, known)
        logger.info("%s: %d kinds of faults %s", operation.label, len(found), found or "")
        wrong |= {(operation.label, *key): what for key, what in found.items()}
    assert wrong == {}
