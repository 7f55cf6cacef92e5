"""Means with intervals, two versions side by side, and whether a version is good enough.

Intervals are of the bootstrap over questions (Efron, 1979). Two versions are compared question by
question, so what makes a question hard cancels out. A version fails when a mean is below its least
value, or when it is certain that it has lost more than is allowed: the whole interval of the
difference lies below. Of so many measures none may fail by chance, so the intervals of the gate
have a level of 1 - 0.05 / measures (Bonferroni).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.evaluate.measures import LOWER_IS_BETTER, MEASURES

_RESAMPLES = 2000
_LEVEL = 0.95

Scores = Mapping[str, Mapping[str, float]]  # question -> measure -> value
Values = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean with its interval, and over how many questions."""

    mean: float
    low: float
    high: float
    num_questions: int


def interval(values: Sequence[float], *, level: float = _LEVEL, seed: int = 0) -> Interval:
    """Gives the mean of some values, at least one, with its interval."""
    array: Values = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(array), size=(_RESAMPLES, len(array)))
    low, high = np.quantile(array[picks].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return Interval(
        mean=float(array.mean()), low=float(low), high=float(high), num_questions=len(array)
    )


def shown(value: float, sign: str = "") -> str:
    """Writes a value with three digits, however small it is; with `sign` "+" also that."""
    return f"{value:{sign}.3f}" if abs(value) >= 0.1 or not value else f"{value:{sign}.3g}"


def means(scores: Scores) -> dict[str, Interval]:
    """Gives each measure that was taken of any question."""
    found = {name: [one[name] for one in scores.values() if name in one] for name in MEASURES}
    return {name: interval(values) for name, values in found.items() if values}


def differences(before: Scores, after: Scores, *, level: float = _LEVEL) -> dict[str, Interval]:
    """Gives how much each measure has gained, over the questions that both versions have.

    For what is better when it is lower, a gain is a fall.
    """
    found: dict[str, Interval] = {}
    for name in MEASURES:
        sign = -1.0 if name in LOWER_IS_BETTER else 1.0
        gained = [
            sign * (after[question][name] - before[question][name])
            for question in after
            if name in after[question] and name in before.get(question, {})
        ]
        if gained:
            found[name] = interval(gained, level=level)
    return found


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a version has to reach.

    Attributes:
        least: measure -> the least mean; of what is better when it is lower, the most.
        drops: measure -> how much of it may be lost against the version before.
    """

    least: Mapping[str, float]
    drops: Mapping[str, float]


def failures(after: Scores, before: Scores | None, limits: Limits) -> list[str]:
    """Says which limits are not kept; none: the version passes."""
    told = []
    reached = means(after)
    for name, least in limits.least.items():
        if name not in reached:
            told.append(f"{name}: of no question is it known")
            continue
        mean = reached[name].mean
        is_kept = mean <= least if name in LOWER_IS_BETTER else mean >= least
        if not is_kept:
            side = "above" if name in LOWER_IS_BETTER else "below"
            told.append(f"{name}: {shown(mean)} is {side} {shown(least)}")
    if before is None:
        return told
    level = 1 - (1 - _LEVEL) / max(1, len(limits.drops))
    gained = differences(before, after, level=level)
    for name, allowed in limits.drops.items():
        if name not in gained:
            told.append(f"{name}: of no question is it known of both versions")
            continue
        one = gained[name]
        if one.high < -allowed:
            told.append(
                f"{name}: lost {shown(-one.mean)} ({shown(-one.high)} to {shown(-one.low)}), "
                f"more than {shown(allowed)}"
            )
    return told
