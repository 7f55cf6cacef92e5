"""Tokens of an answer as a reader gets them: bytes and probabilities in the place of ids."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Likely:
    """A token that might have stood somewhere.

    Attributes:
        raw: its bytes, UTF-8; a token may be a part of a character.
        logprob: natural logarithm of its probability before penalties, biases, masks and
            temperature.
    """

    raw: bytes
    logprob: float


@dataclass(frozen=True, kw_only=True)
class WrittenToken(Likely):
    """A token of an answer.

    Attributes:
        num_chars: characters of the decoded text that it completes; 0 within a character.
        top: the likeliest tokens at its place, likeliest first.
    """

    num_chars: int
    top: tuple[Likely, ...] = ()
