"""What the weights of a checkpoint are, from the headers of its files; no weight is read."""

import json
import math
import re
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HEADER_BYTES = 100 * 2**20  # the most that the format allows
_FLOATS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16}
_BITS = {**_FLOATS, "F8_E4M3": 8, "F8_E5M2": 8, "I8": 8, "U8": 8, "I32": 32, "I64": 64}
_INDEX = "model.safetensors.index.json"
_NO_WEIGHTS = re.compile(r"(consolidated|adapter_model).*")  # the same again; of an adapter


class UnreadableWeightsError(OSError):
    """Files of weights are there and hold none that can be told."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """The weights of a checkpoint.

    Attributes:
        num_bytes: in the files.
        parameters: numbers, also where several are packed into one.
        bits: of most of them.
        is_quantised: whether they stay in memory as they are in the files.
    """

    num_bytes: int
    parameters: float
    bits: int
    is_quantised: bool


def read_weights(folder: Path) -> Weights:
    """Reads the headers of the files and what config.json says of bits.

    Raises:
        OSError: a file cannot be read, is none of its kind, or holds no tensor.
    """
    tensors = [one for path in _files(folder) for one in _tensors(path)]
    bits = quantised_bits(folder)
    sizes: Counter[str] = Counter()
    parameters = 0.0
    for dtype, elements, num_bytes in tensors:
        sizes[dtype] += num_bytes
        parameters += elements * _packed(dtype, bits)
    if not sizes:
        raise UnreadableWeightsError(f"{folder} has files of weights without a tensor")
    most = sizes.most_common(1)[0][0]
    is_quantised = bits is not None or most not in _FLOATS
    return Weights(
        num_bytes=sizes.total(), parameters=parameters, is_quantised=is_quantised,
        bits=bits or min(16 if is_quantised else 64, _BITS.get(most, 16)),
    )  # fmt: skip


def _files(folder: Path) -> list[Path]:
    """Those that a loader takes: what the index names, else all but what is there twice.

    Raises:
        UnreadableWeightsError: a file of the index is not there.
    """
    there = sorted(folder.glob("*.safetensors"))
    index = folder / _INDEX
    if index.is_file():
        try:
            named = sorted(set(json.loads(index.read_text())["weight_map"].values()))
        except (ValueError, KeyError, TypeError, AttributeError) as err:
            raise UnreadableWeightsError(f"{index} is no index: {err}") from err
        missing = [name for name in named if not (folder / name).is_file()]
        if missing:
            raise UnreadableWeightsError(f"{folder} lacks {', '.join(missing[:3])}, as its index")
        return [folder / name for name in named]
    return [path for path in there if not _NO_WEIGHTS.fullmatch(path.stem)] or there


def _tensors(path: Path) -> list[tuple[str, int, int]]:
    """Type, elements and bytes of each tensor.

    Raises:
        UnreadableWeightsError: it is no safetensors file.
    """
    found = []
    try:
        for key, one in _header(path).items():
            if key != "__metadata__":
                start, end = one["data_offsets"]
                found.append((str(one["dtype"]), math.prod(one["shape"]), int(end) - int(start)))
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise UnreadableWeightsError(f"{path}: no safetensors file: {err}") from err
    return found


def _header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: 8 bytes of length, then JSON."""
    with path.open("rb") as file:
        first = file.read(8)
        size = struct.unpack("<Q", first)[0] if len(first) == 8 else 0
        if not 2 <= size <= _HEADER_BYTES:
            msg = f"{path}: no safetensors file: its header has {size} bytes"
            raise UnreadableWeightsError(msg)
        header: dict[str, Any] = json.loads(file.read(size))
    return header


def quantised_bits(folder: Path) -> int | None:
    """Bits of a quantised weight, as config.json or quantize_config.json says; None: not told."""
    try:
        whole = json.loads((folder / "config.json").read_text())
        told = whole.get("quantization_config") or (whole.get("text_config") or {}).get(
            "quantization_config"
        )
        beside = folder / "quantize_config.json"
        if not told and beside.is_file():
            told = json.loads(beside.read_text())
    except (OSError, ValueError, AttributeError):
        return None
    return _bits(told) if isinstance(told, Mapping) else None


def _bits(told: Mapping[str, Any]) -> int | None:
    for name in ("bits", "w_bit", "weight_bits"):
        if isinstance(told.get(name), int) and told[name] > 0:
            return int(told[name])
    if told.get("load_in_4bit") is True or told.get("quant_method") == "mxfp4":
        return 4
    if told.get("load_in_8bit") is True or "fp8" in str(told.get("quant_method", "")):
        return 8
    groups = told.get("config_groups")  # of compressed-tensors
    weights = [
        group["weights"].get("num_bits")
        for group in (groups.values() if isinstance(groups, Mapping) else ())
        if isinstance(group, Mapping) and isinstance(group.get("weights"), Mapping)
    ]
    bits = [one for one in weights if isinstance(one, int) and one > 0]
    return max(bits, default=None)


def _packed(dtype: str, bits: int | None) -> float:
    """Numbers in one element: eight of 4 bits are packed into an int32, two into a byte."""
    width = {"I32": 32, "U8": 8}.get(dtype)
    return width / bits if width is not None and bits is not None and bits < width else 1.0
