"""What the process that reads a file may not do: spend more than its share, or reach out.

Call these in a process that does nothing else; there is no way back. Limits of resources hold on
every Unix. The system call filter needs Linux on x86-64 or ARM64; elsewhere it is left out, and
parsers are kept from the network by nothing but their own good manners.
"""

import ctypes
import platform
import resource
import signal
import struct
from math import ceil

from index.parsing.parse_limits import ParseLimits

_MAX_OPEN_FILES = 64

# System call numbers: Linux, arch/x86/entry/syscalls/syscall_64.tbl and
# include/uapi/asm-generic/unistd.h.
_X86_64 = {
    "socket": 41, "connect": 42, "clone": 56, "fork": 57, "vfork": 58, "execve": 59, "kill": 62,
    "ptrace": 101, "bind": 49, "mount": 165, "process_vm_readv": 310, "process_vm_writev": 311,
    "bpf": 321, "execveat": 322, "io_uring_setup": 425, "clone3": 435, "unlink": 87,
    "unlinkat": 263, "rename": 82, "renameat": 264, "renameat2": 316, "setsid": 112,
    "tkill": 200, "tgkill": 234,    "truncate": 76, "rmdir": 84, "mkdir": 83,
}  # fmt: skip
_ARM64 = {
    "socket": 198, "connect": 203, "clone": 220, "execve": 221, "kill": 129, "ptrace": 117,
    "bind": 200, "mount": 40, "process_vm_readv": 270, "process_vm_writev": 271, "bpf": 280,
    "execveat": 281, "io_uring_setup": 425, "clone3": 435, "unlinkat": 35, "renameat": 38,
    "renameat2": 276, "setsid": 157, "tkill": 130, "tgkill": 131, "truncate": 45, "mkdirat": 34,
}  # fmt: skip
_ARCHITECTURES = {  # machine: (its number in linux/audit.h, what is forbidden)
    "x86_64": (0xC000003E, _X86_64),
    "aarch64": (0xC00000B7, _ARM64),
}
# An abort() raises its own signal, and Python answers to none: these stay allowed.
_NEEDED = frozenset({"tkill", "tgkill"})

# linux/filter.h, linux/seccomp.h, linux/prctl.h
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050001, 0x80000000  # _REFUSE: with EPERM
_DIE_WITH_PARENT, _NO_NEW_PRIVILEGES, _SET_FILTER, _FILTER_MODE = 1, 38, 22, 2


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def limit_resources(limits: ParseLimits) -> None:
    """Limits this process; the CPU time is counted from now."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = ceil(used.ru_utime + used.ru_stime) + limits.cpu_s
    _lower(resource.RLIMIT_CPU, cpu_s, grace=1)  # a signal of its own comes before the SIGKILL
    _lower(resource.RLIMIT_AS, limits.memory_mb * 2**20)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    # Whoever waits for the answer may be gone: then nobody else ends a process that sleeps.
    signal.alarm(limits.wall_s + 1)


def forbid_reaching_out() -> bool:
    """Makes network, other programs and other processes fail with EPERM from now on.

    The process also dies with its parent, which must have one thread.

    Returns:
        False where the system has no such filter.
    """
    if platform.machine() not in _ARCHITECTURES:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "prctl"):
        return False
    code = _filter(*_ARCHITECTURES[platform.machine()])
    buffer = ctypes.create_string_buffer(code, len(code))
    program = _Program(len(code) // 8, ctypes.addressof(buffer))
    libc.prctl(_DIE_WITH_PARENT, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    return bool(libc.prctl(_SET_FILTER, _FILTER_MODE, ctypes.byref(program)) == 0)


def _filter(architecture: int, calls: dict[str, int]) -> bytes:
    """A program that refuses the calls and allows the rest; each instruction has 8 bytes."""
    numbers = sorted(number for name, number in calls.items() if name not in _NEEDED)
    to_refusal = len(numbers)
    return b"".join(
        [
            _instruction(_LOAD, _ARCHITECTURE_AT),
            _instruction(_JUMP_IF_EQUAL, architecture, then=1),
            _instruction(_RETURN, _KILL),  # calls of another architecture have other numbers
            _instruction(_LOAD, _NUMBER_AT),
            *(
                _instruction(_JUMP_IF_EQUAL, number, then=to_refusal - position)
                for position, number in enumerate(numbers)
            ),
            _instruction(_RETURN, _ALLOW),
            _instruction(_RETURN, _REFUSE),
        ]
    )


def _instruction(code: int, value: int, then: int = 0) -> bytes:
    return struct.pack("HBBI", code, then, 0, value)


def _lower(kind: int, value: int, grace: int = 0) -> None:
    """Sets a limit, or the lower one that is there already."""
    _, hard = resource.getrlimit(kind)
    if hard != resource.RLIM_INFINITY:
        value, grace = min(value, hard), 0
    resource.setrlimit(kind, (value, value + grace))
