"""How transformers' continuous batching picks tokens: each request by its own mask and draw."""

import numpy as np
import torch
from transformers import LogitsProcessorList
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
    ContinuousBatchingLogitsProcessorList,
)
from transformers.generation.continuous_batching.requests import FutureRequestState

from models.engines.masks import unpack
from models.engines.seeded import Draw, drawn_scores
from models.generation import PackedMask, TokenMask


class MaskedScores(ContinuousBatchingLogitsProcessor):  # type: ignore[misc]  # transformers is untyped
    """Leaves only the tokens that a request's mask lets through, where it has one.

    The ids are worked out where the batch is prepared, since a processor's own argument is one
    number a request; batches are prepared and decoded one after the other (`use_async_batching`).
    """

    # The parent's own form; it checks the types, and a Protocol is none.
    supported_kwargs: dict[str, type] = {"mask": object, "answer_start": int}  # noqa: RUF012
    ignored_kwargs: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._rows: list[int] = []
        self._allowed = np.empty((0, 0), dtype=np.int32)

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        """Fills a batch with "free"."""
        int32_tensor.fill_(0)

    def prepare_tensor_args(self, requests: list[FutureRequestState]) -> torch.Tensor:
        """Works out what may come next; gives int32, (n,), 1 where that is restricted."""
        packed = [_allowed(request) for request in requests]
        self._rows = [row for row, words in enumerate(packed) if words is not None]
        if self._rows:
            self._allowed = np.stack([words for words in packed if words is not None])
        return torch.tensor([words is not None for words in packed], dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        """Sets all but the allowed of float (n, vocabulary_size) scores to -inf."""
        if not self._rows:
            return scores
        may_come = torch.from_numpy(unpack(self._allowed, scores.size(-1))).to(scores.device)
        masked = scores.clone()
        masked[self._rows] = scores[self._rows].masked_fill(~may_come, float("-inf"))
        return masked


def _allowed(request: FutureRequestState) -> PackedMask | None:
    state = request.state
    mask: TokenMask | None = state.logit_processor_kwargs.get("mask")
    if mask is None:
        return None
    delivered = state.initial_tokens[state.logit_processor_kwargs["answer_start"] :]
    return mask.allowed([*delivered, *state.generated_tokens])


class DrawnScores(ContinuousBatchingLogitsProcessor):  # type: ignore[misc]  # transformers is untyped
    """Draws the tokens of every request that says how; the others stay greedy.

    What is drawn is noted where the batch is prepared, as in `MaskedScores`.
    """

    supported_kwargs: dict[str, type] = {"draw": Draw}  # noqa: RUF012  # the parent's own form
    ignored_kwargs: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._drawn: list[tuple[int, Draw, int]] = []

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        """Fills a batch with "greedy"."""
        int32_tensor.fill_(0)

    def prepare_tensor_args(self, requests: list[FutureRequestState]) -> torch.Tensor:
        """Notes row, draw and position of every token to be drawn; gives int32 zeros, (n,)."""
        states = [request.state for request in requests]
        self._drawn = [
            (row, draw, len(state.initial_tokens) + len(state.generated_tokens))
            for row, state in enumerate(states)
            if (draw := state.logit_processor_kwargs.get("draw")) is not None
        ]
        return torch.zeros(len(requests), dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        """Turns float (n, vocabulary_size) logits into scores whose argmax is drawn."""
        if not self._drawn:
            return scores
        rows, draws, positions = zip(*self._drawn, strict=True)
        return drawn_scores(scores, rows, draws, positions)


def make_processors() -> ContinuousBatchingLogitsProcessorList:
    """Makes the per-request mask and draw, in that order."""
    processors = [MaskedScores(), DrawnScores()]
    made = ContinuousBatchingLogitsProcessorList(LogitsProcessorList(processors))
    made.tensors_required = len(processors)
    return made
