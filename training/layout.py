"""What a training row is, and how rows become arrays."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Row length, most context tokens, and supervised positions per row."""

    length: int
    context: int
    supervised: int


@dataclass(kw_only=True)
class Row:
    """One growing row; the lists become the arrays of `pack`."""

    tokens: list[int] = field(default_factory=list)
    segment: list[int] = field(default_factory=list)
    position: list[int] = field(default_factory=list)
    sentence_start: list[int] = field(default_factory=list)
    passage_start: list[int] = field(default_factory=list)
    # One entry per supervised position: where, what follows, weight, source, target span, tail.
    at: list[int] = field(default_factory=list)
    label: list[int] = field(default_factory=list)
    weight: list[float] = field(default_factory=list)
    source: list[int] = field(default_factory=list)
    span: list[tuple[int, int]] = field(default_factory=list)
    tail: list[int] = field(default_factory=list)


def cut(row: Row, num_tokens: int, num_supervised: int) -> None:
    """Takes the last tail off again."""
    for values in (row.tokens, row.segment, row.position, row.sentence_start, row.passage_start):
        del values[num_tokens:]
    for numbers in (row.at, row.label, row.source, row.tail):
        del numbers[num_supervised:]
    del row.weight[num_supervised:], row.span[num_supervised:]


def pack(rows: list[Row], shape: Shape, pad: int) -> dict[str, NDArray[np.int16 | np.float16]]:
    """Stacks rows to arrays.

    Args:
        rows: at most `shape.length` tokens and `shape.supervised` supervised positions each.
        shape: what to pad to.
        pad: id of the padding token.

    Returns:
        int16 `tokens`, `segment`, `position`, `sentence_start`, `passage_start`: (rows, length);
        int16 `at`, `label`, `source`, `tail`, `span_start`, `span_end` and float16 `weight`:
        (rows, supervised). Padding has segment -1 and weight 0.
    """
    per_token = {
        "tokens": pad,
        "segment": -1,
        "position": 0,
        "sentence_start": -1,
        "passage_start": -1,
    }
    packed: dict[str, NDArray[np.int16 | np.float16]] = {
        name: np.full((len(rows), shape.length), value, np.int16)
        for name, value in per_token.items()
    }
    for name, value in {"at": 0, "label": 0, "source": -1, "tail": -1}.items():
        packed[name] = np.full((len(rows), shape.supervised), value, np.int16)
    packed["weight"] = np.zeros((len(rows), shape.supervised), np.float16)
    packed["span_start"] = np.zeros((len(rows), shape.supervised), np.int16)
    packed["span_end"] = np.zeros((len(rows), shape.supervised), np.int16)
    for i, row in enumerate(rows):
        for name in per_token:
            values = getattr(row, name)
            packed[name][i, : len(values)] = values
        count = len(row.at)
        for name in ("at", "label", "source", "tail", "weight"):
            packed[name][i, :count] = getattr(row, name)
        packed["span_start"][i, :count] = [s for s, _ in row.span]
        packed["span_end"][i, :count] = [e for _, e in row.span]
    return packed
