"""Easy questions go to the small generator, and what has not begun goes on to the next one."""

import asyncio
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import pytest

from graphs.choosing.begun import Begun
from graphs.choosing.chooser import Candidate, Candidates, Chooser
from graphs.errors import (
    OverloadedError,
    PoisonRequestError,
    ReplicaLostError,
    StageUnavailableError,
)
from graphs.pipeline.events import ChatRequest, Message
from models.errors import (
    ContextLengthError,
    EngineStoppedError,
    InvalidInputError,
    ModelChangedError,
    UnknownAdapterError,
)
from models.generation import GenerationChunk, GenerationRequest

MESSAGES = (Message(role="user", content="Which port?"),)
QUESTION = ChatRequest(request_id="r", messages=MESSAGES)


@dataclass
class Fake:
    """Writes its name; fails where it is told to, after so many chunks."""

    name: str
    error: Exception | None = None
    after: int = 0
    is_running: bool = True
    wakes: bool = False
    asked: list = field(default_factory=list)

    async def stream(self, request):
        self.asked.append(request)
        if not (self.is_running or self.error or self.wakes):
            raise OverloadedError("no slot in time")  # whoever began the answer
        if self.is_running and request.identity not in (None, self.name):
            raise ModelChangedError("another model")
        texts = ("", self.name, "!")
        for number, text in enumerate(texts):
            if self.error is not None and number == self.after:
                raise self.error
            yield GenerationChunk(
                position=number, token_ids=(number,), text=text, num_prompt_tokens=1,
                finish_reason="stop" if number == len(texts) - 1 else None, identity=self.name,
            )  # fmt: skip

    def candidate(self, runs=None):
        return Candidate(name=self.name, stage=self, runs=runs or (lambda: self.is_running))


class Easy:
    def __init__(self, is_easy=True):
        self.answer = is_easy

    def is_easy(self, asked):
        return self.answer


def chooser(large, small=None, elsewhere=None, *, easy=True, wakes=False, begun=None):
    ours = [one for one in (large, small) if one]

    def none_runs():
        return not any(one.is_running for one in ours)

    candidates = Candidates(
        large=large.candidate(), small=small and small.candidate(),
        elsewhere=elsewhere and elsewhere.candidate(none_runs),
    )  # fmt: skip
    return Chooser(candidates, router=Easy(easy), wakes=wakes, begun=begun or Begun())


async def told(made, identity=None):
    request = GenerationRequest(request_id="r", messages=(), identity=identity)
    stage = made.chosen(
        ChatRequest(request_id="r", messages=MESSAGES, identity=identity), (), is_reranked=True
    )
    chunks = [chunk async for chunk in stage.stream(request)]
    (writer,) = {chunk.writer for chunk in chunks}
    return writer, "".join(chunk.text for chunk in chunks)


@pytest.mark.parametrize(("easy", "name"), [(True, "small"), (False, "large")])
async def test_an_easy_question_goes_to_the_small_one(easy, name):
    made = chooser(Fake("large"), Fake("small"), easy=easy)
    assert await told(made) == (name, f"{name}!")


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize(
    "error",
    [
        ReplicaLostError(""), OverloadedError(""), EngineStoppedError(""), ContextLengthError(""),
        StageUnavailableError(""),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
async def test_what_a_small_one_has_not_begun_the_large_one_writes_whole(error, after):
    made = chooser(Fake("large"), Fake("small", error, after))
    assert await told(made) == ("large", "large!")


async def test_what_a_small_one_has_begun_nobody_else_goes_on_with():
    large = Fake("large")
    with pytest.raises(ReplicaLostError):
        await told(chooser(large, Fake("small", ReplicaLostError(""), after=2)))
    assert not large.asked


async def test_a_question_that_kills_goes_to_nobody_else():
    large = Fake("large")
    with pytest.raises(PoisonRequestError):
        await told(chooser(large, Fake("small", PoisonRequestError(""))))
    assert not large.asked


async def test_a_small_one_without_replicas_is_not_asked():
    small = Fake("small", is_running=False)
    assert await told(chooser(Fake("large"), small)) == ("large", "large!")
    assert not small.asked


async def test_a_hard_question_goes_to_the_small_one_only_when_no_large_one_runs():
    busy = Fake("large", OverloadedError("no slot"))
    with pytest.raises(OverloadedError):
        await told(chooser(busy, Fake("small"), easy=False))
    busy.is_running = False
    assert await told(chooser(busy, Fake("small"), easy=False)) == ("small", "small!")


async def test_an_answer_goes_elsewhere_only_when_none_of_ours_runs():
    large, small, other = Fake("large"), Fake("small"), Fake("fallback")
    made = chooser(large, small, other)
    assert (await told(made))[0] == "small"
    small.is_running = False
    assert (await told(made))[0] == "large"
    large.is_running = False
    assert (await told(made))[0] == "fallback"
    assert len(large.asked) == 1  # it was not waited for again


async def test_a_busy_generator_sends_nothing_elsewhere():
    other = Fake("fallback")
    with pytest.raises(OverloadedError):
        await told(chooser(Fake("large", OverloadedError("full")), elsewhere=other))
    assert not other.asked


async def test_a_generator_that_was_never_seen_is_waited_for_first():
    starting = Fake("large", OverloadedError("no slot in time"), is_running=False)
    assert (await told(chooser(starting, elsewhere=Fake("fallback"))))[0] == "fallback"
    assert len(starting.asked) == 1


async def test_a_generator_that_sleeps_is_woken_and_not_replaced():
    large = Fake("large", wakes=True)
    made = chooser(large, elsewhere=Fake("fallback"), wakes=True)
    await told(made)
    large.is_running = False
    assert (await told(made))[0] == "large"


async def test_the_rest_of_an_answer_comes_from_who_began_it():
    begun, large, small = Begun(), Fake("large"), Fake("small")
    await told(chooser(large, small, begun=begun))
    large.asked.clear()
    # The settings have changed meanwhile: it would be hard now.
    later = chooser(large, small, easy=False, begun=begun)
    assert await told(later, identity="small") == ("small", "small!")
    assert not large.asked


async def test_who_began_it_is_found_by_a_gateway_that_does_not_know():
    made = chooser(Fake("large"), Fake("small"), easy=False)
    assert await told(made, identity="small") == ("small", "small!")


@pytest.mark.parametrize("easy", [True, False])
async def test_the_rest_of_an_answer_comes_while_another_generator_is_down(easy):
    """Asked by a Gateway that does not know who began it."""
    down, up = Fake("large", is_running=False), Fake("small")
    assert await told(chooser(down, up, easy=easy), identity="small") == ("small", "small!")
    assert not down.asked  # nobody waits for its slots
    down, up = Fake("small", is_running=False), Fake("large")
    assert await told(chooser(up, down, easy=easy), identity="large") == ("large", "large!")
    assert not down.asked


async def test_one_that_goes_away_while_the_rest_is_asked_of_it_is_passed_by():
    class Leaving(Fake):
        async def stream(self, request):
            self.is_running = False
            raise StageUnavailableError("gone")
            yield

    made = chooser(Leaving("large"), Fake("small"), easy=False)
    assert await told(made, identity="small") == ("small", "small!")


@pytest.mark.parametrize("easy", [True, False])
@pytest.mark.parametrize(
    "error", [ContextLengthError("4096"), InvalidInputError("schema"), UnknownAdapterError("law")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
async def test_limits_of_the_small_one_are_no_fault_of_the_client(error, easy):
    large, small = Fake("large"), Fake("small", error)
    made = chooser(large, small, elsewhere=Fake("fallback"), easy=easy)
    assert (await told(made))[0] == "large"
    large.is_running = False
    with pytest.raises(StageUnavailableError, match=f"small cannot serve this: {error.code}"):
        await told(made)


async def test_limits_of_the_large_one_are_told_as_they_are():
    made = chooser(Fake("large", ContextLengthError("4096")), Fake("small"), easy=False)
    with pytest.raises(ContextLengthError):
        await told(made)


@pytest.mark.parametrize("identity", [None, "large"])
async def test_an_adapter_is_never_asked_of_the_small_one(identity):
    large, small = Fake("large", is_running=False), Fake("small")
    asked = replace(QUESTION, adapter="law", identity=identity)
    stage = chooser(large, small).chosen(asked, (), is_reranked=True)
    request = GenerationRequest(request_id="r", messages=(), adapter="law", identity=identity)
    with pytest.raises(OverloadedError):
        [chunk async for chunk in stage.stream(request)]
    assert not small.asked


@pytest.mark.parametrize("was_up", [True, False])
async def test_other_settings_do_not_wait_again_for_one_that_is_gone(was_up):
    """`fallback:` is deployed during an outage; the question before it was answered or not."""
    begun, large = Begun(), Fake("large", is_running=was_up)
    before = chooser(large, begun=begun)
    if was_up:
        await told(before)
    else:
        with pytest.raises(OverloadedError):
            await told(before)
    large.is_running = False
    large.asked.clear()
    after = chooser(large, elsewhere=Fake("fallback"), begun=begun)
    assert (await told(after))[0] == "fallback"
    assert not large.asked


async def test_the_rest_of_an_answer_is_never_asked_for_elsewhere():
    other = Fake("fallback")
    gone = Fake("large", StageUnavailableError("gone"), is_running=False)
    with pytest.raises(StageUnavailableError):
        await told(chooser(gone, elsewhere=other), identity="large")
    assert not other.asked


async def test_several_answers_are_of_one_generator():
    stage = chooser(Fake("large"), Fake("small")).chosen(QUESTION, (), is_reranked=True)
    first = GenerationRequest(request_id="r", messages=())
    again = GenerationRequest(request_id="r", messages=(), identity="small")
    for request in (first, again):
        assert {one.writer async for one in stage.stream(request)} == {"small"}


async def test_closing_an_answer_closes_the_generator_that_writes_it():
    closed = asyncio.Event()

    class Endless(Fake):
        async def stream(self, request):
            try:
                async for chunk in super().stream(request):
                    yield chunk
                await asyncio.Future()
            finally:
                closed.set()

    stage = chooser(Fake("large"), Endless("small")).chosen(QUESTION, (), is_reranked=True)
    async with aclosing(stage.stream(GenerationRequest(request_id="r", messages=()))) as chunks:
        await anext(chunks)
    assert closed.is_set()
