"""Losing replicas: streams go on exactly, by their own model."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphs import failover
from graphs.config import FailoverSettings
from graphs.deadline import deadline_in
from graphs.errors import (
    DeadlineError,
    OverloadedError,
    PoisonRequestError,
    ReplicaDiedError,
    ReplicaLostError,
    StageUnavailableError,
)
from graphs.failover import ResumingGenerator
from models.errors import (
    EngineDrainingError,
    EngineStoppedError,
    InvalidInputError,
    ModelChangedError,
)
from models.generation import GenerationChunk, GenerationRequest, Message

OLD, NEW = "0" * 16, "1" * 16  # digests of two models
REFUSED = (-1, ModelChangedError("the answer was begun by another model"))
UNTAKEN = -1  # the loss comes before a replica takes the request
WORDS = [f"w{number} " for number in range(12)]
ASKED = GenerationRequest(request_id="r", messages=(Message(role="user", content="?"),))


class Replicas:
    """Writes WORDS, one token each; `losses` says where each attempt ends, and how."""

    def __init__(self, *losses):
        self.losses = list(losses)
        self.requests = []
        self.slots_s = []
        self.num_open = 0

    async def stream(self, request, *, slot_s=None):
        self.requests.append(request)
        self.slots_s.append(slot_s)
        self.num_open += 1
        first = len(request.delivered_token_ids)
        end, error = self.losses.pop(0) if self.losses else (len(WORDS), None)
        try:
            if end == UNTAKEN:
                raise error
            yield chunk(first, (), "", None, request)
            for position in range(first, max(first, end)):
                last = "length" if position == len(WORDS) - 1 else None
                yield chunk(position, (position,), WORDS[position], last, request)
            if error is not None:
                raise error
        finally:
            self.num_open -= 1


def chunk(position, token_ids, text, finish_reason, request, identity=OLD):
    return GenerationChunk(
        position=position, token_ids=token_ids, text=text, finish_reason=finish_reason,
        num_prompt_tokens=3, attempt=request.attempt, identity=identity,
    )  # fmt: skip


async def read(replicas, asked=ASKED, **settings):
    stream = ResumingGenerator(replicas, FailoverSettings(**settings)).stream(asked)
    return [one async for one in stream]


def text_of(chunks):
    return "".join(one.text for one in chunks)


@pytest.fixture
def _paused_clock(monkeypatch):
    """The clock of failover, which its own pauses move and nothing else."""
    now = 0.0

    async def sleep(seconds):
        nonlocal now
        now += seconds

    monkeypatch.setattr(failover, "asyncio", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(failover, "time", SimpleNamespace(monotonic=lambda: now))


@pytest.mark.parametrize(
    "error", [ReplicaLostError("lost"), ReplicaDiedError("died"), EngineStoppedError("stopped")]
)
async def test_a_lost_stream_goes_on_at_another_replica(error):
    replicas = Replicas((5, error))
    chunks = await read(replicas)
    assert text_of(chunks) == "".join(WORDS)
    assert [token for one in chunks for token in one.token_ids] == list(range(12))
    resumed = replicas.requests[1]
    assert resumed.delivered_token_ids == (0, 1, 2, 3, 4)
    assert resumed.num_delivered_chars == len("".join(WORDS[:5]))
    assert (resumed.attempt, chunks[-1].attempt) == (1, 1)


@settings(deadline=None, max_examples=30)  # every loss costs a short pause
@given(st.lists(st.integers(1, 11), min_size=1, max_size=3, unique=True))
def test_any_three_losses_leave_no_trace_in_the_text(ends):
    replicas = Replicas(*((end, ReplicaLostError("lost")) for end in sorted(ends)))
    assert text_of(asyncio.run(read(replicas))) == "".join(WORDS)
    assert len(replicas.requests) == len(ends) + 1


async def test_with_resume_switched_off_the_loss_reaches_the_client():
    replicas = Replicas((5, ReplicaLostError("lost")))
    with pytest.raises(ReplicaLostError):
        await read(replicas, max_migrations=0)
    assert len(replicas.requests) == 1


async def test_more_losses_than_migrations_end_the_answer_with_an_error():
    replicas = Replicas(*((end, ReplicaLostError("lost")) for end in (2, 4, 6, 8)))
    with pytest.raises(ReplicaLostError):
        await read(replicas)
    assert len(replicas.requests) == 4


async def test_a_replica_that_is_met_twice_at_a_token_is_lost_once():
    losses = [(5, EngineStoppedError("its engine has died"))] * 2

    class Named(Replicas):
        """The first two attempts meet the same replica."""

        async def stream(self, request, *, slot_s=None):
            name = "dead" if len(self.requests) < 2 else "alive"
            async for one in super().stream(request, slot_s=slot_s):
                yield replace(one, replica="" if one.token_ids else name)

    replicas = Named(*losses)
    assert text_of(await read(replicas)) == "".join(WORDS)
    assert len(replicas.requests) == 3


async def test_two_losses_at_the_same_token_are_the_requests_own_fault():
    replicas = Replicas((5, ReplicaDiedError("died")), (5, ReplicaDiedError("died")))
    with pytest.raises(PoisonRequestError, match="token 5"):
        await read(replicas)
    assert len(replicas.requests) == 2


async def test_a_machine_that_goes_away_at_the_same_token_is_nobodys_fault():
    draining = (5, EngineDrainingError("draining"))
    replicas = Replicas((5, ReplicaDiedError("died")), draining, draining)
    assert text_of(await read(replicas)) == "".join(WORDS)
    assert len(replicas.requests) == 4


async def test_a_stream_that_ends_in_silence_goes_on():
    assert text_of(await read(Replicas((5, None)))) == "".join(WORDS)


@pytest.mark.parametrize("shift", [-1, 1])
async def test_a_replica_that_skips_or_repeats_a_token_is_left(shift):
    class Wrong(Replicas):
        async def stream(self, request, *, slot_s=None):
            if request.attempt == 0:
                yield chunk(0, (0,), WORDS[0], None, request)
                yield chunk(1 + shift, (1 + shift,), WORDS[1 + shift], None, request)
            else:
                async for one in super().stream(request):
                    yield one

    assert text_of(await read(Wrong())) == "".join(WORDS)


async def test_late_chunks_of_an_earlier_attempt_are_dropped():
    class Zombie(Replicas):
        async def stream(self, request, *, slot_s=None):
            if request.attempt == 1:
                yield chunk(5, (5,), "zombie", None, self.requests[0])
            async for one in super().stream(request):
                yield one

    assert text_of(await read(Zombie((5, ReplicaLostError("lost"))))) == "".join(WORDS)


@pytest.mark.parametrize("error", [OverloadedError("full"), StageUnavailableError("none")])
async def test_a_question_that_no_replica_takes_is_not_sent_again(error):
    replicas = Replicas((UNTAKEN, error))
    with pytest.raises(type(error)):
        await read(replicas)
    assert len(replicas.requests) == 1


@pytest.mark.parametrize(
    "error", [ReplicaLostError("lost"), ReplicaDiedError("died"), EngineDrainingError("draining")]
)
async def test_a_question_whose_replica_is_lost_before_it_takes_it_is_asked_elsewhere(error):
    replicas = Replicas((UNTAKEN, error), (UNTAKEN, error))
    assert text_of(await read(replicas, max_migrations=0)) == "".join(WORDS)
    assert [request.attempt for request in replicas.requests] == [0, 0, 0]


@pytest.mark.usefixtures("_paused_clock")
async def test_such_a_question_is_not_asked_for_ever():
    replicas = Replicas(*[(UNTAKEN, ReplicaLostError("lost"))] * 99)
    with pytest.raises(ReplicaLostError):
        await read(replicas, resume_s=0.2)
    assert 2 < len(replicas.requests) < 99


@pytest.mark.parametrize("error", [OverloadedError("full"), StageUnavailableError("frozen")])
async def test_an_answer_that_has_begun_waits_until_one_takes_it(error):
    replicas = Replicas((5, ReplicaLostError("lost")), (UNTAKEN, error), (UNTAKEN, error))
    assert text_of(await read(replicas)) == "".join(WORDS)
    assert len(replicas.requests) == 4


async def test_a_resumed_answer_leaves_a_replica_that_does_not_take_it_soon_then_later():
    frozen = (UNTAKEN, StageUnavailableError("frozen"))
    replicas = Replicas((5, ReplicaLostError("lost")), frozen, frozen, (8, None), frozen)
    await read(replicas, resume_s=5)
    assert replicas.slots_s == [None, 2.0, 4.0, 5.0, 2.0, 4.0]


async def test_it_waits_no_longer_than_the_deadline():
    replicas = Replicas((5, ReplicaLostError("lost")), *[(UNTAKEN, OverloadedError("full"))] * 99)
    with deadline_in(0.2), pytest.raises(DeadlineError):
        await read(replicas)


async def test_a_resumed_attempt_asks_for_the_model_of_the_first_chunk():
    replicas = Replicas((5, ReplicaLostError("lost")))
    await read(replicas)
    assert [request.identity for request in replicas.requests] == [None, OLD]


async def test_a_refusal_by_another_model_is_taken_elsewhere():
    replicas = Replicas((5, ReplicaLostError("lost")), REFUSED, REFUSED)
    assert text_of(await read(replicas, max_migrations=1)) == "".join(WORDS)
    assert [request.identity for request in replicas.requests] == [None, OLD, OLD, OLD]


async def test_so_is_a_refusal_of_an_answer_that_was_begun_before_this_stream():
    replicas = Replicas(REFUSED)
    assert text_of(await read(replicas, replace(ASKED, identity=OLD))) == "".join(WORDS)


@pytest.mark.usefixtures("_paused_clock")
@pytest.mark.parametrize(("resume_s", "most"), [(60, 25), (0.3, 12)])
async def test_refusals_end_the_answer_by_number_or_by_time(monkeypatch, resume_s, most):
    monkeypatch.setattr("graphs.failover._LONGEST_WAIT_S", 0.05)
    replicas = Replicas((5, ReplicaLostError("lost")), *[REFUSED] * 99)
    with pytest.raises(ModelChangedError):
        await read(replicas, resume_s=resume_s)
    assert 3 < len(replicas.requests) <= most


@pytest.mark.parametrize("position", [0, 4])
async def test_text_of_another_model_is_never_passed_on(position):
    class Swapped(Replicas):
        """The second replica ignores what is asked for and writes with another model."""

        async def stream(self, request, *, slot_s=None):
            first = len(request.delivered_token_ids)
            if request.attempt == 0 or first > position:
                async for one in super().stream(request):
                    yield one
            else:
                self.requests.append(request)
                yield chunk(first, (99,), "spliced", None, request, NEW)

    replicas = Swapped((position, ReplicaLostError("lost")))
    stream = ResumingGenerator(replicas, FailoverSettings(resume_s=0.3)).stream(ASKED)
    texts = [(await anext(stream)).text for _ in range(position + 1)]
    assert "".join(texts) == "".join(WORDS[:position])
    with pytest.raises(ModelChangedError):
        await anext(stream)


async def test_bad_input_is_nobodys_loss():
    replicas = Replicas((5, InvalidInputError("temperature must be in 0..2, got 3")))
    with pytest.raises(InvalidInputError):
        await read(replicas)
    assert len(replicas.requests) == 1


async def test_closing_the_stream_closes_the_one_below_and_starts_no_other():
    replicas = Replicas()
    async with aclosing(ResumingGenerator(replicas, FailoverSettings()).stream(ASKED)) as stream:
        await anext(stream)
        assert replicas.num_open == 1
    assert (replicas.num_open, len(replicas.requests)) == (0, 1)
