"""Tell which tenants there are and what they store, or delete one for good."""

import argparse
import json
import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from graphs.commands.command import (
    ENDED_EARLY,
    INTERRUPTED,
    WRONG_ARGUMENTS,
    command_parser,
    refuse,
)
from graphs.commands.deeds import note_deed
from graphs.commands.served import read_served
from graphs.errors import ConfigError
from index.catalog.catalog import Catalog
from index.catalog.tenants.tenants import NUMBERS
from index.errors import CorpusError

# Gateways know of a revoked key after `auth.fresh_s`, at most 5 s; what they let in ends meanwhile.
SETTLE_S = 6.0
_EPILOG = """\
It works on the database of the corpus, whether a system runs or not. `delete` revokes all keys of
the tenant, waits until every Gateway knows it, and deletes files, vector stores with passages and
vectors, uploads, responses, conversations, batches, feedback and, at the end, the keys. Searches
forget it at once. A deletion that was killed goes on when it is begun again. Usage and the audit
log stay, which have no text; the log says who began a deletion. Backups stay, too. People whom an
identity provider vouches for come back with their next token, so let it give out none for this
tenant before. An answer or upload that began before and ends after the deletion may still be kept:
run it again when the longest has ended.

environment:
  RAGFLEET_DATABASE_URL  the corpus; else the config's, else .ragfleet/corpus.db

exit status: 0 done, 1 the database cannot be used, 2 wrong arguments, 130 interrupted
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives its exit status."""
    options = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        catalog = Catalog(read_served(options.config).database_url)
        if options.command == "list":
            _list(catalog, as_json=options.json)
        elif not options.yes:
            return refuse(console, f"to delete {options.tenant!r} for good add --yes", 2)
        else:
            _delete(catalog, options, console)
        catalog.close()
    except ConfigError as err:
        return refuse(console, err, WRONG_ARGUMENTS)
    except CorpusError as err:
        return refuse(console, err, ENDED_EARLY)
    except KeyboardInterrupt:
        return refuse(console, "interrupted; begin it again to go on", INTERRUPTED)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("python -m graphs.tenants", __doc__, _EPILOG)
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="show all tenants and what they store")
    listing.add_argument("--json", action="store_true", help="one line of JSON a tenant")
    deletion = commands.add_parser("delete", help="delete all that belongs to a tenant")
    deletion.add_argument("tenant", help="its name")
    deletion.add_argument("--yes", action="store_true", help="without it nothing is deleted")
    deletion.add_argument(
        "--settle-s", type=float, default=SETTLE_S, metavar="SECONDS",
        help=f"how long to wait for running Gateways (default: {SETTLE_S:g}); 0 where none runs",
    )  # fmt: skip
    return parser


def _list(catalog: Catalog, *, as_json: bool) -> None:
    tenants = catalog.list_tenants()
    if as_json:
        for one in tenants:
            sys.stdout.write(json.dumps(vars(one)) + "\n")
        return
    table = Table("tenant", *(name.removeprefix("num_") for name in NUMBERS))
    for one in tenants:
        table.add_row(escape(one.id), *(f"{getattr(one, name):,}" for name in NUMBERS))
    Console().print(table)


def _delete(catalog: Catalog, options: argparse.Namespace, console: Console) -> None:
    """Deletes until nothing is left, also of what was let in before the keys ended."""
    if not catalog.list_tenants(options.tenant):
        console.print(f"there is nothing of tenant {options.tenant!r}", markup=False)
        return
    note_deed(catalog, f"graphs.tenants delete {options.tenant}", options.tenant)
    if catalog.revoke_tenant(options.tenant):
        time.sleep(options.settle_s)
    num_rows = 0
    while gone := catalog.delete_tenant_portion(options.tenant):
        num_rows += gone
    catalog.forget_tenant(options.tenant)
    console.print(
        f"deleted tenant {options.tenant}: {num_rows} rows", markup=False, highlight=False
    )


if __name__ == "__main__":
    sys.exit(main())
