"""Move a vector store to another embedder while it is searched and written to.

Four steps: the vectors of the new embedder are filled in beside those that are searched; recent
queries are searched for in both, and a table tells how alike the two are; the store is switched at
once; the old vectors are kept, so that --rollback goes back in a second.

The move may be stopped at any time, by Ctrl-C or a kill: run again, it goes on. Documents that
arrive meanwhile are in both. The embedder must be in the running system before the switch: name it
under `also` in the Embedder's block, and `serve deploy`. Its settings are those of the block, or
else --revision and --engine.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from ray.exceptions import RayError
from rich.console import Console

from deployments.shared_database import refuse_unshared_database
from graphs.commands.command import (
    ENDED_EARLY,
    INTERRUPTED,
    WRONG_ARGUMENTS,
    command_parser,
    nonblank,
    refuse,
)
from graphs.commands.compared import print_comparison
from graphs.commands.move import (
    Move,
    NotMovedError,
    Target,
    drop_old,
    find_filled_store,
    former_embedder,
)
from graphs.commands.running import Running, find_running, why_not_served
from graphs.commands.served import Served, read_served
from graphs.commands.session import SessionError, ray_session
from graphs.config import ray_address
from graphs.errors import ConfigError
from index.catalog.catalog import Catalog
from index.errors import CorpusError
from index.records import StoreRecord
from models.embedder import EmbedderConfig
from models.errors import ModelError

NOT_MOVED = 3
_EPILOG = """\
environment:
  RAGFLEET_DATABASE_URL  the corpus; else the config's, else .ragfleet/corpus.db
  RAY_ADDRESS            host:port of the cluster of the running system, of which this machine is a
                         node: it is asked for recent queries and for its embedders, and embeds.
                         RAY_AUTH_MODE and RAY_AUTH_TOKEN_PATH must be those of the cluster.
                         `make serve` writes its address into .ragfleet/ray_address. Without it
                         all is done here, and --offline says that no system runs

exit status:
  0  done     1  ended early, run it again     2  wrong arguments
  3  the store keeps its embedder, the message says why     130  interrupted, run it again
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; gives its exit status."""
    options = _parser().parse_args(arguments)
    console = Console()
    try:
        served = read_served(options.config)
        queries = _read_queries(options.queries)
        with _session(served):
            _run(options, served, queries, console)
    except NotMovedError as err:
        return refuse(console, err, NOT_MOVED)
    except (ConfigError, ModelError) as err:
        return refuse(console, err, WRONG_ARGUMENTS)
    except (SessionError, CorpusError, RayError) as err:
        return refuse(console, err, ENDED_EARLY)
    except KeyboardInterrupt:
        console.print("interrupted; what is filled in stays, run it again to go on")
        return INTERRUPTED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("python -m graphs.commands.reembed", __doc__, _EPILOG)
    parser.add_argument(
        "--store", required=True, type=nonblank, help="name or id of the vector store"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", type=nonblank, metavar="ID", help="the embedder that it moves to")
    what.add_argument("--rollback", action="store_true", help="go back to the former embedder")
    what.add_argument(
        "--drop-old", action="store_true", help="delete the vectors of all but the present embedder"
    )
    parser.add_argument("--revision", metavar="COMMIT", help="of a model of the hub")
    parser.add_argument("--engine", choices=("torch", "onnx"), help="default: the block's")
    parser.add_argument(
        "--queries", type=Path, metavar="FILE",
        help="compare on these, one a line, in place of recent ones",
    )  # fmt: skip
    parser.add_argument("--yes", action="store_true", help="switch without asking")
    parser.add_argument(
        "--offline", action="store_true", help="no system runs that would have to serve the model"
    )
    return parser


def _read_queries(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as err:
        raise ConfigError(f"--queries {path}: {err}") from err
    queries = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if not queries:
        raise ConfigError(f"--queries {path}: no query in it")
    return queries


def _session(served: Served) -> AbstractContextManager[None]:
    address = ray_address()
    if address is None:
        return nullcontext()
    return ray_session(address, num_cpus=None, runtime_env=served.runtime_env)


def _run(
    options: argparse.Namespace, served: Served, queries: Sequence[str], console: Console
) -> None:
    refuse_unshared_database(served.database_url)
    catalog = Catalog(served.database_url)
    try:
        store = find_filled_store(catalog, options.store)
        if options.drop_old:
            console.print(f"{drop_old(catalog, store):,} old vectors deleted", highlight=False)
            return
        running = find_running(served.application) if ray_address() else None
        target = _target(options, served, catalog, store)
        move = Move(catalog, store, target, served, on_ray=ray_address() is not None)
        move.fill(console)
        if not options.rollback:
            recent = running.recent_queries(store.id) if running and not queries else queries
            _confirm(options, _compare(move, served, recent, console), console)
        _refuse_unserved(options, served, target)
        move.switch()
        console.print(
            f"{store.name!r} moved from {store.fingerprint!r} to {target.fingerprint!r}; "
            "--rollback goes back, --drop-old deletes the vectors that it needs",
            markup=False, highlight=False, soft_wrap=True,
        )  # fmt: skip
    finally:
        catalog.close()


def _target(
    options: argparse.Namespace, served: Served, catalog: Catalog, store: StoreRecord
) -> Target:
    """The embedder that the store is to have.

    Raises:
        NotMovedError: it has it already, or there is none to go back to.
    """
    if options.rollback:
        fingerprint = former_embedder(catalog, store)
        return Target(served.embedder_of(fingerprint), fingerprint)
    target = Target(_config(options, served))
    if target.fingerprint == store.fingerprint:
        raise NotMovedError(f"{store.name!r} is embedded by {store.fingerprint!r} already")
    return target


def _config(options: argparse.Namespace, served: Served) -> EmbedderConfig:
    """The settings of the model: the block's if it is there, else the options'."""
    for config in served.embedders:
        if config.model == options.model and options.revision in (None, config.revision):
            return config
    engine = options.engine or served.embedder.engine
    return EmbedderConfig(model=options.model, revision=options.revision, engine=engine)


def _compare(move: Move, served: Served, queries: Sequence[str], console: Console) -> bool:
    """Shows how alike the two embedders search; gives whether anything was compared."""
    present = served.embedder_of(move.store.fingerprint or "")
    if not queries or present is None:
        why = "there are no queries; --queries FILE gives some"
        if queries:
            why = f"the Embedder's block has no model of {move.store.fingerprint!r}"
        console.print(f"nothing was compared: {why}", markup=False, highlight=False, soft_wrap=True)
        return False
    print_comparison(move.compare(queries, present), queries, move.passages, console)
    return True


def _confirm(options: argparse.Namespace, is_compared: bool, console: Console) -> None:
    """Asks whether to go on.

    Raises:
        NotMovedError: the answer is no, or there is nobody to ask.
    """
    if options.yes:
        return
    if not is_compared or not sys.stdin.isatty():
        raise NotMovedError("all vectors are filled in; run it again with --yes to switch")
    if console.input("switch? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise NotMovedError("not switched; all vectors are filled in, run it again to switch")


def _refuse_unserved(options: argparse.Namespace, served: Served, target: Target) -> None:
    """Refuses to let a running system search vectors of a model that it has not.

    Raises:
        NotMovedError: it has not, or cannot be asked.
    """
    running = find_running(served.application) if ray_address() else None
    why = _why_not(running, target)
    if why is not None and not options.offline:
        raise NotMovedError(why)


def _why_not(running: Running | None, target: Target) -> str | None:
    if running is not None:
        return why_not_served(running, target.fingerprint, target.config)
    where = "the cluster has no such application" if ray_address() else "RAY_ADDRESS is not set"
    return f"no running system can be asked for the model ({where}); if none runs, add --offline"


if __name__ == "__main__":
    sys.exit(main())
