"""What an answer consists of, as it is read from the model's text, piece by piece."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class Said:
    """A piece of the answer's text."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Thought:
    """A piece of what the model thought before it answered."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Called:
    """A call begins; its arguments follow.

    Attributes:
        index: counts the calls of an answer from 0.
    """

    index: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Arguments:
    """A piece of the arguments of a call: all pieces together are a JSON object."""

    index: int
    text: str


Part = Said | Thought | Called | Arguments


class PartReader(Protocol):
    """Reads the text of one answer. What it gives does not depend on how the text is cut."""

    def push(self, text: str) -> Sequence[Part]:
        """Adds text and gives the parts that are settled."""
        ...

    def flush(self) -> Sequence[Part]:
        """Gives what was held back, when no more text comes."""
        ...


def joined(parts: Sequence[Part]) -> list[Part]:
    """Joins pieces of the same kind that follow one another."""
    out: list[Part] = []
    for part in parts:
        last = out[-1] if out else None
        match last, part:
            case Said(), Said():
                out[-1] = Said(text=last.text + part.text)
            case Thought(), Thought():
                out[-1] = Thought(text=last.text + part.text)
            case Arguments(), Arguments() if last.index == part.index:
                out[-1] = Arguments(index=last.index, text=last.text + part.text)
            case _:
                out.append(part)
    return out
