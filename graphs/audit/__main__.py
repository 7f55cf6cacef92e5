"""Tell who did what: requests, what was decided, and which documents were read.

One line of JSON each, oldest first. No text of a question, an answer or a document is in the log.
"""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console

from graphs.accounts.journal import as_json
from graphs.commands.command import ENDED_EARLY, WRONG_ARGUMENTS, command_parser, refuse
from graphs.commands.served import read_served
from graphs.errors import ConfigError
from index.catalog.accounts.records import AuditQuery
from index.catalog.catalog import Catalog
from index.errors import CorpusError

_AT_ONCE = 1000
_EPILOG = """\
It reads the database of the corpus, whether a system runs or not. Rows are only added: the database
refuses to change one, and to delete one that is younger than a day; after `audit.kept_days` of the
Gateway's block they are deleted.

environment:
  RAGFLEET_DATABASE_URL  the corpus; else the config's, else .ragfleet/corpus.db

exit status: 0 done, 1 the database cannot be read, 2 wrong arguments
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives its exit status."""
    parser = command_parser("python -m graphs.audit", __doc__, _EPILOG)
    for name, which in (("--since", "from"), ("--until", "before")):
        parser.add_argument(
            name, type=_time, metavar="TIME",
            help=f"{which} this time, such as 2026-11-29 or 2026-11-29T14:00, in UTC",
        )  # fmt: skip
    parser.add_argument("--tenant", default="", help="of this tenant alone")
    parser.add_argument("--key", metavar="ID", default="", help="of this key alone")
    parser.add_argument("--request", metavar="ID", default="", help="of this x-request-id alone")
    parser.add_argument("--document", metavar="ID", default="", help="which read this file")
    options = parser.parse_args(arguments)
    query = AuditQuery(
        since=options.since,
        until=options.until,
        tenant=options.tenant,
        key_id=options.key,
        request_id=options.request,
        document=options.document,
        limit=_AT_ONCE,
    )
    console = Console(stderr=True)
    try:
        catalog = Catalog(read_served(options.config).database_url)
        _print_all(catalog, query)
        catalog.close()
    except ConfigError as err:
        return refuse(console, err, WRONG_ARGUMENTS)
    except CorpusError as err:
        return refuse(console, err, ENDED_EARLY)
    except BrokenPipeError:  # such as `| head`
        sys.stderr.close()
    return 0


def _print_all(catalog: Catalog, query: AuditQuery) -> None:
    while rows := catalog.audit(query):
        for row in rows:
            when = datetime.fromtimestamp(row.at, UTC).isoformat(timespec="milliseconds")
            sys.stdout.write(json.dumps({"time": when, **as_json(row)}) + "\n")
        query = AuditQuery(**{**vars(query), "after": rows[-1].seq})
    sys.stdout.flush()


def _time(text: str) -> float:
    given = datetime.fromisoformat(text)
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()


if __name__ == "__main__":
    sys.exit(main())
