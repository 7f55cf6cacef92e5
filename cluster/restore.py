"""Brings a backup back into a new database, of either kind, and compares every row.

    python -m cluster.restore backups/monday --database postgresql://.../new
    python -m cluster.restore backups/monday --check     # or s3://..., as for cluster.backup

A database that holds something is refused: make a new one, restore into it, then start the system
with RAGFLEET_DATABASE_URL on it. Configs lie in FOLDER/config.

Exit status: 0 done; 1 not done, and why; 2 wrong options.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from cluster.keeping.backups import BackupError, read_backup, restore_backup
from cluster.keeping.elsewhere import fetched, is_elsewhere
from index.errors import CorpusError


def main(arguments: Sequence[str] | None = None) -> int:
    """Restores or checks; gives the exit status of the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m cluster.restore", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("place", metavar="PLACE", help="of the backup: a folder or s3://...")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--database", metavar="URL", help="of a database that holds nothing")
    what.add_argument("--check", action="store_true", help="only whether the backup is whole")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        with _folder(options.place) as folder:
            if options.check:
                told = read_backup(folder)
            else:
                told = restore_backup(folder, options.database)
    except (BackupError, CorpusError, SQLAlchemyError, ValueError, OSError) as err:
        console.print(f"not restored: {err}", style="red")
        return 1
    done = "is whole" if options.check else "is restored, every row compared"
    console.print(f"{options.place}: change {told.mark} of {told.source} {done}")
    return 0


def _folder(place: str) -> AbstractContextManager[Path]:
    return fetched(place) if is_elsewhere(place) else nullcontext(Path(place))


if __name__ == "__main__":
    sys.exit(main())
