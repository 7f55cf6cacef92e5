"""Versions of a generator that answer by a script, on a clock of the test."""

from dataclasses import replace

from graphs.choosing.canary import Canary
from graphs.errors import ReplicaLostError
from graphs.pipeline.events import (
    ChatRequest,
    Finished,
    Message,
    Passage,
    Retrieved,
    TextDelta,
    Usage,
)
from graphs.settings import CanarySettings

PASSAGE = Passage(
    number=1, chunk_id="c", file_id="f", filename="pump.md", title="Pump",
    text="The pump runs at 3000 turns.", excerpt="The pump runs at 3000 turns.", char_start=0,
    char_end=28, score=1.0, attributes={},
)  # fmt: skip
INVENTED = "Penguins invented jazz in 1703."
END = Finished(finish_reason="stop", usage=Usage(num_prompt_tokens=1, num_completion_tokens=1))


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


class Version:
    """Answers after so many seconds of the test's clock; every so many-th answer fails.

    Where every so many-th one `invents`, the others say what the passage says.
    """

    def __init__(self, clock, name, *, seconds=1.0, fails_every=0, flags_every=0, invents_every=0):
        self.clock, self.name, self.seconds = clock, name, seconds
        self.fails_every, self.flags_every = fails_every, flags_every
        self.invents_every = invents_every
        self.asked = []

    async def __call__(self, request):
        self.asked.append(request)
        yield Retrieved(passages=(PASSAGE,), search_query=None, timings=(), identity=self.name)
        self.clock.now += self.seconds
        number = len(self.asked)
        if self.fails_every and number % self.fails_every == 0:
            raise ReplicaLostError("lost")
        is_invented = self.invents_every and number % self.invents_every == 0
        yield TextDelta(text=INVENTED if is_invented else PASSAGE.text)
        is_flagged = self.flags_every and number % self.flags_every == 0
        yield replace(END, finish_reason="content_filter") if is_flagged else END


def request(number, *, turns=1, **fields):
    texts = [f"Question {number}", *(f"And {turn}?" for turn in range(1, turns))]
    messages = tuple(Message(role="user", content=text) for text in texts)
    return ChatRequest(request_id=f"r{number}-{turns}", messages=messages, **fields)


def made(clock=None, **settings):
    return Canary(CanarySettings(**{"share": 0.2} | settings), clock or Clock())


async def ask(canary, asked, first, second):
    """Reads one answer; says whether it failed."""
    try:
        return [event async for event in canary.answer(asked, first, second)]
    except ReplicaLostError:
        return None


async def run(canary, clock, second, *, count=1000):
    first = Version(clock, "one", fails_every=50, flags_every=50)
    for number in range(count):
        await ask(canary, request(number), first, second)
    return first
