"""Makes a GPTQ checkpoint in AutoGPTQ's own file layout loadable by transformers, without copying.

auto-gptq 0.7.1 writes `gptq_model-4bit-128g.safetensors` (or shards of that name with an index)
beside a `quantize_config.json`, and leaves `config.json` untouched; transformers looks for
`model.safetensors` and for `quantization_config` inside `config.json`. `resolve_gptq` builds a
folder of links that says it the second way.

Why auto-gptq itself is not a dependency: 0.7.1 is its last release and the project is archived; it
does not import on transformers 5 (`no_init_weights` is gone) and quantises only with CUDA. The
tensors on disk are the same format, so its maintained successor GPTQModel loads them
(`models/quantization` writes with it).
"""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.errors import InvalidInputError, ModelNotFoundError, UnsafeModelError

_QUANTIZE_CONFIG = "quantize_config.json"
_INDEX = ".safetensors.index.json"
_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}
_BITS = (2, 3, 4, 8)


@dataclass(frozen=True, kw_only=True)
class GptqFormat:
    """How the weights are packed, as `quantize_config.json` tells it."""

    bits: int
    group_size: int
    desc_act: bool
    sym: bool
    checkpoint_format: str = "gptq"

    def __post_init__(self) -> None:
        """Refuses what no kernel here can read."""
        if self.bits not in _BITS:
            msg = f"bits must be one of {_BITS}, got {self.bits}"
            raise InvalidInputError(msg)
        if self.group_size != -1 and self.group_size < 1:
            msg = f"group_size must be -1 or at least 1, got {self.group_size}"
            raise InvalidInputError(msg)
        if self.checkpoint_format not in ("gptq", "gptq_v2"):
            msg = f"checkpoint_format must be gptq or gptq_v2, got {self.checkpoint_format!r}"
            raise InvalidInputError(msg)

    def to_transformers(self) -> dict[str, Any]:
        """Returns the `quantization_config` of a transformers `config.json`."""
        return {"quant_method": "gptq", **vars(self)}


def resolve_gptq(path: Path, cache: Path) -> Path:
    """Returns a folder that transformers loads, for any checkpoint folder.

    Args:
        path: a checkpoint folder, quantised or not.
        cache: where a folder of links may be made; nothing in it is older than its source.

    Returns:
        `path` itself where nothing has to be done, else a folder under `cache / "gptq"`.

    Raises:
        ModelNotFoundError: no `config.json`, or no weights.
        UnsafeModelError: the weights are pickled: loading them could run any code.
        InvalidInputError: the quantisation is of a kind that cannot be loaded.
    """
    if not (path / "config.json").is_file():
        msg = f"no checkpoint at {path}: config.json is missing"
        raise ModelNotFoundError(msg)
    if not (path / _QUANTIZE_CONFIG).is_file():
        return path
    config = _read_json(path / "config.json")
    if config.get("quantization_config") and _transformers_weights(path):
        return path
    packing = read_format(path / _QUANTIZE_CONFIG)
    links = _links(path)
    target = cache / "gptq" / f"{path.resolve().name}-{_fingerprint(path, links)}"
    if not target.is_dir():
        config["quantization_config"] = packing.to_transformers()
        _build(target, config, links)
    return target


def read_format(path: Path) -> GptqFormat:
    """Reads a `quantize_config.json`, whose older writers leave `checkpoint_format` out.

    Raises:
        InvalidInputError: not GPTQ, repacked for Marlin, or values outside their limits.
    """
    raw = _read_json(path)
    method = raw.get("quant_method", "gptq")
    if method != "gptq":
        msg = f"quant_method must be gptq, got {method!r} in {path}"
        raise InvalidInputError(msg)
    if raw.get("is_marlin_format"):
        msg = f"{path.parent} is repacked for Marlin kernels; load the GPTQ checkpoint it came from"
        raise InvalidInputError(msg)
    try:
        return GptqFormat(
            bits=int(raw["bits"]),
            group_size=int(raw["group_size"]),
            desc_act=bool(raw.get("desc_act", False)),
            sym=bool(raw.get("sym", True)),
            checkpoint_format=raw.get("checkpoint_format") or "gptq",
        )
    except KeyError as err:
        msg = f"{path} has no key {err}"
        raise InvalidInputError(msg) from err


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as err:
        msg = f"{path} is not JSON: {err}"
        raise InvalidInputError(msg) from err
    if not isinstance(found, dict):
        msg = f"{path} must hold a JSON object, got {type(found).__name__}"
        raise InvalidInputError(msg)
    return found


def _transformers_weights(path: Path) -> bool:
    return (path / "model.safetensors").is_file() or (path / f"model{_INDEX}").is_file()


def _links(path: Path) -> dict[str, Path]:
    """Returns link name -> file for everything but the configs; weights get transformers' name."""
    files = [p for p in sorted(path.iterdir()) if p.is_file() and p.suffix not in _PICKLES]
    links = {p.name: p.resolve() for p in files if p.name not in ("config.json", _QUANTIZE_CONFIG)}
    if _transformers_weights(path):
        return links
    indices = [name for name in links if name.endswith(_INDEX)]
    weights = [name for name in links if name.endswith(".safetensors")]
    if not weights:
        pickles = [p.name for p in sorted(path.iterdir()) if p.suffix in _PICKLES]
        if pickles:
            msg = (
                f"{path} holds pickled weights only ({', '.join(pickles)}); they are refused, "
                "convert them to safetensors"
            )
            raise UnsafeModelError(msg)
        msg = f"no weights at {path}: no .safetensors file"
        raise ModelNotFoundError(msg)
    if len(indices) == 1:  # the shards keep the names that the index calls them by
        _check_shards(links[indices[0]], set(weights))
        links[f"model{_INDEX}"] = links.pop(indices[0])
    elif len(weights) == 1 and not indices:
        links["model.safetensors"] = links.pop(weights[0])
    else:
        msg = f"{path} must hold one .safetensors file or one index, got {weights + indices}"
        raise InvalidInputError(msg)
    return links


def _check_shards(index: Path, present: set[str]) -> None:
    missing = sorted(set(_read_json(index).get("weight_map", {}).values()) - present)
    if missing:
        msg = f"{index.parent} lacks {len(missing)} shards of its index: {', '.join(missing[:3])}"
        raise ModelNotFoundError(msg)


def _fingerprint(path: Path, links: dict[str, Path]) -> str:
    """Changes whenever a linked file or a config does."""
    digest = hashlib.sha256(str(path.resolve()).encode())
    for name in ("config.json", _QUANTIZE_CONFIG):
        digest.update((path / name).read_bytes())
    for name, file in sorted(links.items()):
        state = file.stat()
        digest.update(f"{name} {file} {state.st_size} {state.st_mtime_ns}".encode())
    return digest.hexdigest()[:16]


def _build(target: Path, config: dict[str, Any], links: dict[str, Path]) -> None:
    """Makes the folder beside its place and renames it, so that no half of it is ever seen."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=target.parent, prefix=".unfinished-"))
    try:
        for name, file in links.items():
            (unfinished / name).symlink_to(file)
        text = json.dumps(config, indent=2) + "\n"
        (unfinished / "config.json").write_text(text, encoding="utf-8")
        os.replace(unfinished, target)
    except OSError:
        shutil.rmtree(unfinished, ignore_errors=True)
        if not target.is_dir():  # otherwise another process was faster, with the same content
            raise
