"""Turns a model id into a folder of safe files. The one place that knows where models come from.

A model id is one of

    bundled:<name>     shipped with this repository (models/bundled)
    /a/path, ./a/path  a Hugging Face checkpoint folder on this machine
    org/name           a Hugging Face hub repository, pinned by its 40-digit commit
"""

import json
import re
from pathlib import Path

from models.bundled.prepare import check_name, prepare
from models.errors import InvalidInputError, ModelNotFoundError, UnsafeModelError
from models.fetching.download import fetch, fetched_folder

_BUNDLED = "bundled:"
_FOLDER_PREFIXES = ("/", "./", "../")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
# What a tokenizer is loaded from; other programs may have fetched the weights alone.
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json", "spiece.model")
_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}


def resolve(model: str, revision: str | None, cache: Path) -> Path:
    """Finds or fetches the files of a model.

    Args:
        model: a model id, see the module's docstring.
        revision: the commit of a hub repository, 40 hexadecimal digits; None otherwise.
        cache: folder for what has to be assembled; made when missing.

    Returns:
        A folder that transformers and sentence-transformers load as it is.

    Raises:
        InvalidInputError: the id has no known form, or a hub id is not pinned.
        ModelNotFoundError: nothing is there.
        DownloadError: the files did not come.
        UnsafeModelError: the folder holds only pickled weights or GGUF, or a hash differs.
    """
    check_model(model, revision)
    if model.startswith(_BUNDLED):
        return prepare(model.removeprefix(_BUNDLED), cache)
    if is_local(model):
        return _local_folder(Path(model), cache)
    assert revision is not None, "check_model refuses a hub model without its commit"
    return _from_hub(model, revision, cache)


def check_model(model: str, revision: str | None) -> None:
    """Checks the form of a model id; looks for no files.

    Raises:
        InvalidInputError: it is none of the three, no bundled model has the name, or a hub id is
            not pinned; the message begins with `model`.
    """
    if model.startswith(_BUNDLED):
        check_name(model.removeprefix(_BUNDLED))
    elif not is_local(model):
        if not is_pinned(model):
            msg = f"model must be bundled:<name>, a path or org/name, got {model!r}"
            raise InvalidInputError(msg)
        if revision is None or not _COMMIT.fullmatch(revision):
            pin = f"revision must be 40 hexadecimal digits, got {revision!r}"
            msg = f"model {model} must be pinned: {pin}"
            raise InvalidInputError(msg)


def is_local(model: str) -> bool:
    """Says whether a model is bundled or a folder, so that nothing is fetched for it."""
    return model.startswith((_BUNDLED, *_FOLDER_PREFIXES))


def is_pinned(model: str) -> bool:
    """Says whether a model id names a hub repository, whose commit stands for its files."""
    return not is_local(model) and _HUB_ID.fullmatch(model) is not None


def _from_hub(model: str, revision: str, cache: Path) -> Path:
    """Looks in our own folder, then in the cache of huggingface_hub, and asks the hub last."""
    folder = fetched_folder(model, revision, cache)
    if not folder.is_dir():
        folder = _in_shared_cache(model, revision) or fetch(model, revision, cache)
    return _local_folder(folder, cache)


def _in_shared_cache(model: str, revision: str) -> Path | None:
    """The model as other programs have fetched it, if all of it is there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(model, revision=revision, local_files_only=True))
    except LocalEntryNotFoundError:
        return None
    weights = {path.name for path in folder.glob("*.safetensors") if path.exists()}
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        is_whole = weights.issuperset(json.loads(index.read_text())["weight_map"].values())
    else:
        is_whole = bool(weights)
    has_tokenizer = any((folder / name).is_file() for name in _TOKENIZERS)
    return folder if is_whole and has_tokenizer and (folder / "config.json").is_file() else None


def _local_folder(folder: Path, cache: Path) -> Path:
    if not (folder / "config.json").is_file():
        msg = f"no model at {folder}: config.json is missing"
        raise ModelNotFoundError(msg)
    names = [path for path in folder.iterdir() if path.is_file()]
    if not any(path.suffix == ".safetensors" for path in names):
        if any(path.suffix == ".gguf" for path in names):
            msg = f"{folder} has GGUF weights, which are not served: take .safetensors"
            raise UnsafeModelError(msg)
        pickles = sorted(path.name for path in names if path.suffix in _PICKLES)
        msg = f"{folder} has no .safetensors weights (found {pickles}); pickled ones are refused"
        raise UnsafeModelError(msg)
    if (folder / "quantize_config.json").is_file():
        from models.gptq import resolve_gptq

        return resolve_gptq(folder, cache)
    return folder
