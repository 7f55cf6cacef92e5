"""From logits to scores in 0..1, and back."""

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Float = TypeVar("Float", np.float32, np.float64)


def sigmoid(logits: npt.NDArray[Float]) -> npt.NDArray[Float]:
    """Gives 1 / (1 + exp(-x)) without overflow, in the shape and dtype of the logits."""
    scores: npt.NDArray[Float] = np.exp(-np.logaddexp(logits.dtype.type(0), -logits))
    return scores


def logit(scores: npt.NDArray[Float]) -> npt.NDArray[Float]:
    """Gives what `sigmoid` was given; scores nearer than 1e-6 to 0 or 1 count as that near."""
    clipped = np.clip(scores, 1e-6, 1 - 1e-6)
    logits: npt.NDArray[Float] = np.log(clipped / (1 - clipped))
    return logits
