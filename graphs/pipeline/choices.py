"""Several answers to one question: the same passages and prompt, each with a seed of its own.

    choice 0   a0    a1    a2
    choice 1      b0    b1    b2       ->   a0 b0 a1 b1 a2 b2

They are written at once, a few at a time, and given in turns: which event follows which depends on
the answers alone, never on timing, so that a stream of them can be resumed as any other.
"""

import hashlib
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace
from typing import cast

from graphs.pipeline.events import Event, Finished, OtherChoice, Retrieved, Written
from models.generation import GenerationRequest

_AT_ONCE = 4  # so that one request does not take all slots of a generator

Answer = Callable[[GenerationRequest], AsyncGenerator[Event, None]]


def of_choice(index: int, event: Event) -> Event:
    """Says of an event of an answer which one it belongs to; the first is left as it is."""
    if index == 0:
        return event
    assert isinstance(event, Written | Finished)
    return OtherChoice(index=index, event=event)


def alike(events: Iterable[Event], num_choices: int) -> Iterator[Event]:
    """Gives the same answer as every choice."""
    told = list(events)
    for index in range(num_choices):
        yield from (of_choice(index, event) for event in told)


def choice_seed(seed: int, index: int) -> int:
    """Gives the seed of an answer: that of the request for the first, a hash for the others."""
    if index == 0:
        return seed
    return int.from_bytes(hashlib.sha256(f"{seed}/{index}".encode()).digest()[:8]) >> 1


async def written(
    answer: Answer, request: GenerationRequest, num_choices: int
) -> AsyncGenerator[Event, None]:
    """Writes every choice by `answer`: `Retrieved` first, then the events of all in turns.

    All of them are of the model that wrote the first.
    """
    for indexes in _batches(num_choices):
        async with AsyncExitStack() as stack:
            running: dict[int, AsyncGenerator[Event, None]] = {}
            for index in indexes:
                events = answer(_of_choice(request, index))
                running[index] = await stack.enter_async_context(aclosing(events))
                retrieved = cast("Retrieved", await anext(events))
                if index == 0:
                    request = replace(request, identity=retrieved.identity or request.identity)
                    yield retrieved
            async for event in _in_turns(running):
                yield event


def _batches(num_choices: int) -> Iterator[tuple[int, ...]]:
    indexes = range(num_choices)
    for start in range(0, num_choices, _AT_ONCE):
        yield tuple(indexes[start : start + _AT_ONCE])


def _of_choice(request: GenerationRequest, index: int) -> GenerationRequest:
    seed = choice_seed(request.sampling.seed or 0, index)
    return replace(request, sampling=replace(request.sampling, seed=seed))


async def _in_turns(running: dict[int, AsyncGenerator[Event, None]]) -> AsyncGenerator[Event, None]:
    while running:
        for index, events in list(running.items()):
            try:
                yield of_choice(index, await anext(events))
            except StopAsyncIteration:
                del running[index]
