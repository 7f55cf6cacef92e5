"""Holds an answer that does not begin with its text: what stands before it, and what follows.

begin  thoughts ...... end   answer
|-- any id, at most n --|    |-- the constraint's mask, fed the answer alone --|

Where it is a fixed head that stands before an answer, that is written first.

The id that opens a call ends thoughts, too, and is the first of the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.constraints import PackedMask, TokenMask
from models.engines.masks import pack
from models.errors import InvalidInputError


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
        call_id: opens a call, and so ends thoughts; None: nothing but `end_id` does.
    """

    begin_id: int
    end_id: int
    is_begun: bool
    limit: int
    stop_ids: frozenset[int]
    answer: TokenMask | None
    vocabulary_size: int
    call_id: int | None = None

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
        starts = [
            ids.index(one) + (one == self.end_id)
            for one in (self.end_id, self.call_id)
            if one is not None and one in ids
        ]
        return min(starts, default=None)

    def _all_but(self, ids: set[int]) -> PackedMask:
        packed: PackedMask = ~pack(ids, self.vocabulary_size)
        return np.ascontiguousarray(packed)


@dataclass(frozen=True, kw_only=True)
class HeadedMask:
    """Writes a head before an answer that is held to a constraint. See `TokenMask`.

    Attributes:
        head: its ids.
        answer: holds what follows.
    """

    head: tuple[int, ...]
    answer: TokenMask
    vocabulary_size: int

    def allowed(self, answer_ids: Sequence[int]) -> PackedMask:
        """Packs the ids that may come next."""
        size = len(self.head)
        if len(answer_ids) < size:
            return pack({self.head[len(answer_ids)]}, self.vocabulary_size)
        return self.answer.allowed(answer_ids[size:])

    def rest(self, answer_ids: Sequence[int]) -> tuple[int, ...] | None:
        """Gives the only rest of the answer, with what its head lacks."""
        rest = self.answer.rest(answer_ids[len(self.head) :])
        return None if rest is None else (*self.head[len(answer_ids) :], *rest)

    def check(self, answer_ids: Sequence[int]) -> None:
        """Raises InvalidInputError when the answer begins otherwise, or breaks its constraint."""
        size = len(self.head)
        if tuple(answer_ids[:size]) != self.head[: len(answer_ids)]:
            raise InvalidInputError("the ids of the answer do not begin with the head of an answer")
        self.answer.check(answer_ids[size:])
