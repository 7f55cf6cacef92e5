"""Holds an answer that begins with thoughts: these to a length, what follows to a constraint.

begin  thoughts ...... end   answer
|-- any id, at most n --|    |-- the constraint's mask, fed the answer alone --|
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.constraints import PackedMask, TokenMask
from models.engines.masks import pack


@dataclass(frozen=True, kw_only=True)
class ThinkingMask:
    """See `TokenMask`.

    Attributes:
        begin_id: the id that thoughts begin with.
        end_id: the id that they end with.
        is_begun: whether the prompt has the first mark, so that the answer begins with thoughts.
        limit: most ids of thoughts; then `end_id` is all that may come.
        stop_ids: ids that end an answer; none of them may end thoughts.
        answer: holds what follows; None: it is free.
    """

    begin_id: int
    end_id: int
    is_begun: bool
    limit: int
    stop_ids: frozenset[int]
    answer: TokenMask | None
    vocabulary_size: int

    def allowed(self, answer_ids: Sequence[int]) -> PackedMask:
        """Packs the ids that may come next."""
        start = self._start(answer_ids)
        if start is None:
            num_thought = len(answer_ids) - (not self.is_begun)
            if num_thought >= self.limit:
                return pack({self.end_id}, self.vocabulary_size)
            return self._all_but({self.begin_id, *self.stop_ids})
        if self.answer is None:
            return self._all_but(set() if self._may_begin(answer_ids) else {self.begin_id})
        allowed = self.answer.allowed(answer_ids[start:])
        if self._may_begin(answer_ids):
            allowed = allowed | pack({self.begin_id}, self.vocabulary_size)
        return allowed

    def rest(self, answer_ids: Sequence[int]) -> tuple[int, ...] | None:
        """Gives the only rest of the answer, once it has begun."""
        start = self._start(answer_ids)
        if start is None or self.answer is None or self._may_begin(answer_ids):
            return None
        return self.answer.rest(answer_ids[start:])

    def check(self, answer_ids: Sequence[int]) -> None:
        """Raises InvalidInputError when the answer after the thoughts breaks its constraint."""
        start = self._start(answer_ids)
        if start is not None and self.answer is not None:
            self.answer.check(answer_ids[start:])

    def _may_begin(self, answer_ids: Sequence[int]) -> bool:
        return not answer_ids and not self.is_begun and self.limit > 0

    def _start(self, answer_ids: Sequence[int]) -> int | None:
        """Says where the answer begins behind its thoughts; None: it is thoughts as yet."""
        if not self.is_begun and (not answer_ids or answer_ids[0] != self.begin_id):
            return 0
        ids = list(answer_ids)
        return ids.index(self.end_id) + 1 if self.end_id in ids else None

    def _all_but(self, ids: set[int]) -> PackedMask:
        packed: PackedMask = ~pack(ids, self.vocabulary_size)
        return np.ascontiguousarray(packed)
