"""Flags harmful text: a multi-label classifier (transformers) and rules for personal data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.errors import InvalidInputError
from models.hub import resolve
from models.personal_data import find_personal_data

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
class SafetyConfig:
    """Which classifier is loaded and what counts as harmful.

    Attributes:
        model: model id (models/hub.py) of a sequence classifier, one sigmoid a label.
        revision: commit of a hub model.
        threshold: a label at or above this score flags the text, in (0, 1].
        label_thresholds: other thresholds for some labels.
        flag_personal_data: whether personal data flags a text (it is always reported).
        label_map: the model's label -> our category, for models with labels of their own.
        max_tokens: longer texts are cut into windows of this size, and each is scored.
        batch_size: most texts in one forward pass.
    """

    model: str
    revision: str | None = None
    threshold: float = 0.5
    label_thresholds: Mapping[str, float] = field(default_factory=dict)
    flag_personal_data: bool = False
    label_map: Mapping[str, str] = field(default_factory=dict)
    max_tokens: int = 128
    batch_size: int = 32

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for name, value in {"threshold": self.threshold, **self.label_thresholds}.items():
            if not 0 < value <= 1:
                msg = f"threshold of {name!r} must be in (0, 1], got {value}"
                raise InvalidInputError(msg)
        if self.max_tokens < 16 or not 1 <= self.batch_size <= 1024:
            msg = (
                "max_tokens must be at least 16 and batch_size in 1..1024, "
                f"got {self.max_tokens} and {self.batch_size}"
            )
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

    def __init__(self, config: SafetyConfig, *, cache: Path, gpu_share: float = 0.0) -> None:
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        from models.device import pick_device

        folder = resolve(config.model, config.revision, cache)
        self._config = config
        self._device = pick_device(gpu_share)
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModelForSequenceClassification.from_pretrained(folder, use_safetensors=True)
        self._model = model.to(self._device).eval()
        labels = [str(model.config.id2label[index]) for index in range(model.config.num_labels)]
        self._labels = [config.label_map.get(label, label) for label in labels]

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
        windows, owners = self._windows(texts)
        scores = np.zeros((len(texts), len(self._labels)), dtype=np.float32)
        for start in range(0, len(windows), self._config.batch_size):
            stop = start + self._config.batch_size
            np.maximum.at(scores, owners[start:stop], self._score(windows[start:stop]))
        return tuple(self._verdict(text, row) for text, row in zip(texts, scores, strict=True))

    def _windows(self, texts: Sequence[str]) -> tuple[list[list[int]], list[int]]:
        encoded = self._tokenizer(
            list(texts), truncation=True, max_length=self._config.max_tokens,
            return_overflowing_tokens=True, stride=self._config.max_tokens // 4,
        )  # fmt: skip
        owners = encoded.get("overflow_to_sample_mapping", range(len(texts)))
        return list(encoded["input_ids"]), [int(owner) for owner in owners]

    def _score(self, windows: list[list[int]]) -> npt.NDArray[np.float32]:
        import torch

        batch = self._tokenizer.pad({"input_ids": windows}, return_tensors="pt").to(self._device)
        with torch.inference_mode():
            logits = self._model(**batch).logits
        scores: npt.NDArray[np.float32] = logits.float().sigmoid().cpu().numpy()
        return scores

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
