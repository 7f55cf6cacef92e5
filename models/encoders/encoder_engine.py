"""What runs an encoder: the protocol of the engines, and the arrays that go in and come out."""

from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Task = Literal["embedding", "classification"]

Ids = npt.NDArray[np.int64]
Rows = npt.NDArray[np.float32]

# MiniLM on a core with AVX2: a token takes 0.3 ms, one text of 8 tokens 6 ms, as 20 of a batch do.
CPU_PASS_TOKENS = 12


class LateModel(Protocol):
    """A cross-encoder in two steps: the lower layers see question and passage apart."""

    def alone(self, input_ids: Ids, attention_mask: Ids) -> Rows:
        """Gives the lower layers' states of single texts, float32, (n_texts, n_tokens, width)."""

    def joined(
        self, input_ids: Ids, attention_mask: Ids, token_type_ids: Ids, hidden: Rows
    ) -> Rows:
        """Runs pairs, (n_pairs, n_tokens), with the states of their tokens to their rows."""


class EncoderModel(Protocol):
    """What an engine gives.

    Attributes:
        tokenizer: a `tokenizers.Tokenizer`.
        max_tokens: the longest input.
        pad_id: the token that fills a batch.
        pass_tokens: what a forward pass costs beside its tokens, in tokens; see `batches_of`.
        labels: what the columns of a classifier's rows mean; an embedder has none.
        late: the same model in two steps, if it has them.
    """

    tokenizer: Any
    max_tokens: int
    pad_id: int
    pass_tokens: int | None
    labels: tuple[str, ...]
    late: LateModel | None

    def forward(self, input_ids: Ids, attention_mask: Ids, token_type_ids: Ids) -> Rows:
        """Runs a batch, (n_inputs, n_tokens), to its rows, float32, (n_inputs, width)."""
