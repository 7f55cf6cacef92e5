"""The one folder that is written to on a machine, apart from Ray's: `.ragfleet` or RAGFLEET_STATE.

In it lie the assembled models, the SQLite corpus of a laptop, and what `make serve` keeps. The code
folder itself is only read, so it may be read-only, as in a container.
"""

import os
from pathlib import Path

_BESIDE_THE_CODE = Path(__file__).parents[1] / ".ragfleet"


def state_folder() -> Path:
    """Where state lies on this machine; whoever writes there makes the folder."""
    # Here and not in graphs/config.py: replicas need it, and each node may keep it elsewhere.
    return Path(os.environ.get("RAGFLEET_STATE") or _BESIDE_THE_CODE).absolute()


def models_folder() -> Path:
    """Where assembled models and exported graphs lie."""
    return state_folder() / "models"
