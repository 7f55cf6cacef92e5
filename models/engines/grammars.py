"""The mask of a grammar: of a JSON schema, a regular expression or rules, by llguidance.

A matcher only goes forward; a mask is pure all the same, since it begins again where an answer is
not the last one made longer.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from llguidance import LLMatcher, LLTokenizer

from models.constraints import PackedMask
from models.engines import grammar_check
from models.engines.masks import pack
from models.errors import InvalidInputError

NUM_KEPT = 64  # matchers at their start, the newest


@dataclass(frozen=True, kw_only=True)
class GrammarRecipe:
    """What makes a mask again in the process that decodes, where a matcher cannot be sent.

    Attributes:
        grammar: in llguidance's own form, checked.
        end_id: the id that ends an answer.
        vocabulary_size: number of the model's logits.
        more_end_ids: others that end one.
    """

    grammar: str
    end_id: int
    vocabulary_size: int
    more_end_ids: tuple[int, ...] = ()


class GrammarMask:
    """Holds one answer to a grammar. See `TokenMask`. Used by one thread at a time.

    Args:
        start: the grammar's matcher at its start.
        recipe: of the same grammar.
    """

    def __init__(self, start: LLMatcher, recipe: GrammarRecipe) -> None:
        self.recipe = recipe
        self._start = start
        self._matcher = start.deep_copy()
        self._written: list[int] = []
        self._only_end = pack({recipe.end_id}, recipe.vocabulary_size)

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


class GrammarReader:
    """Makes the masks of grammars, for one tokenizer, and keeps the newest of them at their start.

    Args:
        tokenizer_json: the tokenizer, as the package `tokenizers` reads it.
    """

    def __init__(self, tokenizer_json: str) -> None:
        self._tokenizer_json = tokenizer_json
        self._tokenizer = lru_cache(maxsize=1)(self._make_tokenizer)
        self.start = lru_cache(maxsize=NUM_KEPT)(self._make_start)

    def mask(self, recipe: GrammarRecipe) -> GrammarMask:
        """Makes a mask, for one answer; what fails of its grammar is told by its `check`."""
        return GrammarMask(self.start(recipe), recipe)

    def _make_start(self, recipe: GrammarRecipe) -> LLMatcher:
        end_ids = (recipe.end_id, *recipe.more_end_ids)
        tokenizer = self._tokenizer(recipe.vocabulary_size, end_ids)
        limits = grammar_check.parser_limits()
        return LLMatcher(tokenizer, recipe.grammar, log_level=0, limits=limits)

    def _make_tokenizer(self, vocabulary_size: int, end_ids: tuple[int, ...]) -> LLTokenizer:
        spelling = _spelling(self._tokenizer_json)
        return LLTokenizer(spelling, n_vocab=vocabulary_size, eos_token=list(end_ids))


def _spelling(tokenizer_json: str) -> str:
    """Gives a tokenizer whose ids spell what they are asked for, byte by byte.

    A normalizer changes texts before they are cut, as that of the bundled generator does behind
    line breaks: the only way to go on would then be told as ids of another text. Where ids are
    bytes it says nothing of how they are spelt; elsewhere it may write blanks, and stays.
    """
    tokenizer = json.loads(tokenizer_json)
    if (tokenizer.get("decoder") or {}).get("type") != "ByteLevel":
        return tokenizer_json
    return json.dumps(tokenizer | {"normalizer": None})
