"""What can go wrong in `models/`.

    ModelError
    |- ModelNotFoundError          FileNotFoundError   no such model id, folder or file
    |- UnsafeModelError            ValueError          pickled weights, or a hash that differs
    |- InvalidInputError           ValueError          an argument outside its limits
    |  `- ContextLengthError       ValueError          the prompt does not fit the context
    |- LoadTimeoutError            TimeoutError        the model takes too long to load
    |- EngineStoppedError          RuntimeError        the engine ended: try another replica
    |  `- EngineDrainingError      RuntimeError        it is about to: its node goes away
    `- ModelChangedError           RuntimeError        the model that began an answer is gone

Leaves carry a stable `code`. None defines `__init__`: such an exception would not survive a
deployment handle.
"""

import math
from collections.abc import Mapping


class ModelError(Exception):
    """Root of the tree."""

    code = "model_error"


class ModelNotFoundError(ModelError, FileNotFoundError):
    """The model id names nothing that can be loaded."""

    code = "model_not_found"


class UnsafeModelError(ModelError, ValueError):
    """The files of the model must not be loaded."""

    code = "unsafe_model"


class LoadTimeoutError(ModelError, TimeoutError):
    """The model took longer to load than it may."""

    code = "load_timeout"


class InvalidInputError(ModelError, ValueError):
    """An argument is outside its limits."""

    code = "invalid_input"


class ContextLengthError(InvalidInputError):
    """Prompt and answer do not fit the context of the model."""

    code = "context_length_exceeded"


class EngineStoppedError(ModelError, RuntimeError):
    """The engine stopped before the request was finished."""

    code = "engine_stopped"


class EngineDrainingError(EngineStoppedError):
    """The engine's machine goes away soon, so another one has to go on."""


class ModelChangedError(ModelError, RuntimeError):
    """The answer was begun by a model that is not served here, so its rest is not known."""

    code = "model_changed"


def check_limits(holder: object, limits: Mapping[str, tuple[float, float]]) -> None:
    """Checks numbers against their limits; None is not checked.

    Args:
        holder: has the numbers as attributes.
        limits: attribute -> its least and greatest value; infinity means no greatest.

    Raises:
        InvalidInputError: names the attribute first, then its limits and its value.
    """
    for name, (low, high) in limits.items():
        value = getattr(holder, name)
        # Not `value < low or value > high`: NaN is outside of all limits.
        if value is not None and not low <= value <= high:
            allowed = f"at least {low}" if high == math.inf else f"in {low}..{high}"
            raise InvalidInputError(f"{name} must be {allowed}, got {value}")


def check_load_timeout(load_timeout_s: float) -> None:
    """Checks the time that a model may take to load.

    Raises:
        InvalidInputError: it is not above 0.
    """
    if not load_timeout_s > 0:
        raise InvalidInputError(f"load_timeout_s must be above 0, got {load_timeout_s}")
