"""Reads packed rows, and scores a network on them."""

from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.network import Network

Batch = dict[str, Tensor]


class Rows:
    """The packed rows of one stage, read in order and again from the start when they end."""

    def __init__(self, path: Path) -> None:
        """Takes a file of `corpus.py`, opened when it is first needed."""
        self._path = path

    @cached_property
    def _arrays(self) -> dict[str, NDArray[np.int16 | np.float16]]:
        with np.load(self._path) as arrays:
            return {name: arrays[name] for name in arrays.files}

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self._arrays["tokens"])

    def batch(self, start: int, count: int) -> Batch:
        """Returns rows `start` to `start + count` as int64, the weights as float32."""
        chosen = np.arange(start, start + count) % self.count
        return {
            name: torch.from_numpy(
                values[chosen].astype(np.float32 if name == "weight" else np.int64)
            )
            for name, values in self._arrays.items()
        }


def loss_of(network: Network, batch: Batch, guide_weight: float) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the training loss, the weighted cross-entropy, and which labels the argmax hits."""
    logits, guides = network(batch)
    losses = functional.cross_entropy(
        logits.flatten(0, 1), batch["label"].flatten(), reduction="none"
    )
    weight = batch["weight"].flatten()
    entropy = (losses * weight).sum() / weight.sum()
    return entropy + guide_weight * guides, entropy.detach(), logits.argmax(-1) == batch["label"]


@torch.no_grad()
def evaluate(network: Network, rows: Rows, most: int) -> dict[str, float]:
    """Teacher-forced scores per question: the argmax agrees everywhere iff greedy decoding does.

    Returns:
        Shares: `answered` and `declined` (whole answer right, of those with and without one),
        `first` (first token right), `cited` (marker right in whole answers), `copied`
        (all tokens after the first right).
    """
    tallies: dict[str, list[float]] = {}
    for start in range(0, min(most, rows.count), 4):
        batch = rows.batch(start, min(4, rows.count - start))
        _, _, hit = loss_of(network, batch, 0.0)
        for row in range(len(hit)):
            for tail in range(1, int(batch["tail"][row].max()) + 1):
                _tally(tallies, hit[row], {k: v[row] for k, v in batch.items()}, tail)
    return {name: round(float(np.mean(values)), 4) for name, values in sorted(tallies.items())}


def _tally(tallies: dict[str, list[float]], hit: Tensor, row: Batch, tail: int) -> None:
    mine = (row["tail"] == tail) & (row["weight"] > 0)
    right = hit[mine]
    answered = bool(row["span_end"][mine].max() > 0)
    marker = (row["weight"][mine] > 1)[1:]
    if not answered:
        tallies.setdefault("declined", []).append(float(right.all()))
        return
    tallies.setdefault("first", []).append(float(right[0]))
    if marker.any():
        tallies.setdefault("answered", []).append(float(right.all()))
        tallies.setdefault("cited", []).append(float(right[1:][marker].all()))
        tallies.setdefault("copied", []).append(float(right[1:].all()))
