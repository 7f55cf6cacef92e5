"""What a model is made of: from its files where they are at hand, else from what is known of it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cluster.planning.licences import card_licence
from deployments.user_config import parse_config
from graphs.errors import ConfigError
from models.checkpoints.at_hand import folder_at_hand
from models.checkpoints.sizes import Sizes, UnknownSizesError, read_sizes
from models.checkpoints.weights import read_weights
from models.errors import InvalidInputError, ModelError
from models.hub import is_local, resolve

_KNOWN = Path(__file__).parent / "known_models.yaml"
_PER_PARAMETER = 1.2  # room for scales and what is not quantised, where only the name is known
# `8x7B` is eight experts of 7 B, less what they share; `17B-16E` tells one expert of sixteen.
_COUNT = re.compile(r"(?<![\w.])(?:(\d+)x)?(\d+(?:\.\d+)?)([BM])(?![a-z])", re.IGNORECASE)
_EXPERTS = re.compile(r"\d[BM]-\d+E(?![a-z])", re.IGNORECASE)
_BITS = re.compile(r"(?:int|fp|nf|w|mxfp|nvfp)(\d)(?!\d)|(?<!\d)(\d)[-_]?bit", re.IGNORECASE)
_FOUR_BITS = re.compile(r"awq|gptq", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class KnownModel(Sizes):
    """What a checkpoint's config.json and card tell, as known_models.yaml keeps it.

    Attributes:
        parameters: numbers in it.
        bits: of one of them in the files.
        licence: as the card names it.
    """

    parameters: float
    bits: int
    licence: str | None = None

    @property
    def num_bytes(self) -> int:
        """Of its files; embeddings and scales are not quantised."""
        if self.bits >= 16:
            return int(self.parameters * self.bits / 8)
        unpacked = 2 * self.vocabulary * self.hidden
        packed = (self.parameters - unpacked) * (self.bits + 0.25) / 8
        return int(packed + 2 * unpacked)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model as the plan sees it.

    Attributes:
        name: its id.
        weight_bytes: of its tensors in the files.
        parameters: numbers in it, as far as they are known.
        is_quantised: whether its weights stay in memory as they are in the files.
        shape: its sizes; None where only its weights or its name are known.
        licence: as its card names it; None: not known.
        source: where this is from, in words.
    """

    name: str
    weight_bytes: int
    parameters: float
    is_quantised: bool
    shape: Sizes | None
    licence: str | None
    source: str


class UnknownModelError(Exception):
    """Neither files nor table nor name tell what a model is made of."""


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
        except (OSError, yaml.YAMLError, AttributeError, TypeError, InvalidInputError) as err:
            raise ConfigError(f"{path}: {err}") from err
    return found


def checkpoint_of(
    model: str, revision: str | None, folder: Path, known: Mapping[str, KnownModel]
) -> Checkpoint:
    """Tells what a model is made of; fetches nothing.

    Args:
        model: its id (models/hub.py).
        revision: its commit.
        folder: where models lie on this machine.
        known: those that need not.

    Raises:
        UnknownModelError: nothing tells it; the message says why.
    """
    reason = "its files are not here"
    try:
        lies = resolve(model, revision, folder) if is_local(model) else None
        lies = lies or folder_at_hand(model, revision, folder)
        if lies.is_dir():
            return read_checkpoint(model, lies)
    except (ModelError, OSError) as err:
        reason = str(err)
    found = known_of(model, known)
    if found is not None:
        return Checkpoint(
            name=model, weight_bytes=found.num_bytes, parameters=found.parameters, shape=found,
            is_quantised=found.bits < 16, source="known_models.yaml",
            licence=found.licence if model in known else None,
        )  # fmt: skip
    return _by_name(model, reason)


def known_of(model: str, known: Mapping[str, KnownModel]) -> KnownModel | None:
    """The entry of a model; a folder may have the name of its model, another organisation's not."""
    if model in known or not model.startswith(("/", "./", "../")):
        return known.get(model)
    last = model.rstrip("/").rpartition("/")[2]
    return next((one for name, one in known.items() if name.endswith(f"/{last}")), None)


def read_checkpoint(name: str, folder: Path) -> Checkpoint:
    """Reads the headers of the weights and config.json.

    Raises:
        OSError: a file cannot be read, or is none of its kind.
    """
    weights = read_weights(folder)
    shape, source = None, "its files"
    try:
        shape = read_sizes(folder)
    except UnknownSizesError as err:
        source += f"; {err}"
    return Checkpoint(
        name=name, weight_bytes=weights.num_bytes, parameters=weights.parameters,
        is_quantised=weights.is_quantised, shape=shape, licence=card_licence(folder, name),
        source=source,
    )  # fmt: skip


def _by_name(model: str, reason: str) -> Checkpoint:
    """`org/Name-7B-GPTQ-Int4`: parameters and bits from the name alone.

    Raises:
        UnknownModelError: it tells none, or only the size of one expert.
    """
    if _EXPERTS.search(model):
        raise UnknownModelError(f"{reason}, and its name tells one of its experts")
    counts = [
        float(times or 1) * float(count) * (1e9 if unit.upper() == "B" else 1e6)
        for times, count, unit in _COUNT.findall(model)
    ]
    if not counts:
        raise UnknownModelError(f"{reason}, and its name tells no size")
    bits = _name_bits(model)
    return Checkpoint(
        name=model, weight_bytes=int(max(counts) * bits / 8 * _PER_PARAMETER),
        parameters=max(counts), is_quantised=bits < 16, shape=None, licence=None,
        source="its name",
    )  # fmt: skip


def _name_bits(model: str) -> int:
    told = [int(one or other) for one, other in _BITS.findall(model)]
    return max(told, default=4 if _FOUR_BITS.search(model) else 16)


def _numbers(entry: Mapping[str, Any]) -> dict[str, Any]:
    """YAML reads 109.5e6 as text, since it has no sign."""
    return {
        key: float(value) if key == "parameters" else value for key, value in dict(entry).items()
    }
