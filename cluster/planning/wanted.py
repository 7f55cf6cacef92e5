"""What a service is asked for, what one replica of each model does, and what that takes."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graphs.config import GatewayConfig
from models.encoders.encoder import CHARS_A_TOKEN
from models.errors import InvalidInputError, check_limits


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a service is asked for.

    Attributes:
        latency_s: until 95 of 100 answers are whole.
        rate: questions a second.
        prompt_tokens: of a question with its passages.
        answer_tokens: of an answer.
        users: that ask at once; 0: any number. They bound what can be under way.
        calls: deployment -> calls that a question makes, where they are not one.
    """

    latency_s: float
    rate: float
    prompt_tokens: int = 1000
    answer_tokens: int = 200
    users: int = 0
    calls: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_limits(self, {"prompt_tokens": (0, math.inf), "answer_tokens": (1, math.inf)})
        check_limits(self, {"users": (0, math.inf)})
        for name in ("latency_s", "rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidInputError(f"{name} must be above 0, got {getattr(self, name)}")

    def calls_of(self, name: str) -> float:
        """Calls of a deployment that a question makes."""
        return self.calls.get(name, 1.0)

    def waits_of(self, name: str) -> float:
        """How many of them it waits for: pieces are judged while the next one is written."""
        return min(self.calls_of(name), 2.0)


@dataclass(frozen=True, kw_only=True)
class Writing:
    """What one generator that writes does.

    Attributes:
        prefill_tokens_per_s: prompt tokens a second.
        step_s: seconds of a decoding step with one answer.
        step_s_per_answer: seconds that each further answer adds to a step.
        slots: answers that it decodes at once.
    """

    prefill_tokens_per_s: float
    step_s: float
    step_s_per_answer: float
    slots: int

    def __post_init__(self) -> None:
        """Checks the ranges."""
        check_limits(self, {"slots": (1, math.inf), "step_s_per_answer": (0, math.inf)})
        for name in ("prefill_tokens_per_s", "step_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise InvalidInputError(f"{name} must be above 0, got {getattr(self, name)}")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What one replica of each model does, as measured.

    Attributes:
        work_s: deployment -> seconds that it worked, for each question that was asked alone; of
            the filter, for each call.
        writing: of the generator; None: it only quotes, so it is among `work_s`.
        load_s: deployment -> seconds that its model took to load, where that is known.
    """

    work_s: Mapping[str, tuple[float, ...]]
    writing: Writing | None
    load_s: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for name, work_s in self.work_s.items():
            if any(not 0 < one < math.inf for one in work_s):
                raise InvalidInputError(f"work_s of {name} must be above 0, got {min(work_s)}")


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """What a model takes of a goal.

    Attributes:
        deployment: which.
        replicas: that it takes; None: no number does.
        mean_s: that a question spends there, in all calls that it waits for.
        latency_s: 95 of 100 questions spend less there.
        busy: part of its time that a replica works.
    """

    deployment: str
    replicas: int | None
    mean_s: float
    latency_s: float
    busy: float


def latency_of(found: Sequence[Boundary]) -> float:
    """Seconds within which 95 of 100 questions are answered.

    Hardly any question is slow at every model, so what the models' 95th percentiles have above
    their means is added as independent deviations are: by the root of the sum of squares.
    """
    return sum(one.mean_s for one in found) + math.hypot(
        *(max(0.0, one.latency_s - one.mean_s) for one in found)
    )


def calls_of(gateway: GatewayConfig, answer_tokens: int) -> dict[str, float]:
    """Calls of a question where they are not one: the filter judges the answer in pieces."""
    checks = gateway.safety
    pieces = math.ceil(answer_tokens * CHARS_A_TOKEN / checks.segment_chars)
    judged = checks.check_question + (pieces if checks.check_answer else 0)
    return {"SafetyFilter": float(judged)}
