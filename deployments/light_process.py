"""A process that is ready sooner: what libraries import and take by default, and nobody uses."""

import contextlib
import gc
import os
import sys
from collections.abc import Iterator

# transformers and GPTQModel import these where they are installed; decoding uses none of them.
_UNUSED = ("datasets", "scipy", "sklearn", "torchao")


@contextlib.contextmanager
def hidden(*names: str) -> Iterator[None]:
    """Lets packages seem not to be installed, unless they are imported already.

    None in `sys.modules` is Python's way to say that there is no such module.
    """
    absent = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(absent))  # type: ignore[arg-type]  # typeshed knows no None
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


@contextlib.contextmanager
def light_process() -> Iterator[None]:
    """Loads a transformers model in two thirds of the time.

    Hides packages that the load would import and never use: a client waits for them when a lost
    generator is replaced.
    """
    # GPTQModel collects garbage after its load, which takes longer the more was imported before.
    gc.freeze()
    with hidden(*_UNUSED):
        yield


def set_library_defaults() -> None:
    """Sets what libraries read from the environment alone, unless the operator did."""
    os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")  # it asks for a third core otherwise
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads sleep: replicas share cores
