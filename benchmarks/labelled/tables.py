"""The tables of the retrieval benchmark, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.labelled.questions import LabelledQuestion
from benchmarks.labelled.scores import MEASURES, Interval, Values, interval

Measured = dict[str, Values]  # of each way to search: float64, (n_questions, n_measures)
Means = dict[str, dict[str, dict[str, Interval]]]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Questions that are reported together."""

    name: str
    holds: Callable[[LabelledQuestion], bool]


def groups(questions: Sequence[LabelledQuestion]) -> list[Group]:
    """Return all questions of the test split, parts of them, and each source."""
    sources = sorted({question.source for question in questions})
    return [
        Group(name="test", holds=lambda one: True),
        Group(name="test, in other words", holds=lambda one: one.paraphrase),
        Group(name="test, the rest", holds=lambda one: not one.paraphrase),
        Group(name="test, without identifiers", holds=lambda one: one.source != "identifiers"),
        *(Group(name=f"test, {name}", holds=_of_source(name)) for name in sources),
    ]


def compare(questions: Sequence[LabelledQuestion], measured: Measured) -> Means:
    """Return the interval of each measure, of each way, in each group with a question in it."""
    report: Means = {}
    for group in groups(questions):
        rows = np.array([group.holds(question) for question in questions])
        if rows.any():
            report[f"{group.name} ({int(rows.sum())})"] = means(
                {way: values[rows] for way, values in measured.items()}
            )
    return report


def means(measured: Measured) -> dict[str, dict[str, Interval]]:
    """Return the interval of each measure of each way."""
    return {way: _intervals(values) for way, values in measured.items()}


def differences(measured: Measured, best: str) -> dict[str, dict[str, Interval]]:
    """Return by how much a way is better than each other one, question by question."""
    return means({way: measured[best] - values for way, values in measured.items() if way != best})


def print_table(title: str, rows: Mapping[str, Mapping[str, Interval]]) -> None:
    """Print the intervals with a column for each measure."""
    print(f"\n| {title} | " + " | ".join(MEASURES) + " |")
    print("|---|" + "---|" * len(MEASURES))
    for name, row in rows.items():
        print(f"| {name} | " + " | ".join(str(row[measure]) for measure in MEASURES) + " |")


def _intervals(values: Values) -> dict[str, Interval]:
    return {measure: interval(values[:, place]) for place, measure in enumerate(MEASURES)}


def _of_source(name: str) -> Callable[[LabelledQuestion], bool]:
    return lambda question: question.source == name
