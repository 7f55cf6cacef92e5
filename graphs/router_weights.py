"""What a router of questions has learnt: a logistic regression, in a small JSON file.

`python -m training.router` makes the file, `graphs.choosing.router` decides by it, and the Serve
config that names one is refused when it is none.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from graphs.errors import ConfigError

# Of a question and its passages; graphs/choosing/asked.py says what each is.
FEATURES = (
    "question_words", "parts", "wants_list", "is_yes_no", "names_identifier", "turns",
    "passages", "passage_chars", "best_score", "margin", "documents",
)  # fmt: skip
_MAX_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class Weights:
    """A logistic regression over `FEATURES`.

    Attributes:
        features: their names; those of another version are refused.
        means: of the features that it was trained on.
        scales: their standard deviations, above 0.
        lows: the least values that it was trained on.
        highs: the greatest.
        weights: of the features in these units.
        bias: added to their sum.
    """

    features: tuple[str, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float

    def __post_init__(self) -> None:
        """Checks that there is a number for each feature, and that they are numbers."""
        if self.features != FEATURES:
            msg = f"features must be {list(FEATURES)}, got {list(self.features)}"
            raise ValueError(msg)
        columns = (self.means, self.scales, self.lows, self.highs, self.weights)
        if {len(one) for one in columns} != {len(FEATURES)}:
            msg = f"means, scales, lows, highs and weights must hold {len(FEATURES)} numbers each"
            raise ValueError(f"{msg}, got " + ", ".join(str(len(one)) for one in columns))
        if not all(map(math.isfinite, (*chain(*columns), self.bias))):
            raise ValueError("means, scales, lows, highs, weights and bias must be finite")
        if min(self.scales) <= 0:
            msg = f"scales must be above 0, got {min(self.scales)}"
            raise ValueError(msg)

    def covers(self, numbers: Sequence[float]) -> bool:
        """Whether each is within what was trained on; outside, a line goes on without bound."""
        ranges = zip(self.lows, numbers, self.highs, strict=True)
        return all(low <= number <= high for low, number, high in ranges)

    def ease(self, numbers: Sequence[float]) -> float:
        """Gives the probability, 0..1, that the small generator answers as well."""
        columns = zip(numbers, self.means, self.scales, self.weights, strict=True)
        score = self.bias + sum((x - mean) / scale * by for x, mean, scale, by in columns)
        return 1 / (1 + math.exp(-max(-500.0, min(score, 500.0))))

    def written(self) -> str:
        """Gives it as JSON."""
        return json.dumps(asdict(self), indent=1) + "\n"


_WEIGHTS = TypeAdapter(Weights)


def read_weights(path: Path) -> Weights:
    """Reads what `Weights.written` gave.

    Raises:
        ConfigError: there is no such file, or something else in it.
    """
    try:
        with path.open("rb") as file:
            return _WEIGHTS.validate_json(file.read(_MAX_BYTES))
    except OSError as err:
        msg = f"weights {str(path)!r} cannot be read: {err.strerror}"
        raise ConfigError(msg) from err
    except ValidationError as err:
        first = err.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        msg = f"weights {str(path)!r} are none of a router: {where} {first['msg']}".replace(
            "  ", " "
        )
        raise ConfigError(msg) from err
