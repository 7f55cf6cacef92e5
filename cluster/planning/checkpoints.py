"""What a model is made of: from its files where they are at hand, else from what is known of it."""

import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deployments.user_config import parse_config
from graphs.errors import ConfigError
from models.errors import InvalidInputError, ModelError
from models.fetching.download import fetched_folder
from models.hub import resolve

_KNOWN = Path(__file__).parent / "known_models.yaml"
_HEADER_BYTES = 100 * 2**20  # the most that the format allows
_BITS = {
    "F64": 64, "F32": 32, "F16": 16, "BF16": 16, "F8_E4M3": 8, "F8_E5M2": 8,
    "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U8": 8, "BOOL": 8,
}  # fmt: skip
_PER_PARAMETER = 1.2  # room for scales and what is not quantised, where only the name is known
_COUNT = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)([BM])(?![a-z])", re.IGNORECASE)
_QUANTISED = re.compile(r"int4|4[-_]?bit|awq|gptq|w4a16", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """What a checkpoint's config.json and card tell, as known_models.yaml keeps it.

    Attributes:
        parameters: numbers in it.
        bits: of one of them in the files.
        layers, heads, kv_heads, head_dim, hidden, intermediate, vocabulary: of its config.json.
        context: most tokens of an input.
        licence: as the card names it.
    """

    parameters: float
    bits: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    intermediate: int
    vocabulary: int
    context: int
    licence: str | None = None


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model as the plan sees it.

    Attributes:
        name: its id.
        weight_bytes: of its tensors in the files.
        parameters: numbers in it, as far as they are known.
        shape: its sizes; None where only its name is known.
        licence: as its card names it; None: not known.
        source: where this is from, in words.
    """

    name: str
    weight_bytes: int
    parameters: float
    shape: KnownModel | None
    licence: str | None
    source: str

    @property
    def is_quantised(self) -> bool:
        """Whether its numbers have fewer than 16 bits."""
        return self.shape is not None and self.shape.bits < 16


def known_models(*more: Path) -> dict[str, KnownModel]:
    """Reads the table of models that need not lie here; later files go before earlier ones.

    Raises:
        ConfigError: a file cannot be read, or an entry has a fault.
    """
    found: dict[str, KnownModel] = {}
    for path in (_KNOWN, *more):
        try:
            table = yaml.safe_load(path.read_text())
            found |= {name: parse_config(KnownModel, _numbers(one)) for name, one in table.items()}
        except (OSError, yaml.YAMLError, AttributeError, InvalidInputError) as err:
            raise ConfigError(f"{path}: {err}") from err
    return found


def checkpoint_of(
    model: str, revision: str | None, folder: Path, known: Mapping[str, KnownModel]
) -> Checkpoint | None:
    """Tells what a model is made of; fetches nothing.

    Args:
        model: its id (models/hub.py).
        revision: its commit.
        folder: where models lie on this machine.
        known: those that need not.

    Returns:
        None where neither files nor table nor name tell anything.
    """
    lies = fetched_folder(model, revision or "", folder)
    try:
        if model.startswith(("bundled:", "/", "./", "../")):
            lies = resolve(model, revision, folder)
        if lies.is_dir():
            return read_checkpoint(model, lies)
    except (ModelError, OSError):  # told by the lint, or on another machine
        pass
    last = model.rstrip("/").rpartition("/")[2]  # a folder may have the name of its model
    shape = known.get(model) or next(
        (one for name, one in known.items() if name.endswith(f"/{last}")), None
    )
    if shape is not None:
        weight_bytes = int(shape.parameters * shape.bits / 8)
        if shape.bits < 16:  # embeddings and scales are not quantised
            unpacked = 2 * shape.vocabulary * shape.hidden
            packed = (shape.parameters - unpacked) * (shape.bits + 0.25) / 8
            weight_bytes = int(packed + 2 * unpacked)
        return Checkpoint(
            name=model, weight_bytes=weight_bytes, parameters=shape.parameters, shape=shape,
            licence=shape.licence, source="known_models.yaml",
        )  # fmt: skip
    return _by_name(model)


def read_checkpoint(name: str, folder: Path) -> Checkpoint:
    """Reads the headers of the weights and config.json.

    Raises:
        OSError: a file cannot be read, or is none of its kind.
    """
    headers = [_header(path) for path in sorted(folder.glob("*.safetensors"))]
    tensors = [one for header in headers for key, one in header.items() if key != "__metadata__"]
    num_bytes = sum(end - start for one in tensors for start, end in [one["data_offsets"]])
    config = json.loads((folder / "config.json").read_text())
    config = config.get("text_config", config)
    sentences = folder / "sentence_bert_config.json"  # cuts texts shorter than the model could read
    cut = json.loads(sentences.read_text()) if sentences.is_file() else {}
    context = min(config["max_position_embeddings"], cut.get("max_seq_length") or math.inf)
    quantised = config.get("quantization_config") or {}
    bits = int(quantised.get("bits", 0)) or max(_BITS.get(o["dtype"], 16) for o in tensors)
    heads = int(config["num_attention_heads"])
    parameters = sum(math.prod(one["shape"]) * _packed(one["dtype"], bits) for one in tensors)
    shape = KnownModel(
        parameters=float(parameters), bits=bits, heads=heads,
        layers=int(config["num_hidden_layers"]),
        kv_heads=int(config.get("num_key_value_heads") or heads),
        head_dim=int(config.get("head_dim") or config["hidden_size"] // heads),
        hidden=int(config["hidden_size"]), intermediate=int(config["intermediate_size"]),
        vocabulary=int(config["vocab_size"]), context=int(context),
    )  # fmt: skip
    return Checkpoint(
        name=name, weight_bytes=num_bytes, parameters=float(parameters), shape=shape,
        licence=_licence(folder, name), source="its files",
    )  # fmt: skip


def _packed(dtype: str, bits: int) -> float:
    """Numbers in one element: several of 4 bits are packed into an int32."""
    return 32 / bits if dtype == "I32" and bits < 16 else 1.0


def _header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: 8 bytes of length, then JSON."""
    with path.open("rb") as file:
        first = file.read(8)
        size = struct.unpack("<Q", first)[0] if len(first) == 8 else 0
        if not 2 <= size <= _HEADER_BYTES:
            raise OSError(f"{path}: no safetensors file: its header has {size} bytes")
        try:
            header: dict[str, Any] = json.loads(file.read(size))
        except ValueError as err:
            raise OSError(f"{path}: no safetensors file: {err}") from err
    return header


def _licence(folder: Path, name: str) -> str | None:
    """From the front matter of the model card; what is bundled has the repository's own."""
    if name.startswith("bundled:"):
        return "apache-2.0"
    card = folder / "README.md"
    text = card.read_text(errors="replace") if card.is_file() else ""
    found = re.match(r"---\n.*?^license:\s*['\"]?([\w.+-]+).*?^---", text, re.DOTALL | re.MULTILINE)
    return found[1].lower() if found else None


def _by_name(model: str) -> Checkpoint | None:
    """`org/Name-7B-GPTQ-Int4`: parameters and bits from the name alone."""
    count = _COUNT.search(model)
    if count is None:
        return None
    parameters = float(count[1]) * (1e9 if count[2].upper() == "B" else 1e6)
    bits = 4 if _QUANTISED.search(model) else 16
    return Checkpoint(
        name=model, weight_bytes=int(parameters * bits / 8 * _PER_PARAMETER),
        parameters=parameters, shape=None, licence=None, source="its name",
    )  # fmt: skip


def _numbers(entry: Mapping[str, Any]) -> dict[str, Any]:
    """YAML reads 109.5e6 as text, since it has no sign."""
    return {
        key: float(value) if key == "parameters" else value for key, value in dict(entry).items()
    }
