"""What of a machine a model may use: its share, its device, its threads."""

import fcntl
import gc
import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from models.errors import GpuMemoryError, InvalidInputError

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
# What a CUDA process takes before it allocates anything: about 0.5 GB.
_CONTEXT_BYTES = 512 * 2**20
_ASK_ROOM = "import torch; [print(*torch.cuda.mem_get_info(n)) for n in range({})]"
_UNUSABLE_PART = 0.05  # of a card, that the driver and rounding take
_CACHE_PART = 0.9  # of what is left beside the weights; the rest is for activations


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


def as_served(share: Share) -> Share:
    """Gives a share of the CPU where that serves in the place of a GPU; else the share itself."""
    if not share.allow_cpu or has_gpu(share):
        return share
    return replace(share, num_gpus=0.0)


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
    free, total = torch.cuda.mem_get_info()
    check_room(share, free_bytes=free + torch.cuda.memory_reserved(), total_bytes=total)
    if share.num_gpus < 1:
        torch.cuda.set_per_process_memory_fraction(torch_fraction(share, total))
    return torch.device("cuda")


def torch_fraction(share: Share, total_bytes: int) -> float:
    """The part of a GPU that torch may allocate: the share less what CUDA itself takes.

    Args:
        share: of one GPU, below 1.
        total_bytes: memory of the whole GPU.

    Raises:
        InvalidInputError: the share is smaller than that.
    """
    fraction = share.num_gpus - _CONTEXT_BYTES / total_bytes
    if fraction <= 0:
        msg = (
            f"num_gpus {share.num_gpus:g} of {total_bytes / 1e9:.1f} GB is less than the "
            f"{_CONTEXT_BYTES / 1e9:.1f} GB that a CUDA process takes without a model"
        )
        raise InvalidInputError(msg)
    return fraction


def check_room(share: Share, *, free_bytes: int, total_bytes: int) -> None:
    """Looks whether a share of one GPU is there for this process.

    Args:
        share: of a GPU; of several, of each.
        free_bytes: what is free, and what this process holds already.
        total_bytes: memory of the whole GPU.

    Raises:
        GpuMemoryError: it is not; the message names the processes that hold the rest.
    """
    needed = int(min(share.num_gpus, 1.0) * total_bytes)
    if free_bytes + _UNUSABLE_PART * total_bytes + _CONTEXT_BYTES < needed:
        msg = (
            f"num_gpus {share.num_gpus:g} means {needed / 1e9:.1f} GB of this GPU, but "
            f"{free_bytes / 1e9:.1f} GB of {total_bytes / 1e9:.1f} GB are free; "
            f"held by: {_holders()}"
        )
        raise GpuMemoryError(msg)


def check_cards(share: Share) -> None:
    """Looks whether a share is there on each of its GPUs, for processes that are yet to start.

    The driver is asked by a process that ends: this one would keep half a gigabyte of a card.

    Raises:
        GpuMemoryError: it is not; the message names the processes that hold the rest.
        InvalidInputError: CUDA shows some of the GPUs only; of slices (MIG) it shows one.
    """
    if share.num_gpus <= 0:
        return
    wanted = max(1, int(share.num_gpus))
    asked = subprocess.run(
        [sys.executable, "-c", _ASK_ROOM.format(wanted)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    told = asked.stdout.splitlines()
    if 0 < len(told) < wanted:
        msg = (
            f"num_gpus is {share.num_gpus:g}, but CUDA shows {len(told)} here; of the slices of "
            "GPUs (MIG) a process is shown one: give the model one larger slice, or whole GPUs"
        )
        raise InvalidInputError(msg)
    if asked.returncode != 0:
        logger.warning("the driver does not tell what is free: %s", asked.stderr.strip()[-200:])
        return
    for line in told:
        free, total = map(int, line.split())
        check_room(share, free_bytes=free, total_bytes=total)


def _holders() -> str:
    """The processes on the GPUs of this machine, as far as the driver names them."""
    try:
        lines = compute_apps("gpu_uuid,pid,process_name,used_memory")
    except (OSError, subprocess.SubprocessError):
        return "unknown, nvidia-smi does not answer"
    return "; ".join(lines) or "processes that nvidia-smi does not see"


def compute_apps(fields: str) -> list[str]:
    """Asks the driver for a line for each process on the GPUs of this machine, not ours alone.

    Of processes on a slice (MIG) it may keep to itself how much they use, and inside a container
    who they are.

    Raises:
        OSError: there is no nvidia-smi.
        SubprocessError: it fails, or takes too long.
    """
    command = ["nvidia-smi", f"--query-compute-apps={fields}", "--format=csv"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.splitlines()[1:]


def vllm_fraction(share: Share, configured: float) -> float:
    """The part of each GPU that vLLM may use, its CUDA context included.

    Args:
        share: a fraction is its own limit.
        configured: the part of whole GPUs.
    """
    return share.num_gpus if 0 < share.num_gpus < 1 else configured


def cache_bytes(share: Share, *, total_bytes: int, held_bytes: int) -> int:
    """What a KV cache may take of one GPU beside the weights that are loaded.

    Args:
        share: of the GPU.
        total_bytes: memory of the whole GPU.
        held_bytes: what torch has allocated for weights.

    Raises:
        GpuMemoryError: nothing is left.
    """
    room = min(share.num_gpus, 1.0) * total_bytes - _CONTEXT_BYTES - held_bytes
    if room <= 0:
        msg = (
            f"the weights take {held_bytes / 1e9:.1f} GB, which leaves no cache in num_gpus "
            f"{share.num_gpus:g} of {total_bytes / 1e9:.1f} GB"
        )
        raise GpuMemoryError(msg)
    return int(_CACHE_PART * room)


@contextmanager
def one_at_a_time(cards: Sequence[str], folder: Path) -> Iterator[None]:
    """Lets one process of this machine at a time load on a card; none without cards.

    Args:
        cards: names of the GPUs, alike in every process: numbers or UUIDs, of slices also
            `MIG-GPU-<UUID>/<GPU instance>/<compute instance>`.
        folder: of this machine, for a lock file a card; made when missing.
    """
    with ExitStack() as held:
        if cards:
            folder.mkdir(parents=True, exist_ok=True)
        for card in sorted(cards):  # in one order, so that two processes cannot wait in a circle
            stream = held.enter_context((folder / f"{card.replace('/', '.')}.lock").open("w"))
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
