"""Scores documents against a query with a cross-encoder, through sentence-transformers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.errors import InvalidInputError
from models.hub import resolve


@dataclass(frozen=True, kw_only=True)
class RerankerConfig:
    """Which cross-encoder is loaded and how it is fed.

    Attributes:
        model: model id (models/hub.py).
        revision: commit of a hub model.
        max_tokens: query and document together; longer documents are cut.
        batch_size: most pairs in one forward pass.
    """

    model: str
    revision: str | None = None
    max_tokens: int = 256
    batch_size: int = 32

    def __post_init__(self) -> None:
        """Checks the ranges."""
        if not 1 <= self.batch_size <= 1024:
            msg = f"batch_size must be in 1..1024, got {self.batch_size}"
            raise InvalidInputError(msg)
        if self.max_tokens < 16:
            msg = f"max_tokens must be at least 16, got {self.max_tokens}"
            raise InvalidInputError(msg)


@dataclass(frozen=True, kw_only=True)
class RerankScores:
    """Scores in the order of the documents.

    Attributes:
        scores: float32, (n_documents,), the sigmoid of the logit, in 0..1.
        num_tokens: tokens of all pairs after cutting.
    """

    scores: npt.NDArray[np.float32]
    num_tokens: int


class Reranker:
    """A loaded cross-encoder. Not thread-safe: one call at a time."""

    def __init__(self, config: RerankerConfig, *, cache: Path, gpu_share: float = 0.0) -> None:
        from sentence_transformers import CrossEncoder

        from models.device import pick_device

        folder = resolve(config.model, config.revision, cache)
        self._config = config
        self._model = CrossEncoder(
            str(folder), device=str(pick_device(gpu_share)), max_length=config.max_tokens,
            trust_remote_code=False,
        )  # fmt: skip

    def rerank(self, query: str, documents: Sequence[str]) -> RerankScores:
        """Scores every document against the query.

        Args:
            query: the question.
            documents: at least one text.

        Returns:
            One score a document, in the same order.

        Raises:
            InvalidInputError: the query is blank or there is no document.
        """
        import torch

        if not query.strip() or not documents:
            msg = f"query and documents must not be empty, got {len(documents)} documents"
            raise InvalidInputError(msg)
        pairs = [(query, document) for document in documents]
        scores = self._model.predict(
            pairs, batch_size=self._config.batch_size, show_progress_bar=False,
            activation_fn=torch.nn.Sigmoid(),
        )  # fmt: skip
        return RerankScores(
            scores=np.asarray(scores, dtype=np.float32), num_tokens=self._count(pairs)
        )

    def _count(self, pairs: list[tuple[str, str]]) -> int:
        encoded = self._model.tokenizer(
            [query for query, _ in pairs], [text for _, text in pairs],
            truncation="longest_first", max_length=self._config.max_tokens,
        )  # fmt: skip
        return sum(len(ids) for ids in encoded["input_ids"])
