"""The bytes of single tokens, which no text of them tells where a character is cut."""

import asyncio

from llguidance import LLTokenizer

from models.generation import Likely, TokenLogprob, WrittenToken


class TokenBytes:
    """Knows the bytes of each token of a model; read when they are asked for first.

    Args:
        tokenizer_json: the tokenizer, as the package `tokenizers` reads it.
        vocabulary_size: number of the model's logits; may be above that of its tokens.
    """

    def __init__(self, tokenizer_json: str, vocabulary_size: int) -> None:
        self._tokenizer_json = tokenizer_json
        self._vocabulary_size = vocabulary_size
        self._tokenizer: LLTokenizer | None = None

    async def read(self) -> None:
        """Reads the tokenizer, on a thread: a large one takes a second."""
        if self._tokenizer is None:
            self._tokenizer = await asyncio.to_thread(
                LLTokenizer, self._tokenizer_json, n_vocab=self._vocabulary_size
            )

    def written(self, told: TokenLogprob, num_chars: int) -> WrittenToken:
        """Writes what an engine tells of a token; `read` comes first."""
        return WrittenToken(
            raw=self._raw(told.token_id),
            logprob=told.logprob,
            num_chars=num_chars,
            top=tuple(Likely(raw=self._raw(one), logprob=logprob) for one, logprob in told.top),
        )

    def _raw(self, token_id: int) -> bytes:
        assert self._tokenizer is not None
        return bytes(self._tokenizer.decode_bytes([token_id]))
