"""Events of the pipeline as JSON, so that another Gateway can read what this one wrote.

How long stages took is left out: it differs from one making of an answer to the next.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from graphs.pipeline.events import (
    Arguments,
    Called,
    Citation,
    Event,
    Finished,
    Retrieved,
    TextDelta,
    Thought,
)

_KINDS: Mapping[str, TypeAdapter[Any]] = {
    kind.__name__: TypeAdapter(kind)
    for kind in (Retrieved, TextDelta, Citation, Thought, Called, Arguments, Finished)
}


def written(event: Event) -> str:
    """Writes an event; the same event is always the same text."""
    if isinstance(event, Retrieved):
        event = replace(event, timings=())
    if isinstance(event, Finished):
        event = replace(event, timings=(), num_migrations=0, generated=())
    kind = type(event).__name__
    return f"{kind} {_KINDS[kind].dump_json(event).decode()}"


def read(text: str) -> Event:
    """Reads what `written` wrote."""
    kind, _, data = text.partition(" ")
    event: Event = _KINDS[kind].validate_json(data)
    return event
