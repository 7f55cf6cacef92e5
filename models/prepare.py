"""Makes the bundled models ready before they are served: files assembled, graphs exported.

    python -m models.prepare CACHE

CACHE is the folder `models` of the state folder (deployments/state.py), as `make models` names it.
Replicas do the same where it was not done, one beside the other and each in its own time.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

from models.bundled.prepare import NAMES, prepare
from models.encoders.encoder_engine import Task
from models.encoders.onnx_encoder import exported
from models.errors import ModelNotFoundError, UnsafeModelError

# What an encoder is for; the generator is none.
TASKS: Mapping[str, Task] = {
    "embedder": "embedding",
    "reranker": "classification",
    "judge": "classification",
    "safety": "classification",
}


def prepare_graph(name: str, cache: Path) -> None:
    """Exports the model for the onnx engine, unless that was done or it is no encoder.

    Takes some seconds, which the replicas would otherwise spend one beside the other.
    """
    if name in TASKS:
        exported(prepare(name, cache), TASKS[name], cache)


def main(arguments: list[str]) -> int:
    """Prepares all models and prints one line for each; 1 when one is unusable."""
    parser = argparse.ArgumentParser(prog="python -m models.prepare", description=main.__doc__)
    # No default: what is written elsewhere than replicas look for it is written in vain.
    parser.add_argument("cache", type=Path, help="the folder `models` of the state folder")
    cache = parser.parse_args(arguments).cache
    status = 0
    for number, name in enumerate(NAMES, start=1):
        try:
            line = str(prepare(name, cache))
            prepare_graph(name, cache)
        except (ModelNotFoundError, UnsafeModelError) as err:
            line, status = f"FAILED: {err}", 1
        sys.stdout.write(f"[{number}/{len(NAMES)}] {name}: {line}\n")
        sys.stdout.flush()
    return status


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
