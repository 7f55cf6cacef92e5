"""Requests made up from our own OpenAPI description: no 5xx, and no reply outside its schema.

Keys are required, and each request comes four times: with a key that has expired, with none, with
one of another tenant, with one that may everything. Who has no key gets 401 and nothing else; to
another tenant, what exists is like what does not: each id is asked for once more as one that
nothing has.

A few requests an operation here; `make fuzz` tries 1,000. RAGFLEET_FUZZ_EXAMPLES says how many, and
RAGFLEET_FUZZ_ONLY, a regular expression such as `POST /v1/chat`, which operations. The log tells
of each operation as it ends; `make fuzz` names its file.
"""

import asyncio
import dataclasses
import logging
import os
import re
import time

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from openai import AsyncOpenAI

from graphs.access.route_scopes import scopes_for
from graphs.accounts.settings import LimitSettings
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
PARTS = 4  # of the operations, for processes to share
ID_KINDS = ("file", "vs", "vsfb", "resp", "conv", "msg", "upload", "batch")
MODELS = ["rag", "local/generator", "bundled:embedder", "bundled:reranker", "bundled:safety"]
pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.timeout(7200)]


class Answering(RagPipeline):
    """The real pipeline over fakes of the models."""

    async def ready(self):
        return {"generator": True, "safety": True}


@pytest.fixture
def api_config(api_config):
    unslowed = LimitSettings(failures_per_min=None)
    settings = {"auth": AuthSettings(keys=True), "limits": unslowed}
    return GatewayConfig(**{**vars(api_config), **settings})


@pytest.fixture
def key(api_catalog):
    return api_catalog.create_key(KeyGrant(scopes=EVERY_SCOPE)).token


@pytest.fixture
def keys(api_catalog, key):
    """One of each kind; None: no key."""
    foreign = api_catalog.create_key(KeyGrant(scopes=EVERY_SCOPE, tenant="other"))
    with pytest.MonkeyPatch.context() as earlier:
        earlier.setattr(api_catalog, "_clock", lambda: time.time() - 3600)
        grant = KeyGrant(scopes=EVERY_SCOPE, expires_at=int(time.time()) - 1800)
        expired = api_catalog.create_key(grant)
    return {"expired": expired.token, "none": None, "foreign": foreign.token, "own": key}


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


class Wrong(dict):
    """What is wrong with the replies of an operation: the first of each kind."""

    def check(self, case, response):
        for check in schemathesis.checks.CHECKS.get_by_names(CHECKS):
            try:
                case.validate_response(response, checks=[check])
            except schemathesis.core.failures.FailureGroup as group:
                for one in group.exceptions:
                    self.add(response, type(one).__name__, str(one)[:2000])

    def add(self, response, what, text):
        self.setdefault((response.status_code, what), text)


def ids_put_in(case, known, dice):
    """Puts values that mean something where made-up ones stand; tells where it put ids."""
    put_in = []
    for values in (case.path_parameters, case.body):
        for name in set(values if isinstance(values, dict) else ()) & set(known):
            if dice.random() < 0.7:
                values[name] = dice.choice(known[name])
                put_in.append((values, name))
    return [(values, name) for values, name in put_in if unknown(values[name]) != values[name]]


def unknown(value):
    """An id of the same form that nothing has."""
    if isinstance(value, list):
        return [unknown(one) for one in value]
    kind, mark, rest = str(value).partition("_" if "_" in str(value) else "-")
    return kind + mark + "0" * len(rest) if mark and kind in ID_KINDS else value


def told(response):
    """What a refusal says, but for what it repeats of the request."""
    text = re.sub(rf"\b({'|'.join(ID_KINDS)}|req)([-_])[0-9a-zA-Z]+", r"\1\2...", response.text)
    return response.status_code, text


class Fuzzer:
    """Sends requests to one operation, and keeps what is wrong with the replies.

    Args:
        operation: of our description.
        url: of the server.
        keys: a token of each kind; None: no key.
        kept: ids of what nobody with a right to it is told to delete.
        mine: ids of what the owner's requests are about; of each name as many as in `kept`.
    """

    def __init__(self, operation, url, keys, kept, mine):
        self._operation, self._keys, self._kept, self._mine = operation, keys, kept, mine
        self._session = requests.Session()
        self._sent = {"base_url": url, "timeout": 60, "session": self._session}
        self._is_open = scopes_for(operation.method.upper(), operation.path) == ()
        self.wrong = {kind: Wrong() for kind in keys}

    def run(self):
        @given(self._operation.as_strategy(), st.randoms(use_true_random=False))
        @settings(
            max_examples=NUM_EXAMPLES, phases=[Phase.generate], deadline=None, database=None,
            derandomize=True, suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def send(case, dice):
            put_in = ids_put_in(case, self._kept, dice)
            for kind in ("expired", "none"):
                response = self._checked(case, kind)
                if not self._is_open and response.status_code != 401:
                    self.wrong[kind].add(response, "Open", response.text[:500])
            self._as_foreign(case, put_in)
            for values, name in put_in:
                values[name] = self._mine[name][0]
            self._checked(case, "own")

        with self._session:
            send()

    def _as_foreign(self, case, put_in):
        response = self._checked(case, "foreign")
        if put_in and response.status_code >= 400:
            for values, name in put_in:
                values[name] = unknown(values[name])
            again = self._reply(case, "foreign")
            if told(again) != told(response):
                self.wrong["foreign"].add(response, "Told", f"{told(response)}\n{told(again)}")

    def _checked(self, case, kind):
        response = self._reply(case, kind)
        self.wrong[kind].check(case, response)
        return response

    def _reply(self, case, kind):
        token = self._keys[kind]
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return case.call(headers=headers, **self._sent)


@pytest.mark.parametrize("part", range(PARTS))
async def test_no_made_up_request_breaks_the_server_or_its_description(
    api_app, url, key, keys, part, caplog
):
    caplog.set_level(logging.WARNING, logger="graphs")  # or it keeps a line of every request
    schema = schemathesis.openapi.from_dict(await asyncio.to_thread(api_app.openapi))
    kept, wrong = await known_ids(url, key), {}
    for number, result in enumerate(schema.get_all_operations()):
        operation = result.ok()
        if number % PARTS != part or not ONLY.search(operation.label):
            continue
        mine = await known_ids(url, key)
        fuzzer = Fuzzer(operation, url.removesuffix("/v1"), keys, kept, mine)
        await asyncio.to_thread(fuzzer.run)
        for kind, found in fuzzer.wrong.items():
            logger.info("%s, %s: %d faults %s", operation.label, kind, len(found), found or "")
            wrong |= {(operation.label, kind, *what): text for what, text in found.items()}
    assert wrong == {}
