"""Load many documents into a vector store, on all nodes of a Ray cluster.

SOURCE is a folder (all files below it, but hidden ones), a file, a pattern such as 'docs/**/*.md'
(in quotes, so that the shell leaves it alone), or a JSON Lines file, in which every line is a
document:

  {"id": "faq-7", "text": "Returns are free for 30 days.", "attributes": {"year": 2024}}

"id" (or "filename", whose extension says how the text is read; plain text without one) names the
document, "attributes" are for filters and may be missing. Documents are read, cut and embedded as
the server would, by the Embedder's and Ingester's blocks of its Serve config, and written into its
corpus, where they are found at once.

The load may be stopped at any time, by Ctrl-C, kill or a lost machine: run again, it goes on.
What the store holds with the same name and content is left as it is, a changed document takes the
place of its old version, and of that only the changed passages are embedded. Nothing is deleted
because its file is gone.

Without --users and --groups the whole tenant sees a new store. Files get the access list that their
store has when they are loaded.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from ray.exceptions import RayError, RayTaskError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from deployments.bulk_load import Destination
from deployments.shared_database import refuse_unshared_database
from graphs.commands.bulk_pipeline import free_room, plan_processes, run_pipeline
from graphs.commands.command import (
    ENDED_EARLY,
    INTERRUPTED,
    WRONG_ARGUMENTS,
    command_parser,
    nonblank,
    refuse,
)
from graphs.commands.deeds import note_deed
from graphs.commands.report import Report, print_report
from graphs.commands.served import Served, read_served
from graphs.commands.session import SessionError, ray_session
from graphs.config import ray_address
from graphs.errors import ConfigError
from index.access import Viewer, access_text
from index.bulk.bulk_parcel import Tally
from index.bulk.bulk_sources import FoundSources, SourceError, find_sources
from index.catalog.catalog import Catalog
from index.catalog.keys.records import TENANT_PATTERN
from index.errors import CorpusError, ExpiredStoreError, UnknownStoreError
from models.errors import InvalidInputError

_EPILOG = """\
environment:
  RAGFLEET_DATABASE_URL  the corpus; else the config's, else .ragfleet/corpus.db
  RAY_ADDRESS            host:port of a running cluster, of which this machine is a node; without
                         it a cluster of its own is started here. With it, RAY_AUTH_MODE and
                         RAY_AUTH_TOKEN_PATH must be those of the cluster

exit status:
  0  every document is in the store    3  some failed, see the table    1  ended early, run it again
  2  wrong arguments                   130  interrupted, run it again
"""
FAILED = 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives its exit status."""
    options = _parser().parse_args(arguments)
    console = Console()
    try:
        served = read_served(options.config)
        found = find_sources(options.source)
        return _load(options, served, found, console)
    except (ConfigError, SourceError, InvalidInputError) as err:
        return refuse(console, err, WRONG_ARGUMENTS)
    except (SessionError, CorpusError) as err:
        return refuse(console, err, ENDED_EARLY)
    except KeyboardInterrupt:
        console.print("interrupted before anything was loaded")
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("python -m graphs.commands.ingest", __doc__, _EPILOG)
    parser.add_argument(
        "source", nargs="+", metavar="SOURCE", help="folder, file, pattern, or .jsonl file"
    )
    parser.add_argument(
        "--store",
        required=True,
        type=nonblank,
        help="name or id of the vector store; made if missing",
    )
    parser.add_argument(
        "--tenant", type=_tenant, default="default", help="whose store it is (default: default)"
    )
    for who in ("users", "groups"):
        parser.add_argument(
            f"--{who}", type=_names, default=(), metavar="LIST",
            help=f"{who} of the tenant who see a store that is made, and its files; commas between",
        )  # fmt: skip
    parser.add_argument(
        "--cpus", type=_count, metavar="N", help="CPUs of a cluster of its own (default: all)"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="write the closing tables as JSON, in full"
    )
    return parser


def _tenant(value: str) -> str:
    if not re.fullmatch(TENANT_PATTERN, value):
        raise argparse.ArgumentTypeError(f"must be as {TENANT_PATTERN}, got {value!r}")
    return value


def _names(value: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in value.split(",") if one.strip())


def _count(value: str) -> int:
    if not value.isascii() or not value.isdigit() or int(value) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, got {value!r}")
    return int(value)


def _load(
    options: argparse.Namespace, served: Served, found: FoundSources, console: Console
) -> int:
    start = time.perf_counter()
    address = ray_address()
    console.print(f"{len(found.sources):,} documents; starting", highlight=False)
    with ray_session(address, num_cpus=options.cpus, runtime_env=served.runtime_env):
        refuse_unshared_database(served.database_url)
        plan = plan_processes(served, free_room())
        to = _find_or_create(served.database_url, options)
        served = served.embedding_as(_embedder_of(to))
        tallies = run_pipeline(found.sources, served, to, plan)
        tally, status = _follow(tallies, len(found.sources), console)
    elapsed_s = time.perf_counter() - start
    report = Report(
        tally=tally, num_found=len(found.sources), left_out=found.left_out, elapsed_s=elapsed_s
    )
    print_report(report, console)
    if options.report:
        options.report.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    return status


def _find_or_create(database_url: str, options: argparse.Namespace) -> Destination:
    """Gives the store, and notes that it is loaded into.

    Raises:
        ExpiredStoreError: it has expired.
        ConfigError: it is there, and others see it than those who are named.
    """
    named = [f"user:{one}" for one in options.users] + [f"group:{one}" for one in options.groups]
    access = access_text(named) if named else None
    with closing(Catalog(database_url)) as whole:
        catalog = whole.seen_by(Viewer(tenant=options.tenant))
        try:
            store = catalog.find_store(options.store)
        except UnknownStoreError:
            store = catalog.create_store(name=options.store, access=access)
        if store.expired:
            raise ExpiredStoreError(f"vector store {options.store!r} has expired and takes nothing")
        if named and store.access != access:
            raise ConfigError(
                f"vector store {options.store!r} has another access list: change it first "
                "(docs/SECURITY.md), or leave --users and --groups out"
            )
        note_deed(whole, f"graphs.commands.ingest {store.id}", options.tenant)
    return Destination(database_url=database_url, store_id=store.id, tenant=options.tenant)


def _embedder_of(to: Destination) -> str | None:
    catalog = to.opened()
    try:
        return catalog.embedder_of(to.store_id)
    finally:
        catalog.close()


def _follow(tallies: Iterator[Tally], num_found: int, console: Console) -> tuple[Tally, int]:
    """Shows how the load goes on until it ends, however it does; gives the exit status too."""
    tally = Tally()
    progress = Progress(
        TextColumn("loading"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"),
        TimeElapsedColumn(), console=console,
    )  # fmt: skip
    with progress:
        task = progress.add_task("starting Ray Data and loading models", total=num_found)
        try:
            for one in tallies:
                tally += one
                words = f"{tally.num_chunks:,} chunks, {len(tally.failures):,} failed"
                progress.update(task, completed=tally.num_documents, description=words)
        except KeyboardInterrupt:
            console.print("interrupted; what is committed stays, run it again to go on")
            return tally, INTERRUPTED
        except RayError as err:
            console.print("ended early; what is committed stays, run it again to go on")
            return tally, refuse(console, _reason(err), ENDED_EARLY)
    return tally, FAILED if tally.failures else 0


def _reason(err: RayError) -> str:
    """What went wrong in a stage, without the advice that Ray Data adds in further lines."""
    if isinstance(err, RayTaskError) and err.cause is not None:
        return f"{type(err.cause).__name__}: {err.cause}".splitlines()[0]
    return str(err)


if __name__ == "__main__":
    sys.exit(main())
