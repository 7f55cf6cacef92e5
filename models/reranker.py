"""Scores documents against a query with a cross-encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.device import ALL_CPUS, Share
from models.encoders.encoder import Encoder, EncoderConfig
from models.errors import InvalidInputError, check_limits
from models.scores import sigmoid


@dataclass(frozen=True, kw_only=True)
class RerankerConfig(EncoderConfig):
    """Which cross-encoder is loaded and how it is fed; see `EncoderConfig`.

    Attributes:
        max_tokens: of query and document together; the longer one is cut.
        kept_states_mb: most memory, in MB, for the lower layers' states of documents that come
            again, where the engine is onnx and the model sees query and document apart in them, as
            the bundled one does. A passage of 48 tokens takes 0.1 MB.
    """

    max_tokens: int | None = 256
    kept_states_mb: int = 128

    def __post_init__(self) -> None:
        """Checks the model id and the ranges."""
        super().__post_init__()
        check_limits(self, {"kept_states_mb": (0, inf)})


@dataclass(frozen=True, kw_only=True)
class RerankScores:
    """Scores in the order of the documents.

    Attributes:
        scores: float32, (n_documents,), the sigmoid of the logit, in 0..1.
        num_tokens: tokens of all pairs after cutting.
        max_tokens: of the longest pair after cutting.
        cut: places of the documents that were too long with the query.
    """

    scores: npt.NDArray[np.float32]
    num_tokens: int
    max_tokens: int = 0
    cut: tuple[int, ...] = ()


@dataclass(frozen=True)
class PairScore:
    """The score of one document, the tokens that it cost with its query, and whether it was cut."""

    score: float
    num_tokens: int
    is_cut: bool = False


class Reranker:
    """A loaded cross-encoder. Not thread-safe: one call at a time."""

    def __init__(self, config: RerankerConfig, *, cache: Path, share: Share = ALL_CPUS) -> None:
        self._encoder = Encoder(
            config, "classification", cache=cache, share=share,
            kept_state_bytes=config.kept_states_mb * 10**6,
        )  # fmt: skip
        if len(self._encoder.labels) != 1:
            msg = f"{config.model} must give one score a pair, it gives {self._encoder.labels}"
            raise InvalidInputError(msg)

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
        check_rerank(query, documents)
        found = self.score([(query, document) for document in documents])
        return joined(found)

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[PairScore]:
        """Scores pairs of query and document, each by itself, in the same order.

        Args:
            pairs: at least one.
        """
        encodings = self._encoder.tokenize(pairs)
        scores = sigmoid(self._encoder.run(encodings))[:, 0].tolist()
        return [
            PairScore(score=score, num_tokens=len(encoding.ids), is_cut=bool(encoding.overflowing))
            for score, encoding in zip(scores, encodings, strict=True)
        ]

    def cost(self, pair: tuple[str, str]) -> int:
        """Estimates the tokens of a pair."""
        return self._encoder.cost(*pair)


def check_rerank(query: str, documents: Sequence[str]) -> None:
    """Checks what is to be ranked.

    Raises:
        InvalidInputError: the query is blank or there is no document.
    """
    if not query.strip() or not documents:
        msg = f"query and documents must not be empty, got {len(documents)} documents"
        raise InvalidInputError(msg)


def joined(found: Sequence[PairScore]) -> RerankScores:
    """Gives the scores of pairs as those of one query's documents."""
    return RerankScores(
        scores=np.asarray([one.score for one in found], dtype=np.float32),
        num_tokens=sum(one.num_tokens for one in found),
        max_tokens=max((one.num_tokens for one in found), default=0),
        cut=tuple(place for place, one in enumerate(found) if one.is_cut),
    )
