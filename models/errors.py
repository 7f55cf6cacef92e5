"""What can go wrong in `models/`.

    ModelError
    |- ModelNotFoundError          FileNotFoundError   no such model id, folder or file
    |- DownloadError               OSError             the disk is too small, or the network broke
    |- UnsafeModelError            ValueError          pickled weights, or a hash that differs
    |- InvalidInputError           ValueError          an argument outside its limits
    |  `- ContextLengthError       ValueError          the prompt does not fit the context
    |- UnknownAdapterError         LookupError         the model is not served with this adapter
    |- GpuMemoryError              MemoryError         less is free on the GPU than the share
    |- LoadTimeoutError            TimeoutError        the model takes too long to load
    |- EngineStoppedError          RuntimeError        the engine ended: try another replica
    |  |- EngineDrainingError      RuntimeError        it is about to: its node goes away
    |  `- EngineBusyError          RuntimeError        it has no room: another one may have
    |- ModelBusyError              RuntimeError        too much waits for the model already
    `- ModelChangedError           RuntimeError        the model that began an answer is gone

Leaves carry a stable `code`. None defines `__init__`: such an exception would not survive a
deployment handle.
"""

import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches


class ModelError(Exception):
    """Root of the tree."""

    code = "model_error"


class ModelNotFoundError(ModelError, FileNotFoundError):
    """The model id names nothing that can be loaded."""

    code = "model_not_found"


class DownloadError(ModelError, OSError):
    """The files of the model have not all come; the next try goes on from there."""

    code = "download_failed"


class UnsafeModelError(ModelError, ValueError):
    """The files of the model must not be loaded."""

    code = "unsafe_model"


class LoadTimeoutError(ModelError, TimeoutError):
    """The model took longer to load than it may."""

    code = "load_timeout"


class GpuMemoryError(ModelError, MemoryError):
    """The GPU has less room than the share of this process."""

    code = "gpu_memory"


class InvalidInputError(ModelError, ValueError):
    """An argument is outside its limits."""

    code = "invalid_input"


class ContextLengthError(InvalidInputError):
    """Prompt and answer do not fit the context of the model."""

    code = "context_length_exceeded"


class UnknownAdapterError(ModelError, LookupError):
    """The model is not served with an adapter of this name."""

    code = "model_not_found"


class EngineStoppedError(ModelError, RuntimeError):
    """The engine stopped before the request was finished."""

    code = "engine_stopped"


class EngineDrainingError(EngineStoppedError):
    """The engine's machine goes away soon, so another one has to go on."""


class EngineBusyError(EngineStoppedError):
    """The engine takes no more requests, so another one has to take this."""


class ModelBusyError(ModelError, RuntimeError):
    """So much waits for the model that the call would come too late."""

    code = "overloaded"


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


def check_names(holder: str, given: Iterable[object], known: Iterable[str]) -> None:
    """Checks that every name is known.

    Raises:
        InvalidInputError: names the first that is not, and what may have been meant.
    """
    names = sorted(known)
    for name in given:
        if name not in names:
            near = get_close_matches(str(name), names, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(names)}"
            raise InvalidInputError(f"{holder} holds the unknown {name!r}; {hint}")
