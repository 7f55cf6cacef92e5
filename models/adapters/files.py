"""The files of a LoRA adapter, as peft writes them, and what is refused of them."""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from models.errors import InvalidInputError

_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_PREFIX = "base_model.model."  # before the names of the model's own modules
_PARTS = re.compile(r"\.lora_[AB]\.(\w+\.)?weight$")
_DIGEST_CHARS = 16


@dataclass(frozen=True, kw_only=True)
class Adapter:
    """An adapter whose files were checked.

    Attributes:
        folder: with adapter_config.json and adapter_model.safetensors, as peft writes them.
        digest: of these files.
    """

    name: str
    folder: Path
    digest: str


def read_adapter(name: str, folder: Path, *, modules: frozenset[str], max_rank: int) -> Adapter:
    """Checks the files of an adapter.

    Args:
        name: the adapter's.
        folder: as peft writes it.
        modules: names of the model's modules; of others vLLM says nothing and leaves them out.
        max_rank: the highest rank that there is room for.

    Raises:
        InvalidInputError: a file is missing, or the adapter is of another model.
    """
    for file in (_CONFIG, _WEIGHTS):
        if not (folder / file).is_file():
            msg = f"adapters: no adapter {name!r} at {folder}: {file} is missing"
            raise InvalidInputError(msg)
    try:
        rank = int(json.loads((folder / _CONFIG).read_text())["r"])
        tensors = _tensor_names(folder / _WEIGHTS)
    except (ValueError, KeyError, TypeError) as err:
        msg = f"adapters: {name!r} at {folder} cannot be read: {type(err).__name__}: {err}"
        raise InvalidInputError(msg) from err
    if rank > max_rank:
        msg = f"adapters: {name!r} must have a rank of at most {max_rank}, got {rank}"
        raise InvalidInputError(msg)
    for tensor in tensors:
        module = _PARTS.sub("", tensor.removeprefix(_PREFIX))
        if module not in modules:
            msg = f"adapters: {name!r} is of another model: this one has no {module} for {tensor}"
            raise InvalidInputError(msg)
    return Adapter(name=name, folder=folder.absolute(), digest=_hash(folder))


def module_names(folder: Path) -> frozenset[str]:
    """Gives the names of a checkpoint's modules."""
    names = [name for path in folder.glob("*.safetensors") for name in _tensor_names(path)]
    return frozenset(name.rpartition(".")[0] for name in names)


def _tensor_names(path: Path) -> list[str]:
    """Reads the names in a safetensors file: its header is JSON, after its length in 8 bytes."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > path.stat().st_size:
            msg = f"the header of {path.name} has {length} bytes, more than the file"
            raise ValueError(msg)
        header = json.loads(file.read(length))
    return [name for name in header if name != "__metadata__"]


def _hash(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in (_CONFIG, _WEIGHTS):
        with (folder / file).open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:_DIGEST_CHARS]
