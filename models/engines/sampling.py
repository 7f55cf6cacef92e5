"""Sampling as a pure function of (seed, position), for transformers' continuous batching.

The Gumbel-max trick (arXiv 1611.01144): the argmax of logits plus Gumbel noise is a sample of the
softmax. The noise is hashed from the request's seed, the position of the token in prompt and
answer, and the token's index, so a request samples the same tokens alone, in any batch, and when
it is resumed elsewhere from its prompt and the tokens that it has so far.
"""

import numpy as np
import torch
from transformers import LogitsProcessorList
from transformers.generation.continuous_batching.cb_logits_processors import (
    ContinuousBatchingLogitsProcessor,
    ContinuousBatchingLogitsProcessorList,
    ContinuousBatchingTemperatureLogitsWarper,
    ContinuousBatchingTopKLogitsWarper,
    ContinuousBatchingTopPLogitsWarper,
)
from transformers.generation.continuous_batching.requests import FutureRequestState
from transformers.generation.logits_process import (
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from models.engines.masks import unpack
from models.generation import PackedMask, TokenMask

_MASK_32 = 0xFFFFFFFF


def hash_32(value: torch.Tensor) -> torch.Tensor:
    """Mixes 32-bit numbers ("lowbias32", github.com/skeeto/hash-prospector).

    Args:
        value: int64, any shape, each in 0..2^32-1.

    Returns:
        int64, the same shape, each in 0..2^32-1.
    """
    value = ((value ^ (value >> 16)) * 0x7FEB352D) & _MASK_32
    value = ((value ^ (value >> 15)) * 0x846CA68B) & _MASK_32
    return value ^ (value >> 16)


def noise_key(seed: int, position: int) -> int:
    """Gives the key of one token's noise, in 1..2^31-1; 0 is kept for "no noise"."""
    low, high = seed & _MASK_32, (seed >> 32) & _MASK_32
    key = torch.tensor(low)
    for part in (high, position & _MASK_32):
        key = hash_32(key ^ hash_32(torch.tensor(part) + 0x9E3779B9 & _MASK_32))
    return int(key) % 0x7FFFFFFF or 1


def gumbel_noise(keys: torch.Tensor, vocabulary_size: int) -> torch.Tensor:
    """Makes standard Gumbel noise.

    Args:
        keys: int64, (n,), one a request.
        vocabulary_size: number of logits.

    Returns:
        float32, (n, vocabulary_size).
    """
    tokens = torch.arange(vocabulary_size, device=keys.device, dtype=torch.int64)
    bits = hash_32(hash_32(tokens) ^ hash_32(keys & _MASK_32).unsqueeze(-1))
    # The upper 24 bits, since a float32 holds no more; +0.5 keeps the uniform off 0 and 1.
    uniform = ((bits >> 8).to(torch.float32) + 0.5) / 2**24
    return -torch.log(-torch.log(uniform))


class SeededNoise(ContinuousBatchingLogitsProcessor):  # type: ignore[misc]  # transformers is untyped
    """Adds the noise of every request that has a seed; the others stay greedy."""

    supported_kwargs: dict[str, type] = {"seed": int}  # noqa: RUF012  # the parent's own form
    ignored_kwargs: tuple[str, ...] = ()

    def fill_defaults(self, int32_tensor: torch.Tensor) -> None:
        """Fills a batch with "no noise"."""
        int32_tensor.fill_(0)

    def prepare_tensor_args(self, requests: list[FutureRequestState]) -> torch.Tensor:
        """Gives the noise key of every request, int32, (n,)."""
        return torch.tensor([self._key(request) for request in requests], dtype=torch.int32)

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        """Adds noise to float (n, vocabulary_size) scores."""
        keys = tensor_arg[: scores.size(0)].to(torch.int64)
        if not bool(keys.any()):
            return scores
        noise = gumbel_noise(keys, scores.size(-1))
        return scores + noise.masked_fill((keys == 0).unsqueeze(-1), 0.0)

    @staticmethod
    def _key(request: FutureRequestState) -> int:
        state = request.state
        seed = state.logit_processor_kwargs.get("seed")
        if seed is None:
            return 0
        return noise_key(seed, len(state.initial_tokens) + len(state.generated_tokens))


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


class _TopK(ContinuousBatchingTopKLogitsWarper):  # type: ignore[misc]  # transformers is untyped
    """Skips the sort of the whole vocabulary when no request of the batch asks for it."""

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        if bool((tensor_arg[: scores.size(0)] >= scores.size(-1)).all()):
            return scores
        result: torch.Tensor = super().__call__(scores, tensor_arg)
        return result


class _TopP(ContinuousBatchingTopPLogitsWarper):  # type: ignore[misc]  # transformers is untyped
    """Skips the sort of the whole vocabulary when no request of the batch asks for it."""

    def __call__(self, scores: torch.Tensor, tensor_arg: torch.Tensor) -> torch.Tensor:
        if bool((tensor_arg[: scores.size(0)].view(torch.float32) >= 1).all()):
            return scores
        result: torch.Tensor = super().__call__(scores, tensor_arg)
        return result


def make_processors(vocabulary_size: int) -> ContinuousBatchingLogitsProcessorList:
    """Makes the per-request mask, temperature, top-k, top-p and seeded noise, in that order."""
    processors = [
        MaskedScores(),
        ContinuousBatchingTemperatureLogitsWarper(TemperatureLogitsWarper(1.0)),
        _TopK(TopKLogitsWarper(vocabulary_size)),
        _TopP(TopPLogitsWarper(1.0)),
        SeededNoise(),
    ]
    made = ContinuousBatchingLogitsProcessorList(LogitsProcessorList(processors))
    made.tensors_required = len(processors)
    return made
