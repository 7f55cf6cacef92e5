"""Trains the router of questions: which ones a small generator answers as well as a large one.

    python -m benchmarks.exam.routing --half tuning --judged judged.json
    python -m training.router judged.json
    python -m training.router judged.json --out router.json

A lesson is a question that was put to both generators and judged: the features that the server has
of it when the answer is to be written, and whether the small one's answer is as good. Learnt is a
logistic regression, by Newton's method. The table says what each `min_ease` would have given, with
every question judged by weights that never saw it.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphs.choosing.router import BUNDLED
from graphs.router_weights import FEATURES, Weights

_DECAY = 1.0  # of the squares of weights: features overlap, and lessons are few
_STEPS = 50
_FOLDS = 10
_EASES = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Lessons:
    """What is learnt from.

    Attributes:
        features: (questions, features).
        as_good: (questions,), 1 where the small generator's answer is as good, else 0.
    """

    features: Matrix
    as_good: Matrix


def read_lessons(path: Path) -> Lessons:
    """Reads what `python -m benchmarks.exam.routing --judged` wrote.

    Raises:
        ValueError: there are too few, all of one kind, or of other features.
    """
    told = json.loads(path.read_text())
    features = np.array([one["features"] for one in told], dtype=np.float64)
    as_good = np.array([one["as_good"] for one in told], dtype=np.float64)
    if len(told) < _FOLDS or len(set(as_good.tolist())) < 2:
        msg = f"lessons must be at least {_FOLDS} of both kinds, got {len(told)}"
        raise ValueError(f"{msg}, {int(as_good.sum())} of them as good")
    if features.shape[1:] != (len(FEATURES),):
        raise ValueError(f"lessons must have {len(FEATURES)} features, got {features.shape[1:]}")
    return Lessons(features, as_good)


def train(lessons: Lessons) -> Weights:
    """Fits the weights that make the lessons most likely, large ones being unlikely."""
    means = lessons.features.mean(axis=0)
    scales = lessons.features.std(axis=0)
    scales[scales < 1e-9] = 1.0  # a feature that is the same everywhere, but for rounding
    inputs = np.column_stack([(lessons.features - means) / scales, np.ones(len(lessons.as_good))])
    decay = np.full(inputs.shape[1], _DECAY)
    decay[-1] = 1e-6  # the bias may be what it is
    fitted = np.zeros(inputs.shape[1])
    for _ in range(_STEPS):
        likely = 1 / (1 + np.exp(-np.clip(inputs @ fitted, -50, 50)))
        slope = inputs.T @ (likely - lessons.as_good) + decay * fitted
        curve = (inputs.T * (likely * (1 - likely))) @ inputs + np.diag(decay)
        step = np.linalg.solve(curve, slope)
        fitted -= step
        if np.abs(step).max() < 1e-9:
            break
    return Weights(
        features=FEATURES,
        means=tuple(means.tolist()),
        scales=tuple(scales.tolist()),
        lows=tuple(lessons.features.min(axis=0).tolist()),
        highs=tuple(lessons.features.max(axis=0).tolist()),
        weights=tuple(fitted[:-1].tolist()),
        bias=float(fitted[-1]),
    )


def eases(lessons: Lessons) -> Matrix:
    """Gives the ease of each question by weights that were trained without it."""
    found = np.zeros(len(lessons.as_good))
    fold = np.arange(len(found)) % _FOLDS
    for number in range(_FOLDS):
        rest = fold != number
        weights = train(Lessons(lessons.features[rest], lessons.as_good[rest]))
        found[~rest] = [weights.ease(one) for one in lessons.features[~rest].tolist()]
    return found


def table(lessons: Lessons) -> str:
    """Says for each `min_ease` what share the small generator gets, and what is lost by it."""
    found = eases(lessons)
    lines = ["min_ease  by the small one  points lost"]
    for ease in _EASES:
        small = found >= ease
        lost = 100 * float(np.mean(small * (1 - lessons.as_good)))
        lines.append(f"{ease:8.2f}  {100 * float(np.mean(small)):15.0f} %  {lost:11.1f}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table and writes the weights."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("judged", type=Path, help="of `python -m benchmarks.exam.routing --judged`")
    parser.add_argument("--out", type=Path, default=BUNDLED, help="default: the bundled router")
    options = parser.parse_args(arguments)
    lessons = read_lessons(options.judged)
    print(table(lessons))
    options.out.write_text(train(lessons).written())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
