"""Flags harmful text: a multi-label classifier and rules for personal data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.device import ALL_CPUS, Share
from models.encoders.encoder import Encoder, EncoderConfig
from models.errors import InvalidInputError
from models.personal_data import find_personal_data
from models.scores import sigmoid

# The categories of the OpenAI moderation API, in its order.
MODERATION_CATEGORIES = (
    "hate",
    "hate/threatening",
    "harassment",
    "harassment/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
PERSONAL_DATA = "pii"


@dataclass(frozen=True, kw_only=True)
class SafetyConfig(EncoderConfig):
    """Which classifier is loaded and what counts as harmful; see `EncoderConfig`.

    Attributes:
        max_tokens: longer texts are cut into windows of this size, and each is scored.
        threshold: a label at or above this score flags the text, in (0, 1].
        label_thresholds: other thresholds for some labels.
        flag_personal_data: whether personal data flags a text (it is always reported).
        label_map: the model's label -> our category, for models with labels of their own.
    """

    max_tokens: int | None = 128
    threshold: float = 0.5
    label_thresholds: Mapping[str, float] = field(default_factory=dict)
    flag_personal_data: bool = False
    label_map: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks the ranges."""
        super().__post_init__()
        if not 0 < self.threshold <= 1:
            msg = f"threshold must be in (0, 1], got {self.threshold}"
            raise InvalidInputError(msg)
        for label, value in self.label_thresholds.items():
            if not 0 < value <= 1:
                msg = f"label_thresholds must be in (0, 1], got {value} for {label!r}"
                raise InvalidInputError(msg)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the filter thinks of one text.

    Attributes:
        flagged: whether the text must not pass.
        scores: category -> 0..1; always all of `MODERATION_CATEGORIES` and `pii`.
        flagged_categories: the categories at or above their threshold.
    """

    flagged: bool
    scores: Mapping[str, float]
    flagged_categories: tuple[str, ...]


class SafetyClassifier:
    """A loaded classifier. Not thread-safe: one call at a time."""

    def __init__(self, config: SafetyConfig, *, cache: Path, share: Share = ALL_CPUS) -> None:
        self._config = config
        self._encoder = Encoder(config, "classification", cache=cache, share=share)
        self._labels = [config.label_map.get(label, label) for label in self._encoder.labels]

    def classify(self, texts: Sequence[str]) -> tuple[Verdict, ...]:
        """Judges every text.

        Args:
            texts: at least one text, of any length.

        Returns:
            One verdict a text, in the same order; of a long text the worst window counts.

        Raises:
            InvalidInputError: no text.
        """
        if not texts:
            msg = "texts must not be empty"
            raise InvalidInputError(msg)
        windows, owners = self._encoder.windows(texts)
        scores = np.zeros((len(texts), len(self._labels)), dtype=np.float32)
        np.maximum.at(scores, owners, sigmoid(self._encoder.run(windows)))
        return tuple(self._verdict(text, row) for text, row in zip(texts, scores, strict=True))

    def _verdict(self, text: str, row: npt.NDArray[np.float32]) -> Verdict:
        scores = dict.fromkeys(MODERATION_CATEGORIES, 0.0)
        for label, score in zip(self._labels, row.tolist(), strict=True):
            scores[label] = max(scores.get(label, 0.0), score)
        scores[PERSONAL_DATA] = 1.0 if find_personal_data(text) else 0.0
        flagged = tuple(label for label, score in scores.items() if self._is_flagged(label, score))
        return Verdict(flagged=bool(flagged), scores=scores, flagged_categories=flagged)

    def _is_flagged(self, label: str, score: float) -> bool:
        if label == PERSONAL_DATA:
            return self._config.flag_personal_data and score > 0
        return score >= self._config.label_thresholds.get(label, self._config.threshold)
