"""What would make a run fail after hours, found before it starts."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM

from models.errors import InvalidInputError, ModelNotFoundError, UnsafeModelError
from models.quantization.settings import QuantizationSettings

PICKLES = {".bin", ".pt", ".pth", ".pkl", ".ckpt"}
# Whole model, one layer's Hessians and activations; seen 1.6-1.9 times the weights on small models.
MEMORY_FACTOR = 2.0
DISK_FACTOR = 1.3
PACKED_MULTIPLE = 32  # int32 words hold whole columns only


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a run will need.

    Attributes:
        weight_bytes: size of the full-precision weights.
        memory_bytes: peak, estimated.
        output_bytes: size of the quantised checkpoint, estimated.
        num_linears: linear layers that will be quantised.
    """

    weight_bytes: int
    memory_bytes: int
    output_bytes: int
    num_linears: int


def check_run(model: Path, out: Path, settings: QuantizationSettings) -> Estimate:
    """Refuses a run that cannot work.

    Args:
        model: full-precision checkpoint folder.
        out: must not exist.
        settings: what will be done.

    Raises:
        ModelNotFoundError: no checkpoint there.
        UnsafeModelError: pickled weights only.
        InvalidInputError: quantised already, does not divide into groups, output exists, no such
            device, too little memory or disk.
    """
    _check_checkpoint(model)
    if out.exists():
        msg = f"{out} exists already; give a new folder"
        raise InvalidInputError(msg)
    if settings.device == "cuda" and not torch.cuda.is_available():
        msg = "device must be cpu: torch sees no CUDA device here"
        raise InvalidInputError(msg)
    estimate = estimate_run(model, settings)
    available = available_memory(settings.device)
    if estimate.memory_bytes > available:
        msg = f"needs about {_gib(estimate.memory_bytes)} of memory, {_gib(available)} is free"
        raise InvalidInputError(msg)
    free = shutil.disk_usage(_existing_parent(out)).free
    if estimate.output_bytes * DISK_FACTOR > free:
        needed = int(estimate.output_bytes * DISK_FACTOR)
        msg = f"needs about {_gib(needed)} of disk at {out.parent}, {_gib(free)} is free"
        raise InvalidInputError(msg)
    return estimate


def _check_checkpoint(model: Path) -> None:
    if not (model / "config.json").is_file():
        msg = f"no model at {model}: config.json is missing"
        raise ModelNotFoundError(msg)
    if not any(model.glob("*.safetensors")):
        if any(p.suffix in PICKLES for p in model.iterdir()):
            msg = f"{model} holds pickled weights only; they are refused, convert them first"
            raise UnsafeModelError(msg)
        msg = f"no weights at {model}: no .safetensors file"
        raise ModelNotFoundError(msg)
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    if config.get("quantization_config") or (model / "quantize_config.json").exists():
        msg = f"{model} is quantised already; give the full-precision checkpoint"
        raise InvalidInputError(msg)


def estimate_run(model: Path, settings: QuantizationSettings) -> Estimate:
    """Estimates sizes from the checkpoint's headers and the architecture, without loading it.

    Raises:
        InvalidInputError: a linear layer does not divide into groups or packed words.
    """
    with torch.device("meta"):
        network = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(model))
    head = network.get_output_embeddings()
    linears = {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    group = settings.group_size if settings.group_size > 0 else PACKED_MULTIPLE
    for name, module in linears.items():
        if module.in_features % group or module.out_features % PACKED_MULTIPLE:
            msg = (
                f"{name} is {module.in_features} x {module.out_features}: the input must divide by "
                f"group_size {group} and the output by {PACKED_MULTIPLE}"
            )
            raise InvalidInputError(msg)
    weight_bytes = sum(p.stat().st_size for p in model.glob("*.safetensors"))
    packed = sum(m.weight.numel() for m in linears.values())
    per_weight = settings.bits / 8 + 2.5 / group  # a 16-bit scale and a packed zero per group
    element = _element_bytes(model)
    return Estimate(
        weight_bytes=weight_bytes,
        memory_bytes=int(weight_bytes * MEMORY_FACTOR) + 512 * 2**20,
        output_bytes=int(weight_bytes - packed * element + packed * per_weight),
        num_linears=len(linears),
    )


def _element_bytes(model: Path) -> int:
    """Bytes of one weight of the checkpoint, from its first tensor."""
    file = sorted(model.glob("*.safetensors"))[0]
    with safe_open(file, framework="pt") as tensors:
        name = next(iter(tensors.keys()))
        return {"F64": 8, "F32": 4}.get(tensors.get_slice(name).get_dtype(), 2)


def available_memory(device: str) -> int:
    """Bytes of free memory: of the GPU, or of the machine less what others hold."""
    if device == "cuda":
        free, _ = torch.cuda.mem_get_info()
        return free
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    msg = "MemAvailable is missing from /proc/meminfo"
    raise RuntimeError(msg)


def _existing_parent(path: Path) -> Path:
    path = path.resolve()
    while not path.exists():
        path = path.parent
    return path


def _gib(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"
