"""The sizes of a model whose files lie on this machine; nothing is fetched or assembled."""

from importlib.util import find_spec
from pathlib import Path

from models.bundled.prepare import BUNDLED, MINILM_PACKAGE
from models.checkpoints.sizes import Sizes, read_sizes
from models.fetching.download import fetched_folder

_BUNDLED = "bundled:"


def folder_at_hand(model: str, revision: str | None, cache: Path) -> Path:
    """Where the config.json of a model would lie.

    Args:
        model: its id (models/hub.py).
        revision: its commit.
        cache: the folder of models.
    """
    if model.startswith(_BUNDLED):
        name = model.removeprefix(_BUNDLED)
        package = find_spec(MINILM_PACKAGE) if name == "embedder" else None
        if package is not None and package.origin is not None:
            return Path(package.origin).parent / "model"
        return BUNDLED / name
    if model.startswith(("/", "./", "../")):
        return Path(model)
    return fetched_folder(model, revision or "", cache)


def sizes_at_hand(model: str, revision: str | None, cache: Path) -> Sizes | None:
    """The sizes of a model; None where they do not lie here."""
    try:
        return read_sizes(folder_at_hand(model, revision, cache))
    except (OSError, ValueError):  # or what is named is no path
        return None
