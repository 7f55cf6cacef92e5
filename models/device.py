"""What of a machine a model may use: its share, its device, its threads."""

import gc
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Share:
    """What is allotted to this process.

    Attributes:
        num_gpus: a fraction or a whole number; 0 means the CPU.
        num_cpus: a fraction or a whole number; None means all.
    """

    num_gpus: float = 0.0
    num_cpus: float | None = None

    @property
    def num_threads(self) -> int | None:
        """Compute threads: spinning threads of several replicas on the same cores ruin each other.

        At least 1; None means as many as the machine has cores.
        """
        return None if self.num_cpus is None else max(1, int(self.num_cpus))


ALL_CPUS = Share()


def release_memory() -> None:
    """Frees what a model that failed to load, or was closed, has left behind in this process."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


def pick_device(share: Share) -> "torch.device":
    """Gives the device for a share, and keeps torch in this process within it.

    Ray hides other GPUs but isolates no memory, so a share below 1 also caps this process.

    Returns:
        `cuda` when a GPU was allotted and exists, else `cpu`.
    """
    import torch

    if share.num_threads is not None:
        torch.set_num_threads(share.num_threads)
    if share.num_gpus <= 0 or not torch.cuda.is_available():
        return torch.device("cpu")
    if share.num_gpus < 1:
        torch.cuda.set_per_process_memory_fraction(share.num_gpus)
    return torch.device("cuda")
