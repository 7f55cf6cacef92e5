"""Brings a backup back into a new database, of either kind, and compares every row.

    python -m cluster.restore backups/monday --database postgresql://.../new
    python -m cluster.restore backups/monday --check

A database that holds something is refused: make a new one, restore into it, then start the system
with RAGFLEET_DATABASE_URL on it. Configs lie in FOLDER/config.

Exit status: 0 done; 1 not done, and why; 2 wrong options.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from cluster.keeping.backups import BackupError, read_backup, restore_backup
from index.errors import CorpusError


def main(arguments: Sequence[str] | None = None) -> int:
    """Restores or checks; gives the exit status of the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m cluster.restore", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of the backup")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--database", metavar="URL", help="of a database that holds nothing")
    what.add_argument("--check", action="store_true", help="only whether the backup is whole")
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        if options.check:
            told = read_backup(options.folder)
        else:
            told = restore_backup(options.folder, options.database)
    except (BackupError, CorpusError, SQLAlchemyError, ValueError, OSError) as err:
        console.print(f"not restored: {err}", style="red")
        return 1
    done = "is whole" if options.check else "is restored, every row compared"
    console.print(f"{options.folder}: change {told.mark} of {told.source} {done}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
