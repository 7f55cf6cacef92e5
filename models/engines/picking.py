"""What one request says of how its tokens are picked, and the steps from logits to its token.

    logits -> told (logprobs) -> adjusted -> masked -> drawn -> argmax

The same steps in every engine; each says in its own way which rows are whose.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

import numpy as np
import numpy.typing as npt
import torch

from models.constraints import TokenMask
from models.engines.adjusting import Adjustment, adjusted_scores
from models.engines.masks import unpack
from models.engines.seeded import Draw, drawn_scores
from models.generation import EngineRequest, TokenLogprob


@dataclass(frozen=True, kw_only=True)
class Picking:
    """How the tokens of one request are picked.

    Attributes:
        answer_start: where in its ids the answer begins.
        top_logprobs: so many likeliest ids are told beside each token; None: nothing is.
        told: what was told, one a token, in their order; grows while it decodes.
    """

    answer_start: int
    adjustment: Adjustment | None = None
    mask: TokenMask | None = None
    draw: Draw | None = None
    top_logprobs: int | None = None
    told: list[TokenLogprob] = field(default_factory=list)

    @property
    def changes_logits(self) -> bool:
        """Whether other tokens may be picked than the likeliest ones."""
        return any(part is not None for part in (self.adjustment, self.mask, self.draw))

    @classmethod
    def of(cls, request: EngineRequest, end_ids: Sequence[int]) -> "Picking | None":
        """Gives what a request says; None: its tokens are the likeliest ones, and nothing is told.

        Args:
            request: what is asked.
            end_ids: the ids that end an answer of this model.
        """
        made = cls(
            answer_start=request.answer_start,
            adjustment=Adjustment.of(request, end_ids),
            mask=request.mask,
            draw=Draw.of(request),
            top_logprobs=request.sampling.top_logprobs,
        )
        return made if made.changes_logits or made.top_logprobs is not None else None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One request in a batch.

    Attributes:
        index: its row of the logits.
        ids: prompt and answer so far.
        allowed: what its mask lets through; int32, (ceil(vocabulary_size / 32),).
    """

    index: int
    picking: Picking
    ids: Sequence[int]
    allowed: npt.NDArray[np.int32] | None


def row_of(index: int, picking: Picking, ids: Sequence[int]) -> Row:
    """Works out what may come next in a row."""
    mask = picking.mask
    allowed = None if mask is None else mask.allowed(ids[picking.answer_start :])
    return Row(index=index, picking=picking, ids=ids, allowed=allowed)


def picked_scores(logits: torch.Tensor, rows: Sequence[Row]) -> torch.Tensor:
    """Turns logits into scores whose argmax is the token, and tells its probability where asked.

    Args:
        logits: float (n, vocabulary_size); may be changed.
        rows: the requests that say something; the other rows stay as they are.

    Returns:
        float (n, vocabulary_size).
    """
    told = [row for row in rows if row.picking.top_logprobs is not None]
    raw = torch.log_softmax(logits[[row.index for row in told]].float(), dim=-1) if told else None
    scores = _drawn(_masked(_adjusted(logits, rows), rows), rows)
    if raw is not None:
        _tell(raw, scores, told)
    return scores


def _adjusted(logits: torch.Tensor, rows: Sequence[Row]) -> torch.Tensor:
    asked = [(row, one) for row in rows if (one := row.picking.adjustment) is not None]
    if not asked:
        return logits
    indexes, sequences = [row.index for row, _ in asked], [row.ids for row, _ in asked]
    return adjusted_scores(logits, indexes, [one for _, one in asked], sequences)


def _masked(scores: torch.Tensor, rows: Sequence[Row]) -> torch.Tensor:
    masked = [(row.index, row.allowed) for row in rows if row.allowed is not None]
    if not masked:
        return scores
    indexes = [index for index, _ in masked]
    packed = np.stack([allowed for _, allowed in masked])
    may_come = torch.from_numpy(unpack(packed, scores.size(-1))).to(scores.device)
    scores = scores.clone()
    scores[indexes] = scores[indexes].masked_fill(~may_come, -inf)
    return scores


def _drawn(scores: torch.Tensor, rows: Sequence[Row]) -> torch.Tensor:
    drawn = [(row, draw) for row in rows if (draw := row.picking.draw) is not None]
    if not drawn:
        return scores
    indexes, positions = [row.index for row, _ in drawn], [len(row.ids) for row, _ in drawn]
    return drawn_scores(scores, indexes, [draw for _, draw in drawn], positions)


def _tell(raw: torch.Tensor, scores: torch.Tensor, told: Sequence[Row]) -> None:
    """Notes the probabilities of the tokens that are picked, as the model gave them."""
    picked = scores[[row.index for row in told]].argmax(-1).tolist()
    for values, token_id, row in zip(raw, picked, told, strict=True):
        best = values.topk(row.picking.top_logprobs or 0)
        top = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        logprob = float(values[token_id])
        row.picking.told.append(TokenLogprob(token_id=token_id, logprob=logprob, top=tuple(top)))
