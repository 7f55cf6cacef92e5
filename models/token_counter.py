"""Counts the tokens of a generator's prompt without the generator, torch or transformers."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from models.generation import GeneratorProfile


class SpecialTokens:
    """Breaks a model's control tokens in a text, so that a document cannot forge a turn."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tuple(tokens)
        self._pattern = re.compile("|".join(map(re.escape, tokens)) or r"(?!)")

    def neutralise(self, text: str) -> str:
        """Puts a space after the first character of every control token."""
        return self._pattern.sub(lambda match: f"{match.group()[0]} {match.group()[1:]}", text)

    def with_more(self, tokens: Sequence[str]) -> "SpecialTokens":
        """Gives one that breaks other tokens, too."""
        return SpecialTokens((*self._tokens, *tokens))


class TokenCounter:
    """Counts as the generator of a profile does: without template, control tokens broken.

    Attributes:
        profile: whose tokens are counted, and the limits of its prompts.
    """

    def __init__(self, profile: GeneratorProfile) -> None:
        self.profile = profile
        self._special = SpecialTokens(profile.special_tokens)
        self._tokenizer = Tokenizer.from_str(profile.tokenizer_json)
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def count(self, texts: Sequence[str]) -> npt.NDArray[np.int32]:
        """Counts the tokens of every text; lets other threads run meanwhile.

        Returns:
            int32, (n_texts,), in the same order.
        """
        encoded = self._tokenizer.encode_batch_fast(
            [self._special.neutralise(text) for text in texts], add_special_tokens=False
        )
        return np.asarray([len(one) for one in encoded], dtype=np.int32)
