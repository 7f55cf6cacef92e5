"""What a request may ask of its answer: what it is held to, and how its tokens are picked.

An engine serves some of it and refuses the rest by name.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from models.errors import InvalidInputError, check_limits

PackedMask = npt.NDArray[np.int32]
ConstraintKind = Literal["choices", "json_schema", "regex", "grammar"]
ALL_KINDS: frozenset[ConstraintKind] = frozenset({"choices", "json_schema", "regex", "grammar"})

MAX_CHARS = 65_536
MAX_DEPTH = 64


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The answer is one of these texts, token by token."""

    kind: ClassVar[ConstraintKind] = "choices"
    texts: tuple[str, ...]

    def __post_init__(self) -> None:
        """Refuses to hold an answer to nothing."""
        if not self.texts:
            msg = "choices must hold at least 1 text, got 0"
            raise InvalidInputError(msg)


@dataclass(frozen=True, kw_only=True)
class JsonSchema:
    """The answer is a JSON text that fits a schema, itself given as JSON."""

    kind: ClassVar[ConstraintKind] = "json_schema"
    schema: str

    def __post_init__(self) -> None:
        """Refuses what is no schema, or too long or deep to be read in time."""
        _check_size("a JSON schema", self.schema)
        try:
            schema = json.loads(self.schema)
        except (ValueError, RecursionError) as err:
            msg = f"a JSON schema must be JSON, got {self.schema[:80]!r}"
            raise InvalidInputError(msg) from err
        if not isinstance(schema, dict | bool):
            msg = f"a JSON schema must be an object, got {self.schema[:80]!r}"
            raise InvalidInputError(msg)
        if (depth := _depth(schema)) > MAX_DEPTH:
            msg = f"a JSON schema must be at most {MAX_DEPTH} levels deep, got {depth}"
            raise InvalidInputError(msg)


@dataclass(frozen=True, kw_only=True)
class Regex:
    """The whole answer matches a regular expression."""

    kind: ClassVar[ConstraintKind] = "regex"
    pattern: str

    def __post_init__(self) -> None:
        """Refuses what is too long to be read in time."""
        _check_size("a regex", self.pattern)


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """The answer is a sentence of a context-free grammar, in Lark's notation or llama.cpp's."""

    kind: ClassVar[ConstraintKind] = "grammar"
    rules: str

    def __post_init__(self) -> None:
        """Refuses what is too long to be read in time."""
        _check_size("a grammar", self.rules)


def _check_size(name: str, text: str) -> None:
    if not 1 <= len(text) <= MAX_CHARS:
        msg = f"{name} must have 1 to {MAX_CHARS} characters, got {len(text)}"
        raise InvalidInputError(msg)


def _depth(value: object) -> int:
    """Counts levels without recursion, since a hostile value has more than Python allows."""
    depth, level = 0, [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        level = [child for one in level for child in _children(one)]
    return depth


def _children(one: Any) -> Iterable[object]:
    return one.values() if isinstance(one, dict) else one


Constraint = Choices | JsonSchema | Regex | Grammar

JSON_OBJECT = JsonSchema(schema='{"type": "object"}')

MAX_STOPS = 4
MAX_STOP_IDS = 64
MAX_BIASES = 1024
MAX_TOP_LOGPROBS = 20
_MAX_INT32 = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How the generator picks tokens; None means the default of its configuration.

    Attributes:
        max_tokens: most tokens of the answer, at least 1; the context may end it earlier.
        temperature: 0 (greedy) to 2.
        top_p: nucleus mass in (0, 1].
        top_k: at most so many candidates; 0 means all.
        min_p: least probability of a candidate, as a share of the likeliest one's, 0..1.
        seed: a 64-bit integer; the same seed and prompt give the same answer.
        seed_is_drawn: whether nobody named the seed, nor is there anything written by it that is
            not in the request, so that any other one will do, and none.
        stop: up to 4 strings before which the answer ends.
        stop_token_ids: up to 64 ids that end the answer as the model's own end does.
        ignore_eos: whether the model's own end is a token like any other.
        min_tokens: the answer does not end of itself before it has so many.
        presence_penalty: taken from the logit of each id that the answer has, -2..2.
        frequency_penalty: likewise, once for each time that the answer has it, -2..2.
        repetition_penalty: divides the logit of ids that prompt or answer have, above 0, at most 2.
        logit_bias: up to 1,024 ids and what is added to their logits, -100..100.
        top_logprobs: so many of the likeliest ids are told beside each token, 0..20; None: none,
            and not the token's own probability either.
        priority: lower goes first where requests wait.
        rank: of the class of service, -1 to 1: lower goes first, whatever the `priority`; engines
            without priorities take no notice of it.
    """

    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float = 0.0
    seed: int | None = None
    seed_is_drawn: bool = False
    stop: tuple[str, ...] = ()
    stop_token_ids: tuple[int, ...] = ()
    ignore_eos: bool = False
    min_tokens: int = 0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    repetition_penalty: float = 1.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    top_logprobs: int | None = None
    priority: int = 0
    rank: int = 0

    @property
    def place(self) -> int:
        """Where it stands among those that wait: lower goes first."""
        return self.rank * 2**32 + self.priority

    def asks_for(self, name: str) -> bool:
        """Says whether a field has another value than its default."""
        return bool(getattr(self, name) != getattr(_DEFAULT, name))


_DEFAULT = Sampling()
_LIMITS: dict[str, tuple[float, float]] = {
    "max_tokens": (1, _MAX_INT32),
    "temperature": (0, 2),
    "top_p": (0, 1),
    "top_k": (0, _MAX_INT32),
    "min_p": (0, 1),
    "seed": (-(2**63), 2**63 - 1),
    "min_tokens": (0, _MAX_INT32),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "repetition_penalty": (math.nextafter(0, 1), 2),
    "top_logprobs": (0, MAX_TOP_LOGPROBS),
    "priority": (-_MAX_INT32, _MAX_INT32),
    "rank": (-1, 1),
}


def check_sampling(sampling: Sampling) -> None:
    """Checks the ranges of what is set.

    Raises:
        InvalidInputError: names the field, its value and its limits.
    """
    check_limits(sampling, _LIMITS)
    if sampling.top_p == 0 or len(sampling.stop) > MAX_STOPS:
        msg = f"top_p must be above 0 and stop hold at most {MAX_STOPS} strings, got {sampling}"
        raise InvalidInputError(msg)
    for name, most in (("stop_token_ids", MAX_STOP_IDS), ("logit_bias", MAX_BIASES)):
        if (size := len(getattr(sampling, name))) > most:
            raise InvalidInputError(f"{name} must hold at most {most} ids, got {size}")
    for token_id, bias in sampling.logit_bias:
        if not -100 <= bias <= 100:
            msg = f"logit_bias must be in -100..100, got {bias} for id {token_id}"
            raise InvalidInputError(msg)
    longest, least = sampling.max_tokens, sampling.min_tokens
    if longest is not None and least > longest:
        msg = f"min_tokens must be at most max_tokens, {longest}, got {least}"
        raise InvalidInputError(msg)


def check_ids(name: str, token_ids: tuple[int, ...], vocabulary_size: int) -> None:
    """Refuses ids outside the vocabulary: they would end the decoding of everybody's answers.

    Raises:
        InvalidInputError: names the field, the id and the limit.
    """
    for token_id in token_ids:
        if not 0 <= token_id < vocabulary_size:
            msg = f"{name} must be in 0..{vocabulary_size - 1}, got {token_id}"
            raise InvalidInputError(msg)


class TokenMask(Protocol):
    """Holds an answer to a constraint."""

    def allowed(self, answer_ids: Sequence[int]) -> PackedMask:
        """Packs the ids that may come next: bit `id % 32` of word `id // 32`.

        A pure function, so that it replays where a lost answer is resumed. There is always an id:
        where the constraint leaves none, it is the one that ends the answer, and `check` raises.

        Args:
            answer_ids: the answer so far, ids that were delivered before included.

        Returns:
            int32, (ceil(vocabulary_size / 32),).
        """
        ...

    def rest(self, answer_ids: Sequence[int]) -> tuple[int, ...] | None:
        """Gives the only rest that the answer can have, without the id that ends it.

        None while several are possible, or none is.
        """
        ...

    def check(self, answer_ids: Sequence[int]) -> None:
        """Raises InvalidInputError when no answer goes on like this one."""
        ...
