"""Processes of this machine, read from /proc, and signals to them. Linux only."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from chaos.errors import FaultNotProvenError, TargetError

_PROC = Path("/proc")
_POLL_S = 0.02
_LITTLE_CPU = 0.3  # of a core; what starts takes all it gets


def state_of(pid: int) -> str | None:
    """Gives the one-letter state of proc(5); None when there is no such process or a zombie."""
    fields = _stat(pid)
    return None if fields is None or fields[0] == "Z" else fields[0]


def start_time(pid: int) -> int:
    """Gives when a process began, in clock ticks; tells a process from a later one of its number.

    Raises:
        TargetError: there is none.
    """
    fields = _stat(pid)
    if fields is None or fields[0] == "Z":
        msg = f"no process {pid} runs here"
        raise TargetError(msg)
    return int(fields[19])


def _stat(pid: int) -> list[str] | None:
    """Reads the fields after the name, which may hold anything."""
    try:
        return (_PROC / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def descendants(pid: int) -> set[int]:
    """Finds every process below one, also those in sessions of their own."""
    children: dict[int, list[int]] = {}
    for each in _pids():
        fields = _stat(each)
        if fields is not None:
            children.setdefault(int(fields[1]), []).append(each)
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting.extend(below)
    return found


def with_environment(assignment: str) -> set[int]:
    """Finds the processes of this user whose environment holds `NAME=value`."""
    found = set()
    for pid in _pids():
        with suppress(FileNotFoundError, PermissionError, ProcessLookupError):
            if assignment.encode() in (_PROC / str(pid) / "environ").read_bytes().split(b"\0"):
                found.add(pid)
    return found


def with_argument(argument: str) -> set[int]:
    """Finds the processes that were started with exactly this argument."""
    found = set()
    for pid in _pids():
        with suppress(FileNotFoundError, PermissionError, ProcessLookupError):
            if argument.encode() in (_PROC / str(pid) / "cmdline").read_bytes().split(b"\0"):
                found.add(pid)
    return found


def arguments(pid: int, prefix: str) -> list[str]:
    """Gives the ends of the arguments of a process that begin with a prefix."""
    try:
        line = (_PROC / str(pid) / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return []
    parts = line.decode(errors="replace").split("\0")
    return [part.removeprefix(prefix) for part in parts if part.startswith(prefix)]


def name_of(pid: int) -> str | None:
    """Gives the program's name, 15 characters of it; None when there is no such process."""
    try:
        return (_PROC / str(pid) / "comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None


def wait_until_idle(pid: int, timeout_s: float) -> set[int]:
    """Waits until a process and those below it use less than 0.3 of a core, or the time is up.

    Returns:
        All of them.
    """
    deadline, used_s = time.monotonic() + timeout_s, float("-inf")
    while True:
        own = {pid} | descendants(pid)
        before_s, used_s = used_s, cpu_seconds(own)
        if used_s - before_s < _LITTLE_CPU or time.monotonic() > deadline:
            return own
        time.sleep(1)


def cpu_seconds(pids: Iterable[int]) -> float:
    """Gives the CPU time that processes have used so far; those that are gone count as 0."""
    ticks = [int(fields[11]) + int(fields[12]) for pid in pids if (fields := _stat(pid))]
    return sum(ticks) / os.sysconf("SC_CLK_TCK")


def set_niceness(pids: Iterable[int], niceness: int) -> None:
    """Sets the niceness of every thread of some processes.

    Raises:
        PermissionError: only root may lower it.
    """
    for pid in pids:
        for task in (_PROC / str(pid) / "task").glob("*"):
            with suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, int(task.name), niceness)


def _pids() -> Iterator[int]:
    return (int(path.name) for path in _PROC.glob("[0-9]*"))


def kill(pids: Iterable[int], *, also: Iterable[int] = (), timeout_s: float = 10.0) -> None:
    """Sends SIGKILL and waits until all are gone; those of `also` may be gone before.

    Raises:
        TargetError: one does not run, so that there is nothing to kill.
        FaultNotProvenError: one is still there.
    """
    victims = {pid: start_time(pid) for pid in pids}
    for pid in also:
        with suppress(TargetError):
            victims[pid] = start_time(pid)
    for pid in victims:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    _prove(
        lambda: not [pid for pid, born in victims.items() if _is_same(pid, born)],
        f"processes {sorted(victims)} are still there after SIGKILL",
        timeout_s,
    )


def freeze(pid: int, *, timeout_s: float = 5.0) -> None:
    """Sends SIGSTOP and waits for the state T.

    Raises:
        TargetError: there is no such process.
        FaultNotProvenError: it is in another state.
    """
    start_time(pid)
    os.kill(pid, signal.SIGSTOP)
    _prove(
        lambda: state_of(pid) == "T", f"process {pid} is not in state T after SIGSTOP", timeout_s
    )


def thaw(pid: int, *, timeout_s: float = 5.0) -> None:
    """Sends SIGCONT and waits for another state than T.

    Raises:
        TargetError: there is no such process.
        FaultNotProvenError: it still does not run.
    """
    start_time(pid)
    os.kill(pid, signal.SIGCONT)
    _prove(
        lambda: state_of(pid) not in ("T", None),
        f"process {pid} does not run after SIGCONT",
        timeout_s,
    )


def _is_same(pid: int, born: int) -> bool:
    try:
        return start_time(pid) == born
    except TargetError:
        return False


def _prove(condition: Callable[[], bool], msg: str, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise FaultNotProvenError(msg)
        time.sleep(_POLL_S)
