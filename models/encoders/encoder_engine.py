"""What runs an encoder: the protocol of the engines, and the arrays that go in and come out."""

from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Task = Literal["embedding", "classification"]

Ids = npt.NDArray[np.int64]
Rows = npt.NDArray[np.float32]


class EncoderModel(Protocol):
    """What an engine gives.

    Attributes:
        tokenizer: a `tokenizers.Tokenizer`.
        max_tokens: the longest input.
        pad_id: the token that fills a batch.
        labels: what the columns of a classifier's rows mean; an embedder has none.
    """

    tokenizer: Any
    max_tokens: int
    pad_id: int
    labels: tuple[str, ...]

    def forward(self, input_ids: Ids, attention_mask: Ids, token_type_ids: Ids) -> Rows:
        """Runs a batch, (n_inputs, n_tokens), to its rows, float32, (n_inputs, width)."""
