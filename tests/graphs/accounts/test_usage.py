"""Usage is exact: whatever is lost, moved or asked again, no token is paid twice or left out."""

import asyncio
import random
import re
from dataclasses import replace

from graphs.accounts.accounts import key_subject
from graphs.api.accounting.billing import account
from graphs.caller import Caller
from graphs.config import FailoverSettings, GatewayConfig
from graphs.errors import ReplicaDiedError
from graphs.failover import ResumingGenerator
from graphs.pipeline.events import Generated
from graphs.pipeline.rag import RagPipeline
from graphs.pipeline.stages import Stages
from graphs.pipeline.trace import Trace
from index.catalog.accounts.records import AuditQuery
from index.errors import CorpusUnavailableError
from tests.graphs.fake_stages import FakeStages, chat

NUM_ANSWERS, NUM_KILLS = 200, 50
WORDS = tuple(f"w{number} " for number in range(12))
ASKED = replace(chat("What is two?"), caller=Caller(tenant="t", key_id="k"))


class Killed(FakeStages):
    """A generator whose replica dies in the middle of some answers, or writes no further."""

    def __init__(self, deaths, *, stops_after=None):
        super().__init__(answer=WORDS)
        self.stops_after, self.stopped = stops_after, asyncio.Event()
        self.deaths = deaths  # request id -> after how many tokens
        self.num_killed = 0

    async def stream(self, request, *, slot_s=None):
        end = self.deaths.pop(request.request_id, None)
        async for chunk in super().stream(request):
            if end is not None and chunk.position >= end:
                self.num_killed += 1
                raise ReplicaDiedError("killed")
            if chunk.position == self.stops_after:
                self.stopped.set()
                await asyncio.sleep(60)
            yield chunk


def answering(stages, observe):
    """The real pipeline and the real failover over fakes of the models."""
    resuming = ResumingGenerator(stages, FailoverSettings())
    both = Stages(
        embedder=stages, retriever=stages, reranker=stages, judge=stages, safety=stages,
        generator=resuming,
    )  # fmt: skip
    return RagPipeline(GatewayConfig(), both, observe)


async def read(pipeline, request):
    return [event async for event in pipeline.answer(request)]


def billed(gateways):
    return {
        (row.tenant, row.key_id): (row.num_calls, row.num_prompt_tokens, row.num_completion_tokens)
        for row in gateways.catalog.usage()
    }


async def test_two_hundred_answers_with_fifty_kills_are_paid_to_the_token(gateways):
    chance = random.Random(3)
    gateway = gateways.start()
    losing_replies(gateways, chance)
    names = [f"r{number}" for number in range(NUM_ANSWERS)]
    stages = Killed({name: chance.randrange(12) for name in chance.sample(names, NUM_KILLS)})
    rag = answering(stages, lambda trace: account(gateway, "generator", trace))
    turn = asyncio.Semaphore(20)

    async def ask(number):
        caller = Caller(tenant="t", key_id=f"k{number % 3}")
        async with turn:
            await read(rag, replace(ASKED, request_id=names[number], caller=caller))

    await asyncio.gather(*map(ask, range(NUM_ANSWERS)))
    await gateway.journal.written()
    assert stages.num_killed == NUM_KILLS
    assert billed(gateways) == {
        ("t", f"k{key}"): (count, 7 * count, 12 * count) for key, count in enumerate((67, 67, 66))
    }


def losing_replies(gateways, chance):
    """Every second call of the catalog is lost: half of these after it was done."""
    call = gateways.corpora._call

    async def lossy(*args, **kwargs):
        fate = chance.random()
        if fate < 0.25:
            raise CorpusUnavailableError("lost on the way there")
        result = await call(*args, **kwargs)
        if fate < 0.5:
            raise CorpusUnavailableError("lost on the way back")
        return result

    gateways.corpora._call = lossy


async def left_after(num_tokens, gateway, asked):
    """A client leaves when so many tokens were written."""
    stages = Killed({}, stops_after=num_tokens)
    rag = answering(stages, lambda trace: account(gateway, "generator", trace))
    reading = asyncio.create_task(read(rag, asked))
    await stages.stopped.wait()
    reading.cancel()
    await asyncio.wait([reading])


async def test_an_answer_that_is_asked_for_again_is_paid_once(gateways):
    gateway, other = gateways.start(), gateways.start()
    asked = replace(ASKED, once="key-and-body")
    for num_tokens, one in ((5, gateway), (9, other), (2, gateway)):
        await left_after(num_tokens, one, asked)
    rag = answering(Killed({}), lambda trace: account(other, "generator", trace))
    await read(rag, asked)
    await read(rag, ASKED)
    await gateway.journal.written()
    await other.journal.written()
    assert billed(gateways) == {("t", "k"): (2, 14, 24)}


async def test_a_client_that_leaves_pays_what_was_written_for_it(gateways):
    gateway = gateways.start()
    await left_after(5, gateway, ASKED)
    await gateway.journal.written()
    assert billed(gateways) == {("t", "k"): (1, 7, 5)}


async def test_what_an_adapter_writes_counts_under_its_name_and_what_none_wrote_does_not(gateways):
    gateway = gateways.start()
    rag = answering(Killed({}), lambda trace: account(gateway, "generator", trace))
    await read(rag, replace(ASKED, adapter="legal"))
    await read(rag, ASKED)
    unknown = Trace("r", "chat", ASKED.caller)
    unknown.adapter = "made-up"
    unknown.count(Generated(stage="condense", num_prompt_tokens=3, num_completion_tokens=1))
    unknown.count(Generated(stage="generate", num_prompt_tokens=0, num_completion_tokens=0))
    account(gateway, "generator", unknown)
    await gateway.journal.written()
    rows = {row.model: row.num_prompt_tokens for row in gateways.catalog.usage()}
    assert rows == {"generator:legal": 7, "generator": 10}


async def test_the_log_says_which_documents_an_answer_was_made_of(gateways):
    gateway = gateways.start()
    rag = answering(Killed({}), lambda trace: account(gateway, "generator", trace))
    await read(rag, replace(ASKED, request_id="r1"))
    await gateway.journal.written()
    (row,) = gateways.catalog.audit(AuditQuery())
    assert (row.event, row.request_id, row.key_id, row.decision) == (
        "retrieval", "r1", "k", "answered",
    )  # fmt: skip
    assert row.documents == ("file-2", "file-3")
    assert "Text of" not in str(row)
    assert gateways.catalog.audit(AuditQuery(document="file-3")) == (row,)


async def test_refused_lines_of_a_batch_let_no_other_request_wait(gateways):
    gateway = gateways.start()
    gateways.limits = gateways.limits.model_copy(update={"failures_per_min": 3})
    subject = key_subject(ASKED.caller)
    rag = answering(FakeStages(harmful="two"), lambda one: account(gateway, "generator", one))
    for in_batch, waits in ((True, False), (False, True)):
        for _ in range(5):
            await read(rag, replace(ASKED, in_batch=in_batch))
        assert (gateway.failures.wait_s(subject) > 0) is waits


async def test_a_clean_stop_writes_all_and_lines_say_the_same(gateways, tmp_path):
    gateways.audit = gateways.audit.model_copy(update={"folder": str(tmp_path / "audit")})
    gateway = gateways.start()
    for number in range(3000):
        gateway.retrieved(Caller(tenant="t"), f"r{number}", ("file-1",), "answered")
    await gateway.stop()
    assert len(gateways.catalog.audit(AuditQuery(limit=9999))) == 3000
    (path,) = (tmp_path / "audit").iterdir()
    assert re.fullmatch(r"audit-\d{4}-\d\d-\d\d-[0-9a-f]{32}\.jsonl", path.name)
    lines = path.read_text().splitlines()
    assert len(lines) == 3000
    assert '"request_id": "r2999"' in lines[-1]
    assert path.stat().st_mode & 0o777 == 0o600
