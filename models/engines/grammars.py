"""The mask of a grammar: of a JSON schema, a regular expression or rules, by llguidance.

A matcher only goes forward; a mask is pure all the same, since it begins again where an answer is
not the last one made longer.
"""

from collections.abc import Sequence

import numpy as np
from llguidance import LLMatcher

from models.engines.masks import pack
from models.errors import InvalidInputError
from models.generation import PackedMask


class GrammarMask:
    """Holds one answer to a grammar. See `TokenMask`. Used by one thread at a time."""

    def __init__(self, start: LLMatcher, *, end_id: int, vocabulary_size: int) -> None:
        self._start = start
        self._matcher = start.deep_copy()
        self._written: list[int] = []
        self._only_end = pack({end_id}, vocabulary_size)

    def allowed(self, answer_ids: Sequence[int]) -> PackedMask:
        """Packs the ids that may come next; the end, where no answer goes on like this."""
        self._follow(answer_ids)
        # llguidance gives a word more than the ids need.
        packed = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.int32)
        packed = packed[: self._only_end.size]
        if self._matcher.is_error() or not packed.any():
            return self._only_end
        return packed

    def rest(self, answer_ids: Sequence[int]) -> tuple[int, ...] | None:
        """None: which ids write a text is settled by the model."""
        return None

    def check(self, answer_ids: Sequence[int]) -> None:
        """Raises InvalidInputError when the answer left the grammar, or the grammar its limits."""
        self._follow(answer_ids)
        if self._matcher.is_error():
            reason = self._matcher.get_error().splitlines()[0][:200]
            msg = f"the constraint failed at token {len(answer_ids)} of the answer: {reason}"
            raise InvalidInputError(msg)

    def _follow(self, answer_ids: Sequence[int]) -> None:
        wanted = list(answer_ids)
        if wanted[: len(self._written)] != self._written:
            self._matcher, self._written = self._start.deep_copy(), []
        if not self._matcher.is_error():
            self._matcher.consume_tokens(wanted[len(self._written) :])
        self._written = wanted
