"""Texts to vectors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from models.bundled.prepare import MULTILINGUAL, e5_weights
from models.device import ALL_CPUS, Share
from models.encoders.encoder import Encoder, EncoderConfig
from models.encoders.packed_e5 import DOCUMENT, QUERY, PackedE5, PackedText
from models.errors import InvalidInputError

TextKind = Literal["query", "document"]


@dataclass(frozen=True, kw_only=True)
class EmbedderConfig(EncoderConfig):
    """Which embedder is loaded and how it is fed; more in `models.encoders.encoder.EncoderConfig`.

    `bundled:multilingual` brings an engine and prefixes of its own.

    Attributes:
        query_prefix: put before every query, as the model's card asks (E5: "query: ").
        document_prefix: put before every document.
        matryoshka_dims: sizes to which vectors may be cut (arXiv 2205.13147), by the model's card.
    """

    query_prefix: str = ""
    document_prefix: str = ""
    matryoshka_dims: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        object.__setattr__(self, "matryoshka_dims", tuple(self.matryoshka_dims))
        if any(dim < 1 for dim in self.matryoshka_dims):
            msg = f"matryoshka_dims must be at least 1 each, got {self.matryoshka_dims}"
            raise InvalidInputError(msg)

    def fingerprint(self, dim: int) -> str:
        """Names the model with this dimension; it is kept with every vector."""
        return f"{self.model}@{self.revision or 'local'}/{dim}"

    def made(self, fingerprint: str) -> bool:
        """Whether vectors of this fingerprint are the model's; tells without loading it."""
        dim = fingerprint.rpartition("/")[2]
        return dim.isdecimal() and fingerprint == self.fingerprint(int(dim))


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """Vectors in the order of their texts.

    Attributes:
        vectors: float32, (n_texts, dim), unit L2 norm.
        token_counts: int32, (n_texts,), tokens of every text after cutting.
        fingerprint: names the embedder; vectors of two fingerprints must not be compared.
        num_cut: of each text that was too long, by its place, how many of its tokens the model has
            not read.
        others: the same queries as other embedders see them, where several are served.
    """

    vectors: npt.NDArray[np.float32]
    token_counts: npt.NDArray[np.int32]
    fingerprint: str
    num_cut: Mapping[int, int] = field(default_factory=dict)
    others: tuple["Embeddings", ...] = ()

    def others_of(self, index: int) -> dict[str, npt.NDArray[np.float32]]:
        """The vectors of one text by the other embedders, by their fingerprints."""
        return {other.fingerprint: other.vectors[index] for other in self.others}

    @property
    def num_tokens(self) -> int:
        """Tokens of all texts together."""
        return int(self.token_counts.sum())


@dataclass(frozen=True)
class Row:
    """The vector of one text, float32, (dim,), unit L2 norm.

    Attributes:
        num_tokens: that it cost.
        num_cut: of its tokens that were left out; of a very long text, at least so many.
    """

    vector: npt.NDArray[np.float32]
    num_tokens: int
    num_cut: int = 0


class Embedder:
    """A loaded embedder. Not thread-safe: one call at a time."""

    def __init__(self, config: EmbedderConfig, *, cache: Path, share: Share = ALL_CPUS) -> None:
        self._config = config
        self._prefixes = {"query": config.query_prefix, "document": config.document_prefix}
        self._encoder: Encoder | PackedE5
        if config.model == f"bundled:{MULTILINGUAL}":
            self._prefixes = {"query": QUERY, "document": DOCUMENT}
            share = replace(share, num_cpus=config.num_threads or share.num_cpus)
            self._encoder = PackedE5(e5_weights(), share)
        else:
            self._encoder = Encoder(config, "embedding", cache=cache, share=share)
        self.max_tokens = self._encoder.max_tokens
        self.dim = self._encoder.run(self._encoder.tokenize(["a"])).shape[1]
        self.fingerprint = config.fingerprint(self.dim)

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
        return self.joined(self.rows([self.prefixed(text, kind) for text in texts]))

    def prefixed(self, text: str, kind: TextKind) -> str:
        """Gives a text as the model reads it."""
        return self._prefixes[kind] + text

    def rows(self, prefixed: Sequence[str]) -> list[Row]:
        """Embeds texts that have their prefix, each by itself, in the same order.

        Args:
            prefixed: at least one.
        """
        encodings = self._encoder.tokenize(prefixed)
        vectors = _with_unit_norm(self._encoder.run(encodings))
        return [
            Row(vector=vector, num_tokens=_num_tokens(encoding), num_cut=_num_cut(encoding))
            for vector, encoding in zip(vectors, encodings, strict=True)
        ]

    def joined(self, rows: Sequence[Row]) -> Embeddings:
        """Gives the rows of texts as one.

        Raises:
            InvalidInputError: no text.
        """
        if not rows:
            msg = "texts must not be empty"
            raise InvalidInputError(msg)
        return Embeddings(
            vectors=np.stack([row.vector for row in rows]),
            token_counts=np.asarray([row.num_tokens for row in rows], dtype=np.int32),
            fingerprint=self.fingerprint,
            num_cut={place: row.num_cut for place, row in enumerate(rows) if row.num_cut},
        )

    def cost(self, prefixed: str) -> int:
        """Estimates the tokens of a text."""
        return self._encoder.cost(prefixed)

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
        return self._encoder.tokenizer_json()


def _num_tokens(encoding: Any) -> int:
    return encoding.num_tokens if isinstance(encoding, PackedText) else len(encoding.ids)


def _num_cut(encoding: Any) -> int:
    """Counts the tokens of a text that its encoding leaves out; the special ones are no text."""
    if isinstance(encoding, PackedText):
        return encoding.num_cut
    return sum(piece.special_tokens_mask.count(0) for piece in encoding.overflowing)


def _with_unit_norm(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: npt.NDArray[np.float32] = vectors / np.maximum(norms, 1e-12)
    return unit
