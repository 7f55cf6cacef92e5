"""Runs commands in a folder as Docker runs them in a container: in namespaces of their own.

What is mounted is mounted in a namespace that ends with the command, and all of its processes end
with the first of them, which ends with whoever started it. So nothing stays mounted or running,
whatever becomes of the test. The network is the machine's, or a loopback device alone.
"""

import contextlib
import subprocess
from dataclasses import dataclass
from pathlib import Path

# Its arguments: the folder, ro or rw, the mounts as `kind:source:target`, then --, then a command.
PREPARE = r"""
set -eu
root=$1; mode=$2; shift 2
ip link set lo up 2>/dev/null || true
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
mkdir "$root/dev/shm"
mount -t tmpfs -o nosuid,nodev,noexec,mode=1777,size=2g shm "$root/dev/shm"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=755 run "$root/run"
while [ "$1" != -- ]; do
  kind=${1%%:*}; target=$root${1##*:}; source=${1#*:}; source=${source%:*}; shift
  case $kind in
    # Docker's own defaults, which what is asked for may take back.
    tmpfs) mount -t tmpfs -o "nosuid,nodev,noexec,$source" tmpfs "$target"; continue;;
  esac
  mkdir -p "$(dirname "$target")"
  [ -e "$target" ] || if [ -d "$source" ]; then mkdir "$target"; else touch "$target"; fi
  mount --bind "$source" "$target"
  [ "$kind" = rw ] || mount -o remount,bind,ro "$target"
done
shift
[ "$mode" = rw ] || mount -o remount,bind,ro "$root"
cd /
exec "$@"
"""
# What Compose takes away with `cap_drop: [ALL]` and `no-new-privileges`.
UNPRIVILEGED = ("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all")


@dataclass(frozen=True)
class Container:
    """How to run in `root`; a mount is `ro:source:target`, `rw:…` or `tmpfs:options:target`."""

    root: Path
    env: dict
    workdir: str = "/"
    user: str = "0:0"
    mounts: tuple = ()
    is_read_only: bool = False
    has_network: bool = False

    def start(self, command, **options):
        """Starts a command; `options` are those of Popen."""
        namespaces = ["--mount", "--propagation=private", "--pid", "--fork", "--kill-child"]
        namespaces += ["--ipc", *([] if self.has_network else ["--net"])]
        mode = "ro" if self.is_read_only else "rw"
        return subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", "unshare", *namespaces, "sh", "-c", PREPARE, "sh",
             self.root, mode, *self.mounts, "--", "chroot", self.root, *self._inside(command)],
            **options,
        )  # fmt: skip

    def run(self, command):
        """Runs a command to its end, and gives its output.

        Raises:
            CalledProcessError: it failed; its output is in the error's notes.
        """
        with self.start(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as it:
            output, _ = it.communicate()
        return checked(it.returncode, command, output)

    def run_beside(self, started, command):
        """Runs a command in the namespaces of one that was started, as `docker exec` does."""
        first = first_process(started)
        entered = ["nsenter", f"--target={first}", "--mount", "--net", "--pid", "--ipc", "--root"]
        ended = subprocess.run(
            [*entered, *self._inside(command)], check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        return checked(ended.returncode, command, ended.stdout)

    def _inside(self, command):
        user, _, group = self.user.partition(":")
        limits = () if user == "0" else UNPRIVILEGED
        values = [f"{name}={value}" for name, value in self.env.items()]
        # A change of user takes back what unshare asked for: to be killed with it.
        return ["/usr/bin/env", "-i", "-C", self.workdir, *values,
                "/usr/bin/setpriv", "--pdeathsig=KILL", f"--reuid={user}", f"--regid={group}",
                "--clear-groups", *limits, *command]  # fmt: skip


def checked(status, command, output):
    """The output of a command that ended well."""
    if status:
        error = subprocess.CalledProcessError(status, command, output)
        error.add_note(output[-4000:])
        raise error
    return output


def first_process(started):
    """The process id, outside, of what is process 1 in the container."""
    children = Path(f"/proc/{started.pid}/task/{started.pid}/children")
    return int(children.read_text())


def has_processes(folder):
    """Whether a process has a root in the folder: one that was killed takes a moment to end."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if (process / "root").readlink().is_relative_to(folder):
                return True
    return False
