"""How transformers' continuous batching picks tokens: each request as it says."""

import torch
from transformers import LogitsProcessorList
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
    ContinuousBatchingLogitsProcessorList,
)
from transformers.generation.continuous_batching.requests import FutureRequestState

from models.engines.picking import Picking, Row, picked_scores, row_of


class PickedTokens(ContinuousBatchingLogitsProcessor):  # type: ignore[misc]  # transformers is untyped
    """Picks the tokens of every request that says how; the others stay greedy.

    What a request says is worked out where the batch is prepared, since a processor's own argument
    is one number a request; batches are prepared and decoded one after the other
    (`use_async_batching`).
    """

    supported_kwargs: dict[str, type] = {"picking": Picking}  # noqa: RUF012  # the parent's own form
    ignored_kwargs: tuple[str, ...] = ()

    def __init__(self) -> None:
        self._rows: list[Row] = []

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        """Fills a batch with "greedy"."""
        int32_tensor.fill_(0)

    def prepare_tensor_args(self, requests: list[FutureRequestState]) -> torch.Tensor:
        """Notes what every request says of its next token; gives int32 zeros, (n,)."""
        states = [request.state for request in requests]
        self._rows = [
            row_of(index, picking, [*state.initial_tokens, *state.generated_tokens])
            for index, state in enumerate(states)
            if (picking := state.logit_processor_kwargs.get("picking")) is not None
        ]
        return torch.zeros(len(requests), dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        """Turns float (n, vocabulary_size) logits into scores whose argmax is the token."""
        return picked_scores(scores, self._rows) if self._rows else scores


def make_processors() -> ContinuousBatchingLogitsProcessorList:
    """Makes what picks the tokens of a batch."""
    made = ContinuousBatchingLogitsProcessorList(LogitsProcessorList([PickedTokens()]))
    made.tensors_required = 1
    return made
