"""Texts to vectors, through sentence-transformers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from models.errors import InvalidInputError
from models.hub import resolve

TextKind = Literal["query", "document"]


@dataclass(frozen=True, kw_only=True)
class EmbedderConfig:
    """Which embedder is loaded and how it is fed.

    Attributes:
        model: model id (models/hub.py).
        revision: commit of a hub model.
        max_tokens: longer texts are cut; None means the model's own limit.
        batch_size: most texts in one forward pass.
        query_prefix: put before every query, as the model's card asks (E5: "query: ").
        document_prefix: put before every document.
        matryoshka_dims: sizes to which vectors may be cut (arXiv 2205.13147), by the model's card.
    """

    model: str
    revision: str | None = None
    max_tokens: int | None = None
    batch_size: int = 32
    query_prefix: str = ""
    document_prefix: str = ""
    matryoshka_dims: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Checks the ranges."""
        if not 1 <= self.batch_size <= 1024:
            msg = f"batch_size must be in 1..1024, got {self.batch_size}"
            raise InvalidInputError(msg)
        if self.max_tokens is not None and self.max_tokens < 8:
            msg = f"max_tokens must be at least 8, got {self.max_tokens}"
            raise InvalidInputError(msg)
        object.__setattr__(self, "matryoshka_dims", tuple(self.matryoshka_dims))


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """Vectors in the order of their texts.

    Attributes:
        vectors: float32, (n_texts, dim), unit L2 norm.
        token_counts: int32, (n_texts,), tokens of every text after cutting.
        fingerprint: names the embedder; vectors of two fingerprints must not be compared.
    """

    vectors: npt.NDArray[np.float32]
    token_counts: npt.NDArray[np.int32]
    fingerprint: str

    @property
    def num_tokens(self) -> int:
        """Tokens of all texts together."""
        return int(self.token_counts.sum())


class Embedder:
    """A loaded embedder. Not thread-safe: one call at a time."""

    def __init__(self, config: EmbedderConfig, *, cache: Path, gpu_share: float = 0.0) -> None:
        from sentence_transformers import SentenceTransformer

        from models.device import pick_device

        self._config = config
        folder = resolve(config.model, config.revision, cache)
        self._model = SentenceTransformer(
            str(folder), device=str(pick_device(gpu_share)), trust_remote_code=False
        )
        if config.max_tokens is not None:
            self._model.max_seq_length = config.max_tokens
        self.max_tokens = int(self._model.max_seq_length)
        self.dim = int(self._model.get_embedding_dimension())
        self.fingerprint = f"{config.model}@{config.revision or 'local'}/{self.dim}"

    def embed(self, texts: Sequence[str], *, kind: TextKind = "document") -> Embeddings:
        """Embeds texts.

        Args:
            texts: at least one text; longer ones are cut to `max_tokens`.
            kind: whether they are queries or documents; some models differ.

        Returns:
            One vector a text, in the same order.

        Raises:
            InvalidInputError: no text.
        """
        if not texts:
            msg = "texts must not be empty"
            raise InvalidInputError(msg)
        prefix = self._config.query_prefix if kind == "query" else self._config.document_prefix
        prefixed = [prefix + text for text in texts]
        vectors = self._model.encode(
            prefixed, batch_size=self._config.batch_size, show_progress_bar=False
        )
        return Embeddings(
            vectors=_with_unit_norm(vectors.astype(np.float32)),
            token_counts=self._count(prefixed),
            fingerprint=self.fingerprint,
        )

    def cut(self, embeddings: Embeddings, dimensions: int | None) -> Embeddings:
        """Cuts vectors to their first `dimensions` numbers and norms them again.

        Raises:
            InvalidInputError: the model was not trained for this size.
        """
        if dimensions is None or dimensions == self.dim:
            return embeddings
        allowed = (*self._config.matryoshka_dims, self.dim)
        if dimensions not in allowed:
            msg = f"dimensions must be one of {allowed}, got {dimensions}"
            raise InvalidInputError(msg)
        return replace(embeddings, vectors=_with_unit_norm(embeddings.vectors[:, :dimensions]))

    def tokenizer_json(self) -> str:
        """Gives the tokenizer, for whoever must cut texts by this model's tokens."""
        text: str = self._model.tokenizer.backend_tokenizer.to_str()
        return text

    def _count(self, texts: list[str]) -> npt.NDArray[np.int32]:
        encoded = self._model.tokenizer(texts, truncation=True, max_length=self.max_tokens)
        return np.asarray([len(ids) for ids in encoded["input_ids"]], dtype=np.int32)


def _with_unit_norm(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = vectors / np.maximum(norms, 1e-12)
    return unit
