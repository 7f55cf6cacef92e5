"""Events of the pipeline as JSON, so that another Gateway can read what this one wrote.

How long stages took is left out: it differs from one making of an answer to the next.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Generic, TypeVar

from pydantic import ConfigDict, RootModel

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

_Kind = TypeVar("_Kind")


class _Kept(RootModel[_Kind], Generic[_Kind]):
    """One event. A token may be a part of a character, which no JSON text can hold."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")


_KINDS: Mapping[str, type[RootModel[Any]]] = {
    kind.__name__: _Kept[kind]  # type: ignore[valid-type]
    for kind in (Retrieved, TextDelta, Citation, Thought, Called, Arguments, Finished)
}


def written(event: Event) -> str:
    """Writes an event; the same event is always the same text."""
    if isinstance(event, Retrieved):
        event = replace(event, timings=())
    if isinstance(event, Finished):
        event = replace(event, timings=(), num_migrations=0, generated=(), spans=())
    kind = type(event).__name__
    return f"{kind} {_KINDS[kind](event).model_dump_json()}"


def read(text: str) -> Event:
    """Reads what `written` wrote."""
    kind, _, data = text.partition(" ")
    event: Event = _KINDS[kind].model_validate_json(data).root
    return event


def is_same(one: Event, other: Event) -> bool:
    """Says whether two makings of an answer have the same event.

    Probabilities may differ in their last digits: they depend on what else is in the batch. The
    names of a model and of its deployment change with a promotion; its identity does not.
    """
    return _compared(one) == _compared(other)


def _compared(event: Event) -> str:
    if isinstance(event, TextDelta):
        event = replace(event, tokens=())
    if isinstance(event, Retrieved):
        event = replace(event, writer="", model="")
    return written(event)
