"""What the graph is told when a replica does not answer in time."""

import asyncio
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
from ray.exceptions import RayTaskError

from graphs import generator_client
from graphs.accounts.weight import LEAST, weighing
from graphs.clients import EmbedderClient, JudgeClient, RerankerClient, SafetyClient
from graphs.config import FailoverSettings, TimeoutSettings
from graphs.deadline import deadline_in
from graphs.errors import (
    DeadlineError,
    OverloadedError,
    ReplicaLostError,
    StageUnavailableError,
)
from graphs.failover import Retries
from graphs.generator_client import GeneratorClient, TokenCounters
from models.errors import ContextLengthError, ModelBusyError
from models.generation import GenerationChunk, GenerationRequest, Message, Sampling

REQUEST = GenerationRequest(
    request_id="r", messages=(Message(role="user", content="port?"),), sampling=Sampling()
)
TAKEN = GenerationChunk(
    position=0, token_ids=(), text="", finish_reason=None, num_prompt_tokens=0, attempt=0
)


class SilentHandle:
    """A handle like Serve's, whose replica gives some chunks and then nothing for ever."""

    def __init__(self, *chunks):
        self.stream = SimpleNamespace(remote=lambda _: self)
        self._chunks = list(chunks)
        self.is_cancelled = False
        self.session_ids = []

    def options(self, *, stream, session_id=""):
        assert stream
        self.session_ids.append(session_id)
        return self

    async def __anext__(self):
        if not self._chunks:
            await asyncio.Event().wait()
        return self._chunks.pop(0)

    def cancel(self):
        self.is_cancelled = True


async def read(handle, request=REQUEST):
    timeouts = TimeoutSettings(slot_s=0.02, first_token_s=0.02, next_token_s=0.02)
    client = GeneratorClient(
        handle, timeouts=timeouts, retries=Retries(FailoverSettings()), counters=TokenCounters()
    )
    return [chunk async for chunk in client.stream(request)]


@pytest.mark.parametrize(
    ("chunks", "error"),
    [((), OverloadedError), ((TAKEN,), ReplicaLostError), ((TAKEN, TAKEN), ReplicaLostError)],
    ids=["no slot", "no first token", "no next token"],
)
async def test_silence_is_overload_before_a_replica_took_the_question_and_a_loss_after(
    chunks, error
):
    handle = SilentHandle(*chunks)
    with pytest.raises(error):
        await read(handle)
    assert handle.is_cancelled


async def test_silence_until_the_deadline_is_told_as_that():
    with deadline_in(0.01), pytest.raises(DeadlineError):
        await read(SilentHandle())


async def test_a_model_for_which_too_much_waits_is_overload_and_not_asked_again():
    asked = []
    # As Ray raises what a replica has raised.
    error = ModelBusyError("a call may wait 20 s")
    busy = RayTaskError("rerank", "", error).as_instanceof_cause()

    async def rerank(*call, weight):
        asked.append((call, weight))
        raise busy

    handle = SimpleNamespace(rerank=SimpleNamespace(remote=rerank))
    retries = Retries(FailoverSettings())
    client = RerankerClient(handle, stage="Reranker", timeout_s=9.0, retries=retries)
    with pytest.raises(OverloadedError, match="queue of Reranker is full: a call may wait 20 s"):
        await client.rerank("port?", ["8000"])
    assert len(asked) == 1


async def test_a_question_waits_for_a_model_that_was_scaled_to_zero_and_not_for_ever(monkeypatch):
    running = []
    monkeypatch.setattr(generator_client, "has_running", lambda _handle: bool(running))
    limits = {"slot_s": 0.02, "first_token_s": 9, "next_token_s": 9}
    made = partial(GeneratorClient, retries=Retries(FailoverSettings()), counters=TokenCounters())

    def ask(handle, **timeouts):
        settings = TimeoutSettings(**limits, **timeouts)
        return anext(made(handle, timeouts=settings).stream(REQUEST))

    class Waking(SilentHandle):
        """Its replica starts after ten times `slot_s`."""

        async def __anext__(self):
            await asyncio.sleep(0.2)
            running.append(self)
            return TAKEN

    assert await ask(Waking(), wake_s=9) == TAKEN
    running.clear()
    with pytest.raises(OverloadedError):
        await ask(Waking())
    # Beyond its deadline it is told to come again, as by a full queue: 503 with Retry-After.
    with deadline_in(0.2), pytest.raises(OverloadedError, match="scaled to zero and starts"):
        await ask(SilentHandle(), wake_s=9)
    running.append(1)
    with pytest.raises(OverloadedError, match="had a slot in time"):
        await ask(SilentHandle(), wake_s=9)


async def test_how_a_model_counts_is_waited_for_as_long_while_it_starts_from_zero(monkeypatch):
    """A Gateway that is new asks for it before the first question is sent."""
    monkeypatch.setattr(generator_client, "has_running", lambda _handle: False)

    async def profile():
        await asyncio.sleep(0.2)
        raise ContextLengthError("an answer of the model")

    handle = SimpleNamespace(profile=SimpleNamespace(remote=profile))
    made = partial(GeneratorClient, handle, retries=Retries(FailoverSettings()))
    for wake_s, error in ((None, StageUnavailableError), (9, ContextLengthError)):
        timeouts = TimeoutSettings(model_s=0.02, wake_s=wake_s)
        with pytest.raises(error):
            await made(timeouts=timeouts, counters=TokenCounters()).tokens()
    client = made(timeouts=timeouts, counters=TokenCounters())
    with deadline_in(0.2), pytest.raises(OverloadedError, match="scaled to zero and starts"):
        await client.tokens()


async def test_a_replica_is_chosen_by_the_chat_unless_the_answer_had_another_one_before():
    handle = SilentHandle()
    for attempt in range(2):
        with pytest.raises(OverloadedError):
            await read(handle, replace(REQUEST, chat="c1", attempt=attempt))
    assert handle.session_ids == ["c1", ""]


async def test_every_call_of_an_encoder_tells_the_weight_of_its_request():
    told = []

    async def call(*args, weight):
        told.append(weight)
        return args

    handle = SimpleNamespace(
        **{one: SimpleNamespace(remote=call) for one in ("embed", "rerank", "judge", "classify")}
    )
    retries = Retries(FailoverSettings())
    of = partial(dict, stage="a stage", timeout_s=60, retries=retries)
    with weighing(8.0):
        await EmbedderClient(handle, **of()).embed(["port"])
        await RerankerClient(handle, **of()).rerank("port?", ["port"])
        await JudgeClient(handle, **of()).rerank("port?", ["port"])
        await SafetyClient(handle, **of()).classify(["port"])
    await RerankerClient(handle, **of()).rerank("port?", ["port"])
    assert told == [8.0] * 4 + [LEAST]
