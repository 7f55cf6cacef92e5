"""Folders that are there whole or not at all."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole_or_nothing(out: Path, *, mode: int = 0o755) -> Iterator[Path]:
    """Gives a folder beside `out` that becomes `out` at the end, or goes if that is not reached.

    Args:
        out: the folder.
        mode: its permissions.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-unfinished-"))
    try:
        yield unfinished
        unfinished.chmod(mode)
        unfinished.rename(out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
