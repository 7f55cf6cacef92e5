"""A process that is ready sooner: what a generator's libraries import and take by default."""

import contextlib
import gc
import os
import sys
from collections.abc import Iterator

# transformers and GPTQModel import these where they are installed; decoding uses none of them.
_UNUSED = ("datasets", "scipy", "sklearn", "torchao")


@contextlib.contextmanager
def light_process() -> Iterator[None]:
    """Loads a transformers model in two thirds of the time.

    Hides packages that the load would import and never use: a client waits for them when a lost
    generator is replaced. None in `sys.modules` is Python's way to say that there is no
    such module.
    """
    hidden = [name for name in _UNUSED if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # typeshed knows no None
    # GPTQModel collects garbage after its load, which takes longer the more was imported before.
    gc.freeze()
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def set_library_defaults() -> None:
    """Sets what libraries read from the environment alone, unless the operator did."""
    os.environ.setdefault("GPTQMODEL_CPU_WORKERS", "2")  # it asks for a third core otherwise
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # idle threads sleep: replicas share cores
