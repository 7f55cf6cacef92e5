"""Fetches a hub repository into a folder: resumed where it broke off, checked, then whole.

    <cache>/hub/org--name@<commit>            whole: every file was there and had its checksum
    <cache>/hub/.org--name@<commit>.partial   what has come so far; the next try goes on from there

huggingface_hub (2.4) begins a file anew after each break, and checks sizes, not content.
"""

import errno
import fcntl
import hashlib
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from models.errors import DownloadError, UnsafeModelError
from models.fetching.repository import RemoteFile, safe_files

logger = logging.getLogger(__name__)

_BLOCK_BYTES = 2**20
_REPORT_S = 10.0
_TRIES = 5  # in a row without a new byte
_PAUSE_S = 0.5  # doubled with each of them
_TIMEOUT_S = 30.0  # of silence


def fetched_folder(model: str, revision: str, cache: Path) -> Path:
    """Where a repository lies once it is whole."""
    return cache / "hub" / f"{model.replace('/', '--')}@{revision}"


def fetch(model: str, revision: str, cache: Path) -> Path:
    """Fetches what may be loaded of a repository, unless it is there already.

    Safe to call from several processes at once: one fetches, the others wait for it.

    Args:
        model: org/name.
        revision: the commit.
        cache: the folder of models; made when missing.

    Returns:
        The folder, in which every file is whole.

    Raises:
        ModelNotFoundError: the hub does not answer or has no such commit.
        DownloadError: the disk is too small, or the connection broke again and again.
        UnsafeModelError: a file is not what the hub says that it is.
    """
    folder = fetched_folder(model, revision, cache)
    if folder.is_dir():
        return folder
    partial = folder.with_name(f".{folder.name}.partial")
    partial.mkdir(parents=True, exist_ok=True)
    with _locked(partial.with_suffix(".lock")):
        if not folder.is_dir():  # another process may have made it while we waited
            _fetch_files(model, revision, partial)
            partial.rename(folder)
    return folder


def _fetch_files(model: str, revision: str, partial: Path) -> None:
    from huggingface_hub import hf_hub_url

    partial.mkdir(exist_ok=True)
    files = safe_files(model, revision)
    _check_space(model, files, partial)
    progress = _Progress(model, sum(file.num_bytes for file in files))
    for file in files:
        target = partial / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        progress.at(_size(target))
        _fetch_file(hf_hub_url(model, file.name, revision=revision), file, target, progress)
        _check_content(file, target)
    logger.info("%s is fetched and checked: %s", model, shown_bytes(progress.num_bytes))


def _fetch_file(url: str, file: RemoteFile, target: Path, progress: "_Progress") -> None:
    """Fetches what is lacking of a file; a break is mended as long as bytes come."""
    from httpx2 import HTTPError
    from huggingface_hub.errors import HfHubHTTPError

    num_tries = 0
    while (size := _size(target)) < file.num_bytes or not target.exists():
        try:
            _append(url, file, target, progress)
        except (HTTPError, HfHubHTTPError, OSError) as err:
            is_full = isinstance(err, OSError) and err.errno == errno.ENOSPC
            num_tries = num_tries + 1 if _size(target) == size else 1
            if is_full or num_tries == _TRIES:
                msg = (
                    f"{file.name} broke off at {_size(target)} of {file.num_bytes} bytes: "
                    f"{type(err).__name__}: {err}; the next try goes on from there"
                )
                raise DownloadError(msg) from err
            logger.warning("%s broke off at %d bytes: %s", file.name, _size(target), err)
            time.sleep(_PAUSE_S * 2**num_tries)


def _append(url: str, file: RemoteFile, target: Path, progress: "_Progress") -> None:
    from huggingface_hub.utils import (  # type: ignore[attr-defined]  # a lazy facade
        build_hf_headers,
        get_session,
        hf_raise_for_status,
    )

    start = _size(target)
    headers = build_hf_headers() | {"accept-encoding": "identity"}
    if start:
        headers["range"] = f"bytes={start}-"
    with get_session().stream(
        "GET", url, headers=headers, follow_redirects=True, timeout=_TIMEOUT_S
    ) as reply:
        hf_raise_for_status(reply)
        is_rest = reply.status_code == 206  # 200: a server that knows no ranges begins anew
        with target.open("ab" if is_rest else "wb") as out:
            for block in reply.iter_raw():  # as it comes, so that a break loses nothing
                out.write(block)
                progress.add(len(block))
    if _size(target) < file.num_bytes:
        msg = f"the connection ended after {_size(target)} bytes"
        raise OSError(msg)


def _check_content(file: RemoteFile, target: Path) -> None:
    """Compares a file with its checksum; one that differs is removed.

    Raises:
        UnsafeModelError: it differs.
    """
    if file.sha256 is not None:
        expected, digest = file.sha256, hashlib.sha256()
    else:
        expected, digest = file.git_sha1 or "", hashlib.sha1(usedforsecurity=False)
        digest.update(f"blob {_size(target)}\0".encode())
    with target.open("rb") as content:
        while block := content.read(_BLOCK_BYTES):
            digest.update(block)
    if digest.hexdigest() != expected:
        size = _size(target)
        target.unlink()
        msg = (
            f"{file.name} has {digest.name} {digest.hexdigest()} and {size} bytes, the hub says "
            f"{expected} and {file.num_bytes}; it was removed"
        )
        raise UnsafeModelError(msg)


def _check_space(model: str, files: Sequence[RemoteFile], partial: Path) -> None:
    needed = sum(max(file.num_bytes - _size(partial / file.name), 0) for file in files)
    free = shutil.disk_usage(partial).free
    if needed > free:
        msg = (
            f"{model} needs {shown_bytes(needed)} more in {partial.parent}, where "
            f"{shown_bytes(free)} are free"
        )
        raise DownloadError(msg)


class _Progress:
    """Tells in the log how far a download is."""

    def __init__(self, model: str, num_bytes: int) -> None:
        self.num_bytes = num_bytes
        self._model = model
        self._done = 0
        self._told_at = time.monotonic()

    def at(self, num_bytes: int) -> None:
        """Counts what came in an earlier try."""
        self._done += num_bytes

    def add(self, num_bytes: int) -> None:
        """Counts what has come now."""
        self._done += num_bytes
        if time.monotonic() - self._told_at >= _REPORT_S:
            self._told_at = time.monotonic()
            logger.info(
                "fetching %s: %s of %s",
                self._model, shown_bytes(self._done), shown_bytes(self.num_bytes),
            )  # fmt: skip


def shown_bytes(num_bytes: int) -> str:
    """A number of bytes as a message tells it."""
    return f"{num_bytes / 1e9:.2f} GB" if num_bytes >= 1e7 else f"{num_bytes} bytes"


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds an exclusive lock between processes; the operating system frees it if we die."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
