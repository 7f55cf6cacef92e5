"""What of a machine a model may use: its share, its device, its threads."""

import gc
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import InvalidInputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Share:
    """What is allotted to this process.

    Attributes:
        num_gpus: a fraction or a whole number; 0 means the CPU.
        num_cpus: a fraction or a whole number; None means all.
        allow_cpu: whether a share of a GPU may be served by the CPU, where torch sees no GPU.
    """

    num_gpus: float = 0.0
    num_cpus: float | None = None
    allow_cpu: bool = False

    @property
    def num_threads(self) -> int | None:
        """Compute threads: spinning threads of several replicas on the same cores ruin each other.

        At least 1; None means as many as the machine has cores.
        """
        return None if self.num_cpus is None else max(1, int(self.num_cpus))


logger = logging.getLogger(__name__)

ALL_CPUS = Share()


def release_memory() -> None:
    """Frees what a model that failed to load, or was closed, has left behind in this process."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def has_gpu(share: Share) -> bool:
    """Says whether this share is one of a GPU.

    Raises:
        InvalidInputError: it is, but torch sees no GPU, and the CPU is not allowed instead.
    """
    if share.num_gpus <= 0:
        return False
    import torch

    if torch.cuda.is_available():
        return True
    if not share.allow_cpu:
        msg = (
            f"num_gpus is {share.num_gpus:g}, but torch {torch.__version__} sees no GPU here; "
            "allow_cpu: true in the user_config lets the CPU serve instead"
        )
        raise InvalidInputError(msg)
    logger.warning("num_gpus is %g, but there is no GPU: the CPU serves instead", share.num_gpus)
    return False


def pick_device(share: Share) -> "torch.device":
    """Gives the device for a share, and keeps torch in this process within it.

    Ray hides other GPUs but isolates no memory, so a share below 1 also caps this process.

    Returns:
        `cuda` when a GPU was allotted, else `cpu`.

    Raises:
        InvalidInputError: a GPU was allotted, but there is none.
    """
    import torch

    if share.num_threads is not None:
        torch.set_num_threads(share.num_threads)
    if not has_gpu(share):
        return torch.device("cpu")
    if share.num_gpus < 1:
        torch.cuda.set_per_process_memory_fraction(share.num_gpus)
    return torch.device("cuda")


@dataclass(frozen=True, kw_only=True)
class MemoryUse:
    """Where this process computes.

    Attributes:
        device: `cpu`, or the GPU's name.
        num_bytes: what the process uses there; on a GPU, what torch has reserved in it.
    """

    device: str
    num_bytes: int


def memory_use(share: Share) -> MemoryUse:
    """Tells where this process computes, without loading torch for that."""
    torch = sys.modules.get("torch")
    if share.num_gpus > 0 and torch is not None and torch.cuda.is_available():
        return MemoryUse(
            device=str(torch.cuda.get_device_name(0)),
            num_bytes=int(torch.cuda.memory_reserved(0)),
        )
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return MemoryUse(device="cpu", num_bytes=pages * os.sysconf("SC_PAGE_SIZE"))
