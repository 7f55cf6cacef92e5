"""Where the CPU time of a server goes: by process, and in all. Linux only.

On a machine that others use too, CPU seconds a request tell more than times: they count the work,
not the waiting for a core.
"""

from collections.abc import Mapping
from pathlib import Path

from chaos.processes import cpu_seconds, descendants


class CpuMeter:
    """Reads the CPU seconds of a process and of all below it, by the name of what each does."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._reads: list[dict[tuple[int, str], float]] = []

    def read(self) -> None:
        """Notes how much every process has used by now; what has ended is left out."""
        found: dict[tuple[int, str], float] = {}
        for pid in (self._pid, *descendants(self._pid)):
            if role := _role(pid):
                found[pid, role] = cpu_seconds([pid])
        self._reads.append(found)

    def used_s(self) -> Mapping[str, float]:
        """CPU seconds by role between the last two reads."""
        before, after = self._reads[-2:]
        used: dict[str, float] = {}
        for key, now_s in after.items():
            used[key[1]] = used.get(key[1], 0.0) + now_s - before.get(key, 0.0)
        return used


def _role(pid: int) -> str:
    """Names a replica by its deployment, anything else by its program; none that has ended."""
    try:
        line = Path("/proc", str(pid), "cmdline").read_bytes().decode(errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return ""
    program = line.split("\0", 1)[0]
    if program.startswith("ray::ServeReplica:"):
        return program.split(":")[-1].split(".")[0]  # the rest is the method that it last began
    if program.startswith("ray::"):
        return program.removeprefix("ray::").split(".")[0].split(" ")[0]
    return Path(program).name
