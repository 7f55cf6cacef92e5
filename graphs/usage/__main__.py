"""Tell the tokens that were used, by day (UTC), tenant, key and model."""

import sys
from collections.abc import Sequence
from datetime import date

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from graphs.accounts.usage_table import COLUMNS, written
from graphs.commands.command import ENDED_EARLY, WRONG_ARGUMENTS, command_parser, refuse
from graphs.commands.served import read_served
from graphs.errors import ConfigError
from index.catalog.accounts.records import UsageRecord
from index.catalog.catalog import Catalog
from index.errors import CorpusError

_EPILOG = """\
It reads the database of the corpus, whether a system runs or not; a Gateway that runs writes what
it counted within a second. An answer counts once, also where it moved to another replica, was
asked for again with its Idempotency-Key, or is a line of a batch that was begun again.

environment:
  RAGFLEET_DATABASE_URL  the corpus; else the config's, else .ragfleet/corpus.db

exit status: 0 done, 1 the database cannot be read, 2 wrong arguments
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives its exit status."""
    parser = command_parser("python -m graphs.usage", __doc__, _EPILOG)
    for name, which in (("--since", "first"), ("--until", "last")):
        parser.add_argument(
            name, type=date.fromisoformat, metavar="YYYY-MM-DD", help=f"{which} day"
        )
    parser.add_argument("--tenant", help="of this tenant alone")
    parser.add_argument("--key", metavar="ID", help="of this key alone")
    parser.add_argument(
        "--format", choices=("table", "csv", "json"), default="table", help="default: table"
    )
    options = parser.parse_args(arguments)
    console = Console()
    try:
        catalog = Catalog(read_served(options.config).database_url)
        rows = catalog.usage(
            options.since.isoformat() if options.since else "",
            options.until.isoformat() if options.until else "9999-12-31",
            tenant=options.tenant,
            key_id=options.key,
        )
        catalog.close()
    except ConfigError as err:
        return refuse(console, err, WRONG_ARGUMENTS)
    except CorpusError as err:
        return refuse(console, err, ENDED_EARLY)
    if options.format == "table":
        console.print(_table(rows))
    else:
        sys.stdout.write(written(rows, options.format))
    return 0


def _table(rows: Sequence[UsageRecord]) -> Table:
    table = Table(show_footer=True)
    for name in COLUMNS:
        is_number = name.startswith("num_")
        total = f"{sum(getattr(row, name) for row in rows):,}" if is_number else ""
        table.add_column(
            name.removeprefix("num_").replace("_", " "),
            footer=total,
            justify="right" if is_number else "left",
        )
    for row in rows:
        values = (getattr(row, name) for name in COLUMNS)
        table.add_row(*(escape(v) if isinstance(v, str) else f"{v:,}" for v in values))
    return table


if __name__ == "__main__":
    sys.exit(main())
