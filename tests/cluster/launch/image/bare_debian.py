"""Makes the folder that stands for the official Python image: bare Debian with Debian's Python.

The image has the same Debian packages, but a Python of its own below /usr/local, with headers. Here
that is Debian's of the same version, of an earlier minor release, with an earlier pip.
"""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

# `3.11-slim-bookworm`, and what that image installs beside Python.
TAG = re.compile(r"python:(?P<version>3\.\d+)-slim-(?P<suite>\w+)")
PACKAGES = ("ca-certificates", "netbase", "tzdata")
PATH = "/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
# Where what this machine lends to a build is mounted: Debian expects nothing there.
LENT = "/run/lent"
_LENT_NAMES = re.compile("PIP_.*|(?i:(https?|all|no)_proxy)")


def make_bare_debian(image, folder):
    """Makes the folder by mmdebstrap from this machine's own sources, if they have the suite.

    Raises:
        ValueError: the image is not a slim Python on a named Debian.
        CalledProcessError: mmdebstrap failed; it says why on stderr.
    """
    tag = TAG.fullmatch(image)
    if tag is None:
        raise ValueError(f"a folder can stand for python:3.X-slim-SUITE alone, got {image}")
    python = f"python{tag['version']}"
    wanted = ",".join([*PACKAGES, python, f"{python}-venv", f"{python}-dev"])
    command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={wanted}",
               *(f"--aptopt={option}" for option in apt_options()), tag["suite"], str(folder),
               *apt_sources(tag["suite"])]  # fmt: skip
    # Its own mounts, too, end with it.
    namespaces = ["--mount", "--propagation=private", "--pid", "--fork", "--kill-child"]
    subprocess.run(
        ["setpriv", "--pdeathsig=KILL", "unshare", *namespaces, "--mount-proc", *command],
        check=True,
    )
    (folder / "usr/local/bin/python").symlink_to(f"/usr/bin/{python}")


def apt_sources(suite, etc=Path("/etc/apt")):
    """This machine's files of sources for the suite; without any, mmdebstrap takes its own."""
    files = [etc / "sources.list", *sorted((etc / "sources.list.d").glob("*"))]
    names = re.compile(rf"^(deb|Suites:).*\s{suite}(\s|$)", re.MULTILINE)
    found = [one for one in files if one.suffix in {".list", ".sources"} and one.is_file()]
    return [str(one) for one in found if names.search(one.read_text())]


def apt_options():
    """What this machine's apt is told of proxies and of the age of what it gets."""
    told = subprocess.run(
        ["apt-config", "dump", "--no-empty", "Acquire"], check=True, capture_output=True, text=True
    ).stdout
    return re.findall(r"^(Acquire::(?:https?::Proxy|Check-)\S* .*);$", told, re.MULTILINE)


def lent_settings(torch):
    """What pip and the network of this machine need, as an environment and as mounts.

    A file or folder that a setting names is mounted below `LENT`, read-only, and named there. The
    file `torch` is written: this machine's build of it, for CPUs say, is wanted and no other.
    """
    told = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    settings = re.findall(r"^(?:global|install)\.([\w-]+)='(.*)'$", told, re.MULTILINE)
    environment = {f"PIP_{name.upper().replace('-', '_')}": value for name, value in settings}
    environment |= {name: one for name, one in os.environ.items() if _LENT_NAMES.fullmatch(name)}
    torch.write_text(f"torch=={version('torch')}\n")
    environment["PIP_CONSTRAINT"] = f"{environment.get('PIP_CONSTRAINT', '')} {torch}"
    mounts = {"ro:/etc/resolv.conf:/etc/resolv.conf", "ro:/etc/hosts:/etc/hosts"}
    lent = {}
    for name, value in environment.items():
        words = [lend(word) for word in value.split()]
        lent[name] = " ".join(word for word, _ in words)
        mounts |= {f"ro:{folder}:{LENT}{folder}" for _, folder in words if folder}
    return lent, tuple(sorted(mounts))


def lend(word):
    """Where a word of a setting is found in the container, and what is mounted for that, if any."""
    scheme = "file://" if word.startswith("file://") else ""
    path = Path(word.removeprefix(scheme))
    if not (path.is_absolute() and path.exists()):
        return word, None
    # An index that is a folder links to files beside it.
    return f"{scheme}{LENT}{path}", path.parent if scheme else path
