"""Picks the device of a model and keeps the model within its share of it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def pick_device(gpu_share: float) -> "torch.device":
    """Gives the device for a process that was allotted so many GPUs.

    Ray hides other GPUs but isolates no memory, so a share below 1 also caps this process.

    Args:
        gpu_share: GPUs allotted to this process, at least 0; a fraction or a whole number.

    Returns:
        `cuda` when a GPU was allotted and exists, else `cpu`.
    """
    import torch

    if gpu_share <= 0 or not torch.cuda.is_available():
        return torch.device("cpu")
    if gpu_share < 1:
        torch.cuda.set_per_process_memory_fraction(gpu_share)
    return torch.device("cuda")


def limit_threads(num_cpus: float) -> None:
    """Gives torch as many threads as CPUs were allotted, at least 1.

    Spinning threads of several replicas on the same cores ruin each other.
    """
    import torch

    torch.set_num_threads(max(1, int(num_cpus)))
