"""Flags harmful text: a multi-label classifier and rules for personal data.

    text -> pieces -> rows of scores -> verdict       of a long text the worst piece counts

Every piece is judged by itself, so a long text can take turns with others.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.device import ALL_CPUS, Share
from models.encoders.encoder import CHARS_A_TOKEN, Encoder, EncoderConfig
from models.encoders.pieces import cut, sentences
from models.encoders.substance import substance
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

# A piece of several sentences is flagged only where one of them is, too: classifiers of sentences
# take tables, settings and code for commands. Shorter texts are what they were trained on.
_SENTENCE_CHARS, _PART_CHARS = 200, 20

Row = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class SafetyConfig(EncoderConfig):
    """Which classifier is loaded and what counts as harmful; see `EncoderConfig`.

    Attributes:
        max_tokens: longer texts are cut into pieces of about this size, and each is scored.
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
        self._lowest_threshold = min([config.threshold, *config.label_thresholds.values()])
        self._piece_chars = CHARS_A_TOKEN * self._encoder.max_tokens

    def classify(self, texts: Sequence[str]) -> tuple[Verdict, ...]:
        """Judges every text.

        Args:
            texts: at least one text, of any length.

        Returns:
            One verdict a text, in the same order; of a long text the worst piece counts.

        Raises:
            InvalidInputError: no text.
        """
        check_texts(texts)
        cut_texts = [self.pieces(text) for text in texts]
        return self.verdicts(cut_texts, self.score(list(chain.from_iterable(cut_texts))))

    def pieces(self, text: str) -> list[str]:
        """Cuts a text into what is scored, each piece once; takes no time to speak of."""
        size = self._piece_chars
        return list(dict.fromkeys(cut(text, size=size, overlap=size // 4)))

    def cost(self, piece: str) -> int:
        """Estimates the tokens of a piece."""
        return self._encoder.cost(piece)

    def score(self, pieces: Sequence[str]) -> list[Row]:
        """Scores pieces, each by itself, in the same order.

        Returns:
            For each float32, (n_labels + 1,): the labels of the model and personal data, in 0..1.
        """
        personal = [[float(bool(find_personal_data(piece)))] for piece in pieces]
        texts = [substance(piece) for piece in pieces]
        scores = self._scores(texts)
        for index in np.flatnonzero(scores.max(axis=1) >= self._lowest_threshold):
            if len(texts[index]) > _SENTENCE_CHARS:
                parts = sentences(texts[index], least=_PART_CHARS)
                scores[index] = np.minimum(scores[index], self._scores(parts).max(axis=0))
        return list(np.concatenate([scores, np.asarray(personal, dtype=np.float32)], axis=1))

    def _scores(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Scores texts as they are, (n_texts, n_labels); blank ones are harmless."""
        scores = np.zeros((len(texts), len(self._labels)), dtype=np.float32)
        judged = [index for index, text in enumerate(texts) if text]
        if judged:
            # A text may have more tokens than most of its length; all of them are scored.
            windows, owners = self._encoder.windows([texts[index] for index in judged])
            rows = sigmoid(self._encoder.run(windows))
            np.maximum.at(scores, np.asarray(judged)[owners], rows)
        return scores

    def verdicts(
        self, cut_texts: Sequence[Sequence[str]], rows: Iterable[Row]
    ) -> tuple[Verdict, ...]:
        """Judges texts by the rows of all their pieces, in the same order."""
        following = iter(rows)
        return tuple(self._verdict(list(islice(following, len(some)))) for some in cut_texts)

    def _verdict(self, rows: Sequence[Row]) -> Verdict:
        *worst, personal = np.max(rows, axis=0).tolist()
        scores = dict.fromkeys(MODERATION_CATEGORIES, 0.0)
        for label, score in zip(self._labels, worst, strict=True):
            scores[label] = max(scores.get(label, 0.0), score)
        scores[PERSONAL_DATA] = personal
        flagged = tuple(label for label, score in scores.items() if self._is_flagged(label, score))
        return Verdict(flagged=bool(flagged), scores=scores, flagged_categories=flagged)

    def _is_flagged(self, label: str, score: float) -> bool:
        if label == PERSONAL_DATA:
            return self._config.flag_personal_data and score > 0
        return score >= self._config.label_thresholds.get(label, self._config.threshold)


def check_texts(texts: Sequence[str]) -> None:
    """Checks what is to be judged.

    Raises:
        InvalidInputError: no text.
    """
    if not texts:
        msg = "texts must not be empty"
        raise InvalidInputError(msg)
