"""Where a process computes and what it uses there, without loading torch for that."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from models.device import Share, compute_apps


@dataclass(frozen=True, kw_only=True)
class MemoryUse:
    """Where this process computes, with the processes that it started: vLLM has some.

    Attributes:
        device: `cpu`, or the GPU's name.
        num_bytes: what they use there; on a GPU what torch has reserved in this process, and what
            the driver says of the others.
    """

    device: str
    num_bytes: int


def memory_use(share: Share) -> MemoryUse:
    """Tells where this process computes."""
    torch = sys.modules.get("torch")
    others = _descendants(os.getpid())
    if share.num_gpus > 0 and torch is not None and torch.cuda.is_available():
        of_others = _driver.used_bytes(others) if others else 0
        return MemoryUse(
            device=str(torch.cuda.get_device_name(0)),
            num_bytes=int(torch.cuda.memory_reserved(0)) + of_others,
        )
    return MemoryUse(device="cpu", num_bytes=sum(map(_resident_bytes, {os.getpid(), *others})))


def _descendants(pid: int) -> set[int]:
    """The processes that a process has started, and those that they have."""
    found: set[int] = set()
    for task in Path("/proc", str(pid), "task").glob("*/children"):
        try:
            children = {int(one) for one in task.read_text().split()}
        except OSError:  # the thread has ended
            continue
        found |= children.union(*map(_descendants, children))
    return found


def _resident_bytes(pid: int) -> int:
    try:
        pages = int(Path("/proc", str(pid), "statm").read_text().split()[1])
    except OSError:  # it has ended
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


class _DriverTold:
    """What the driver last said that processes use, asked again beside whoever wants to know."""

    def __init__(self) -> None:
        self._used: dict[int, int] = {}
        self._asking: threading.Thread | None = None

    def used_bytes(self, pids: Iterable[int]) -> int:
        """Gives what these use on all GPUs, by an answer that may be one call old."""
        if self._asking is None or not self._asking.is_alive():
            self._asking = threading.Thread(target=self.ask, daemon=True)
            self._asking.start()
        return sum(self._used.get(pid, 0) for pid in pids)

    def ask(self) -> None:
        """Asks it; where it does not answer, nothing is known."""
        used = {}
        try:
            lines = compute_apps("pid,used_memory")
        except (OSError, subprocess.SubprocessError):
            lines = []
        for line in lines:
            pid, _, told = line.partition(",")
            amount, _, unit = told.strip().partition(" ")
            if unit == "MiB" and amount.isdecimal():
                used[int(pid)] = int(amount) * 2**20
        self._used = used


_driver = _DriverTold()
