"""Makes, lists, renews and revokes API keys, in the database itself.

The server may run or not; one that runs obeys within seconds. A new key is printed once, alone on
the standard output, and is not kept. The audit log says who did what to which key.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Column, Table

from graphs.access.callers import LIMITS
from graphs.commands.command import ENDED_EARLY, ROOT, WRONG_ARGUMENTS, refuse
from graphs.commands.deeds import note_deed
from graphs.config import AppArgs, database_url
from graphs.errors import ConfigError
from graphs.serve_config.reader import read_serve_config
from index.catalog.catalog import Catalog
from index.catalog.keys.records import KeyGrant, KeyRecord, NewKey
from index.errors import CorpusError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_EXAMPLES = """examples:
  python -m graphs.keys create --scopes query --name chat-page --user ann --groups sales,support
  python -m graphs.keys create --scopes query,ingest,admin --tenant acme --expires 90d
  python -m graphs.keys create --scopes read:vs_... --limit requests_per_min=60
  python -m graphs.keys rotate 0123456789abcdef --overlap 1h
  python -m graphs.keys revoke 0123456789abcdef
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives the exit status."""
    chosen = _parser().parse_args(arguments)
    console = Console(stderr=True)
    try:
        args = AppArgs() if chosen.config is None else read_serve_config(chosen.config).args
        catalog = Catalog(database_url(args))
    except (ConfigError, CorpusError, ValueError) as err:
        return refuse(console, err, WRONG_ARGUMENTS)
    try:
        key = _COMMANDS[chosen.command](catalog, chosen, console)
        if key is not None:
            note_deed(catalog, f"graphs.keys {chosen.command} {key.id}", key.tenant)
    except (CorpusError, ValueError) as err:
        return refuse(console, err, ENDED_EARLY)
    finally:
        catalog.close()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m graphs.keys", description=__doc__, epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "--config", type=Path, metavar="FILE", default=ROOT / "local.yaml",
        help="the server's Serve config, which tells the database unless "
        "RAGFLEET_DATABASE_URL does (default: local.yaml beside the code)",
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", required=True)
    create = commands.add_parser("create", help="make a key")
    create.add_argument("--scopes", required=True, metavar="LIST", help="query, ingest, admin, "
                        "metrics, read:<store id>, write:<store id>; commas between")  # fmt: skip
    create.add_argument("--tenant", default="default", help="whose data it reaches")
    create.add_argument("--name", default="", help="for people")
    create.add_argument("--user", help="as whom access lists are asked")
    create.add_argument("--groups", default="", metavar="LIST",
                        help="the user's groups; `*` passes every access list")  # fmt: skip
    create.add_argument("--class", dest="service_class", default="default",
                        choices=("priority", "default", "flex"))  # fmt: skip
    create.add_argument("--limit", action="append", default=[], metavar="NAME=MOST", type=_limit,
                        help=f"one of {', '.join(LIMITS)}; may be given again")  # fmt: skip
    create.add_argument("--expires", type=_duration, metavar="TIME", help="such as 90d or 12h")
    listing = commands.add_parser("list", help="show the keys, without their texts")
    listing.add_argument("--tenant", help="those of this tenant alone")
    listing.add_argument("--json", action="store_true", help="one line of JSON a key")
    rotate = commands.add_parser("rotate", help="give a key another text; its id stays")
    rotate.add_argument("key_id", metavar="ID")
    rotate.add_argument("--overlap", type=_duration, default=3600, metavar="TIME",
                        help="how long the text before is taken too (default: 1h)")  # fmt: skip
    revoke = commands.add_parser("revoke", help="end a key for good")
    revoke.add_argument("key_id", metavar="ID")
    return parser


def _duration(text: str) -> int:
    number, unit = text[:-1], text[-1:]
    if unit not in _SECONDS or not (number.isascii() and number.isdecimal() and len(number) < 10):
        msg = f"must be a whole number and one of s, m, h, d, such as 90d, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return int(number) * _SECONDS[unit]


def _limit(text: str) -> tuple[str, int]:
    name, _, most = text.partition("=")
    if name not in LIMITS or not (most.isascii() and most.isdecimal() and int(most[:18]) > 0):
        msg = f"must be NAME=MOST with a name of {', '.join(LIMITS)}, got {text!r}"
        raise argparse.ArgumentTypeError(msg)
    return name, int(most[:18])


def _create(catalog: Catalog, chosen: argparse.Namespace, console: Console) -> KeyRecord:
    grant = KeyGrant(
        tenant=chosen.tenant,
        name=chosen.name,
        scopes=_listed(chosen.scopes),
        user=chosen.user,
        groups=_listed(chosen.groups),
        service_class=chosen.service_class,
        limits=dict(chosen.limit),
        expires_at=None if chosen.expires is None else int(time.time()) + chosen.expires,
    )
    return _shown(catalog.create_key(grant), console)


def _listed(text: str) -> frozenset[str]:
    return frozenset(one.strip() for one in text.split(",") if one.strip())


def _list(catalog: Catalog, chosen: argparse.Namespace, console: Console) -> None:
    keys = catalog.list_keys(chosen.tenant)
    if chosen.json:
        for key in keys:
            told = {**vars(key), "scopes": sorted(key.scopes), "groups": sorted(key.groups)}
            print(json.dumps(told | {"status": key.status_at(time.time())}))
        return
    names = ("tenant", "name", "scopes", "user", "groups", "status", "last used")
    table = Table(Column("id", no_wrap=True), *names)
    for key in keys:
        table.add_row(*_cells(key))
    Console(markup=False).print(table)


def _cells(key: KeyRecord) -> tuple[str, ...]:
    used = "never"
    if key.last_used_at is not None:
        used = datetime.fromtimestamp(key.last_used_at, UTC).strftime("%Y-%m-%d %H:%M")
    lists = (", ".join(sorted(key.scopes)), key.user or "", ", ".join(sorted(key.groups)))
    return key.id, key.tenant, key.name, *lists, key.status_at(time.time()), used


def _rotate(catalog: Catalog, chosen: argparse.Namespace, console: Console) -> KeyRecord:
    return _shown(catalog.rotate_key(None, chosen.key_id, overlap_s=chosen.overlap), console)


def _revoke(catalog: Catalog, chosen: argparse.Namespace, console: Console) -> KeyRecord:
    key = catalog.revoke_key(None, chosen.key_id)
    console.print(f"revoked {chosen.key_id}", highlight=False)
    return key


def _shown(new: NewKey, console: Console) -> KeyRecord:
    console.print(f"key {new.record.id} of tenant {new.record.tenant}; it is shown once:",
                  markup=False, highlight=False)  # fmt: skip
    print(new.token)
    return new.record


_COMMANDS: Mapping[str, Callable[[Catalog, argparse.Namespace, Console], KeyRecord | None]] = {
    "create": _create, "list": _list, "rotate": _rotate, "revoke": _revoke,
}  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
