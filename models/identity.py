"""Which model wrote an answer, so that no other one goes on with it.

Two replicas may go on with each other's answers only when the ids, the prompt and the numbers are
the same. What is compared is the digest; on any machine that serves the same thing it is equal.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

# What decides the ids and the text, beside the weights. Reports and READMEs do not.
_SMALL_FILES = (
    "config.json", "generation_config.json", "tokenizer*", "special_tokens_map.json",
    "added_tokens.json", "vocab.*", "merges.txt", "*.model", "*.jinja",
)  # fmt: skip
_BLOCK_BYTES = 4096
_MAX_BLOCKS = 512
_DIGEST_CHARS = 16


@dataclass(frozen=True, kw_only=True)
class ModelIdentity:
    """What a generator serves.

    Not part of it: the sampling that a request gets which names none, and the kind of the GPU.

    Attributes:
        model: the model id, for people; a folder may have another name on another machine, so it
            is not part of the digest.
        source: `commit:<org/name>@<commit>` of the hub, else `content:<sha256>` of the files.
        adapter: the LoRA adapter over it; empty: none.
        template: sha256 of the chat template and its options.
        engine: kind of the engine: two kinds do not round alike.
        computing: sha256 of those of the engine's settings that change its numbers
            (`models.engines.loading.computing_of`).
    """

    model: str
    source: str
    template: str
    engine: str
    adapter: str = ""
    computing: str = ""

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits."""
        parts = (self.source, self.template, self.engine, self.adapter, self.computing)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:_DIGEST_CHARS]


def hash_template(template: object, options: Mapping[str, object]) -> str:
    """Hashes a chat template, or several by name, with the variables that it is filled with."""
    return _hash_json([template, dict(options)])


def hash_computing(settings: Mapping[str, object]) -> str:
    """Hashes settings of an engine; their order is none of them, at any depth."""
    return _hash_json(_named(settings))


def _named(value: object) -> object:
    """The same with names for keys: YAML's may be numbers, which have no order beside names."""
    if isinstance(value, Mapping):
        return {str(key): _named(one) for key, one in value.items()}
    return [_named(one) for one in value] if isinstance(value, list | tuple) else value


def _hash_json(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def hash_model(folder: Path) -> str:
    """Hashes the files of a model.

    Small files count whole. Of a weights file its size, its header and up to 512 evenly spread
    blocks of 4 KB count: 20 GB would take minutes, and training changes nearly every block.

    Args:
        folder: a checkpoint folder with safetensors weights.
    """
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _SMALL_FILES for path in folder.glob(pattern)}):
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode() + content)
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            _hash_weights(file, path.stat().st_size, digest.update)
    return digest.hexdigest()


def _hash_weights(file: BinaryIO, size: int, update: Callable[[bytes], None]) -> None:
    length = file.read(8)  # of the header, little-endian (safetensors' format)
    start = min(8 + int.from_bytes(length, "little"), size)
    update(length + file.read(start - 8))
    step = max(_BLOCK_BYTES, (size - start) // _MAX_BLOCKS)
    for offset in range(start, size, step):
        file.seek(offset)
        update(file.read(_BLOCK_BYTES))
