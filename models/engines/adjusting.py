"""Logits changed as a request asks: penalties, biases, no end before `min_tokens`.

A pure function of prompt and answer, so that an answer that is resumed elsewhere has the same. The
same kernel in every engine, before the mask and the draw. The order is vLLM's: biases, then the
penalty of repetition, of frequency, of presence.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
import numpy.typing as npt
import torch

from models.generation import EngineRequest


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """How the logits of one request are changed.

    Attributes:
        answer_start: where in its ids the answer begins.
        biases: ids and what is added to their logits.
        blocked_ids: what may not come before the answer has `min_tokens`.
    """

    answer_start: int
    presence_penalty: float
    frequency_penalty: float
    repetition_penalty: float
    biases: tuple[tuple[int, float], ...]
    min_tokens: int
    blocked_ids: tuple[int, ...]

    @classmethod
    def of(cls, request: EngineRequest, end_ids: Sequence[int]) -> "Adjustment | None":
        """Gives how a request's logits are changed; None: they are not.

        Args:
            request: what is asked.
            end_ids: the ids that end an answer of this model.
        """
        asked = request.sampling
        names = (
            "presence_penalty", "frequency_penalty", "repetition_penalty", "logit_bias",
            "min_tokens",
        )  # fmt: skip
        if not any(asked.asks_for(name) for name in names):
            return None
        return cls(
            answer_start=request.answer_start,
            presence_penalty=asked.presence_penalty,
            frequency_penalty=asked.frequency_penalty,
            repetition_penalty=asked.repetition_penalty,
            biases=asked.logit_bias,
            min_tokens=asked.min_tokens,
            blocked_ids=(*end_ids, *asked.stop_token_ids),
        )


def adjusted_scores(
    logits: torch.Tensor,
    rows: Sequence[int],
    adjustments: Sequence[Adjustment],
    sequences: Sequence[Sequence[int]],
) -> torch.Tensor:
    """Changes logits as the requests ask.

    Args:
        logits: float (n, vocabulary_size).
        rows: the ones to change; the others stay as they are.
        adjustments: one for each of `rows`.
        sequences: the ids of prompt and answer so far, likewise.

    Returns:
        float32, (n, vocabulary_size).
    """
    scores = logits.float().clone()
    for row, adjustment, ids in zip(rows, adjustments, sequences, strict=True):
        _adjust(scores[row], adjustment, np.asarray(ids, dtype=np.int64))
    return scores


def _adjust(scores: torch.Tensor, adjustment: Adjustment, ids: npt.NDArray[np.int64]) -> None:
    """Changes float32 (vocabulary_size,) scores in place; `ids` are int64, (n,)."""
    answer = ids[adjustment.answer_start :]
    if adjustment.biases:
        biased, biases = zip(*adjustment.biases, strict=True)
        added = torch.tensor(biases, dtype=torch.float32, device=scores.device)
        scores.index_add_(0, _index(biased, scores), added)
    if adjustment.repetition_penalty != 1:
        seen = _index(np.unique(ids), scores)
        values, penalty = scores[seen], adjustment.repetition_penalty
        scores[seen] = torch.where(values > 0, values / penalty, values * penalty)
    if (adjustment.frequency_penalty or adjustment.presence_penalty) and answer.size:
        unique, counts = np.unique(answer, return_counts=True)
        times = torch.from_numpy(counts).to(scores)
        taken = times * adjustment.frequency_penalty + adjustment.presence_penalty
        scores[_index(unique, scores)] -= taken
    if answer.size < adjustment.min_tokens:
        scores[_index(adjustment.blocked_ids, scores)] = -inf


def _index(ids: Sequence[int] | npt.NDArray[np.int64], scores: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(np.asarray(ids, dtype=np.int64), device=scores.device)
