"""Sampling as a pure function of (seed, position), the same in every engine.

The Gumbel-max trick (arXiv 1611.01144): the argmax of logits plus Gumbel noise is a sample of the
softmax. The noise is hashed from the request's seed, the position of the token in prompt and
answer, and the token's index, so a request samples the same tokens alone, in any batch, and when
it is resumed elsewhere from its prompt and the tokens that it has so far.

    logits -> (mask) -> temperature -> top_k -> top_p -> + noise -> argmax
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import inf, log

import torch

from models.generation import EngineRequest

_MASK_32 = 0xFFFFFFFF
# Numbers that torch works on without waking other threads (at::internal::GRAIN_SIZE): where cores
# are shared, waiting for a thread takes longer than the work.
_SERIAL_SIZE = 32768
# Scores that are sorted at first: the nucleus of top_p is seldom larger. Then so many times more.
_NUM_SORTED = 128
_MORE_SORTED = 8


@dataclass(frozen=True, kw_only=True)
class Draw:
    """How the tokens of one request are drawn.

    Attributes:
        seed: a signed 64-bit integer.
        temperature: above 0.
        top_p: nucleus mass in (0, 1].
        top_k: at most so many candidates; 0 means all.
        min_p: least probability of a candidate, as a share of the likeliest one's.
    """

    seed: int
    temperature: float
    top_p: float
    top_k: int
    min_p: float = 0.0

    @classmethod
    def of(cls, request: EngineRequest) -> "Draw | None":
        """Gives how a request's tokens are drawn; None: they are the likeliest ones."""
        if request.temperature <= 0:
            return None
        return cls(
            seed=request.seed,
            temperature=float(request.temperature),
            top_p=float(request.top_p),
            top_k=request.top_k,
            min_p=float(request.sampling.min_p),
        )

    def cuts(self, vocabulary_size: int) -> bool:
        """Says whether some tokens are no candidates."""
        return 0 < self.top_k < vocabulary_size or self.top_p < 1


def drawn_scores(
    logits: torch.Tensor, rows: Sequence[int], draws: Sequence[Draw], positions: Sequence[int]
) -> torch.Tensor:
    """Turns logits into scores whose argmax is the token that is drawn.

    Args:
        logits: float (n, vocabulary_size); may be changed.
        rows: the ones to draw from; the others stay as they are.
        draws: one for each of `rows`.
        positions: tokens of prompt and answer before the drawn one, likewise.

    Returns:
        float32, (n, vocabulary_size).
    """
    scores = logits.float()
    if not rows:
        return scores
    told = _Columns.of(draws, positions, scores.device)
    on_cpu = scores.device.type == "cpu" and torch.get_num_threads() > 1
    block = max(1, _SERIAL_SIZE // scores.size(-1)) if on_cpu else len(rows)
    for start in range(0, len(rows), block):
        part = slice(start, start + block)
        index = torch.tensor(rows[part], device=scores.device)
        drawn = scores.index_select(0, index)
        _draw(drawn, draws[part], told.cut(part))
        scores.index_copy_(0, index, drawn)
    return scores


@dataclass(frozen=True, kw_only=True)
class _Columns:
    """What draws say, in vectors: made once for all rows, since each costs as much as a block.

    Attributes:
        temperatures: float32, (n, 1).
        floors: the least score of a candidate by min_p, likewise; None where nobody asks for it.
        keys: int32, (n,).
    """

    temperatures: torch.Tensor
    floors: torch.Tensor | None
    keys: torch.Tensor

    @classmethod
    def of(
        cls, draws: Sequence[Draw], positions: Sequence[int], device: torch.device
    ) -> "_Columns":
        # Below the smallest normal number a temperature would be 0 in a float32: a bad divisor.
        least = torch.finfo(torch.float32).tiny
        temperatures = torch.tensor([max(draw.temperature, least) for draw in draws])
        floors = None
        if any(draw.min_p for draw in draws):
            floors = torch.tensor([log(draw.min_p) if draw.min_p else -inf for draw in draws])
            floors = floors.to(device).unsqueeze(-1)
        keys = noise_keys(
            torch.tensor([draw.seed for draw in draws], dtype=torch.int64),
            torch.tensor(positions, dtype=torch.int64),
        )
        return cls(
            temperatures=temperatures.to(device).unsqueeze(-1), floors=floors, keys=keys.to(device)
        )

    def cut(self, part: slice) -> "_Columns":
        floors = None if self.floors is None else self.floors[part]
        return _Columns(temperatures=self.temperatures[part], floors=floors, keys=self.keys[part])


def _draw(scores: torch.Tensor, draws: Sequence[Draw], told: _Columns) -> None:
    """Does the work of `drawn_scores` in float32 (n, vocabulary_size) scores, one draw each."""
    scores.sub_(scores.amax(-1, keepdim=True)).div_(told.temperatures)
    if told.floors is not None:
        scores.masked_fill_(scores < told.floors, -inf)
    _cut(scores, draws)
    scores.add_(gumbel_noise(told.keys, scores.size(-1)))


def _cut(scores: torch.Tensor, draws: Sequence[Draw]) -> None:
    """Sets what top_k and top_p leave out of float32 (n, vocabulary_size) scores to -inf."""
    size, device = scores.size(-1), scores.device
    rows = [row for row, draw in enumerate(draws) if draw.cuts(size)]
    if not rows:
        return
    limits = [min(draws[row].top_k or size, size) for row in rows]
    top_k = torch.tensor(limits, device=device).unsqueeze(-1)
    top_p = torch.tensor([draws[row].top_p for row in rows], device=device).unsqueeze(-1)
    count = max(_NUM_SORTED, *(limit for limit in limits if limit < size), 0)
    index = torch.tensor(rows, device=device)
    whole = scores.index_select(0, index)
    bound = _bound(whole, top_k, top_p, min(count, size))
    scores.index_copy_(0, index, whole.masked_fill_(whole < bound, -inf))


def _bound(
    scores: torch.Tensor, top_k: torch.Tensor, top_p: torch.Tensor, count: int
) -> torch.Tensor:
    """Gives the least score of a candidate, (n, 1); what equals it is a candidate too.

    A row's bound is a function of that row alone, whatever else is in the batch: each sum runs over
    its scores in their order, so a longer sort for the sake of others changes nothing.

    Args:
        scores: float32, (n, vocabulary_size), each row's greatest is 0.
        top_k: int64, (n, 1), in 1..vocabulary_size.
        top_p: float32, (n, 1).
        count: scores that are sorted first, at least as many as any top_k that cuts.
    """
    best = scores.topk(count).values
    mass = best.exp()
    mass.masked_fill_(torch.arange(count, device=scores.device) >= top_k, 0.0)
    sums = mass.cumsum(-1)
    all_mass = scores.exp().cumsum(-1)[:, -1:]
    wanted = top_p * torch.where(top_k < scores.size(-1), sums[:, -1:], all_mass)
    stays = (sums - mass < wanted) & (mass > 0)
    bound = best.masked_fill_(~stays, inf).amin(-1, keepdim=True)
    is_short = (sums[:, -1:] < wanted).squeeze(-1)
    if count < scores.size(-1) and bool(is_short.any()):
        more = min(_MORE_SORTED * count, scores.size(-1))
        bound[is_short] = _bound(scores[is_short], top_k[is_short], top_p[is_short], more)
    return bound


def hash_32(value: torch.Tensor) -> torch.Tensor:
    """Mixes 32-bit numbers ("lowbias32", github.com/skeeto/hash-prospector).

    Args:
        value: int32, any shape; changed.

    Returns:
        The same tensor, with all 32 bits in use, so half of the numbers are negative.
    """
    # int32 wraps around, and takes half the time of int64; its shifts copy the sign, hence masks.
    value ^= (value >> 16) & 0xFFFF
    value *= 0x7FEB352D
    value ^= (value >> 15) & 0x1FFFF
    value *= 0x846CA68B - 2**32
    value ^= (value >> 16) & 0xFFFF
    return value


def noise_keys(seeds: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Gives the key of each row's noise.

    Args:
        seeds: int64, (n,).
        positions: int64, (n,).

    Returns:
        int32, (n,).
    """
    key = _low_bits(seeds)
    for part in (seeds >> 32, positions):
        key = hash_32(key ^ hash_32(_low_bits(part + 0x9E3779B9)))
    return key


def gumbel_noise(keys: torch.Tensor, vocabulary_size: int) -> torch.Tensor:
    """Makes standard Gumbel noise.

    Args:
        keys: int32, (n,), one a row.
        vocabulary_size: number of logits.

    Returns:
        float32, (n, vocabulary_size).
    """
    bits = hash_32(_hashed_ids(vocabulary_size, keys.device) ^ hash_32(keys.clone()).unsqueeze(-1))
    return noise_of(bits)


def noise_of(bits: torch.Tensor) -> torch.Tensor:
    """Makes standard Gumbel noise of random bits.

    Args:
        bits: int32, any shape.

    Returns:
        float32, the same shape, finite: -2.8 to 16.7.
    """
    # The upper 23 bits: +0.5 keeps the uniform off 0 and 1, and a float32 holds it with no more.
    uniform = ((bits >> 9) & 0x7FFFFF).to(torch.float32).add_(0.5).div_(2**23)
    return uniform.log_().neg_().log_().neg_()


@lru_cache(maxsize=4)
def _hashed_ids(vocabulary_size: int, device: torch.device) -> torch.Tensor:
    return hash_32(torch.arange(vocabulary_size, device=device, dtype=torch.int32))


def _low_bits(value: torch.Tensor) -> torch.Tensor:
    """Gives the lower 32 bits of int64 numbers, as int32."""
    low = value & _MASK_32
    return torch.where(low >= 2**31, low - 2**32, low).to(torch.int32)
