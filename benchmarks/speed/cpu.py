"""Where the CPU time of a server goes: by process, and in all.

On a machine that others use too, CPU seconds a request tell more than times: they count the work,
not the waiting for a core.
"""

import os
from collections import Counter
from collections.abc import Mapping

import psutil


class CpuMeter:
    """Reads the CPU seconds of a process and of all below it, by the name of what each does."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)
        self._reads: list[dict[tuple[int, str], float]] = []

    def read(self) -> None:
        """Notes how much every process has used by now."""
        found = {}
        for process in (self._root, *self._root.children(recursive=True)):
            try:
                times = process.cpu_times()
                found[process.pid, _role(process)] = times.user + times.system
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                continue
        self._reads.append(found)

    def used_s(self) -> Mapping[str, float]:
        """CPU seconds by role between the last two reads; `client`: of this process."""
        before, after = self._reads[-2:]
        used: Counter[str] = Counter()
        for key, now_s in after.items():
            used[key[1]] += now_s - before.get(key, 0.0)
        return used


def own_s() -> float:
    """CPU seconds that this process has used."""
    return sum(os.times()[:2])


def _role(process: psutil.Process) -> str:
    """Names a replica by its deployment, anything else by its program."""
    line = process.cmdline()
    title = line[0] if line else process.name()
    if title.startswith("ray::ServeReplica:"):
        return title.split(":")[-1].split(".")[0]  # the rest is the method that it last began
    if title.startswith("ray::"):
        return title.removeprefix("ray::").split(".")[0].split()[0]
    return process.name()
