"""Makes a backup of a corpus that may be in use, in a folder or a bucket of S3.

    python -m cluster.backup backups/monday --config cluster.yaml
    python -m cluster.backup 's3://bucket/backups/monday?region=eu-central-1'

All that was acknowledged before it began is in it: documents, passages, vectors, answers, keys. The
folder is there whole and verified, or not at all. On SQLite writers wait while the file is copied.

Exit status: 0 made; 1 not made, and why; 2 wrong options.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from sqlalchemy.exc import SQLAlchemyError

from cluster.keeping.backups import BackupError, make_backup
from cluster.keeping.elsewhere import is_elsewhere, make_backup_at
from graphs.config import AppArgs, database_url
from index.errors import CorpusError


def main(arguments: Sequence[str] | None = None) -> int:
    """Makes it; gives the exit status of the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m cluster.backup", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    option = parser.add_argument
    option("out", metavar="PLACE", help="a folder or s3://..., where nothing is yet")
    option("--database", default=database_url(AppArgs()), metavar="URL",
           help="default: RAGFLEET_DATABASE_URL, else that of the state folder")  # fmt: skip
    option("--config", type=Path, action="append", default=[], metavar="FILE",
           help="a Serve config that goes with it; may be given again")  # fmt: skip
    options = parser.parse_args(arguments)
    console = Console(soft_wrap=True, highlight=False, markup=False)
    try:
        if is_elsewhere(options.out):
            told = make_backup_at(options.database, options.out, options.config)
        else:
            told = make_backup(options.database, Path(options.out), options.config)
    except (BackupError, CorpusError, SQLAlchemyError, ValueError, OSError) as err:
        console.print(f"no backup was made: {err}", style="red")
        return 1
    num_rows = sum(digest.num_rows for digest in told.tables.values())
    console.print(f"{options.out}: {num_rows} rows up to change {told.mark}, verified")
    return 0


if __name__ == "__main__":
    sys.exit(main())
