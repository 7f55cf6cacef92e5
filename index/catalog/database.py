"""Transactions and the change log's numbering: what every part of the catalog stands on."""

import copy
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Literal, Self

from sqlalchemy import Connection, Engine, insert, select, update
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from index.access import OPERATOR, Viewer
from index.catalog import schema
from index.catalog.engine import for_reading, for_writing, open_engine
from index.catalog.revision import REVISION, stored_revision
from index.errors import ClosedCatalogError, CorpusUnavailableError

# InternalError: PostgreSQL ended a transaction that was idle too long, or has become a standby.
_UNAVAILABLE = (OperationalError, InterfaceError, InternalError, PoolTimeoutError)
_MAX_REASON_CHARS = 200
_CLOSE_S = 10.0  # a transaction that takes longer waits for a database that is gone
_HEAD = select(schema.head.c.number)


@dataclass
class _Use:
    """The transactions that run; of a database and all views of it together."""

    ended: threading.Condition = field(default_factory=threading.Condition)
    num_running: int = 0
    is_closed: bool = False


class Database:
    """One SQL database behind three kinds of transaction.

    Any number of threads and processes may use the same database. Those that change what belongs
    together run one at a time, holding the `head` row until they commit: so each sees all that was
    committed before it, none deadlocks with another, and the numbers of the log have one order and
    no gaps.

    It is seen as whoever runs the server sees it, until `seen_by` says by whom else.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self._engine = open_engine(url)
        self._reader = for_reading(self._engine)
        self._writer = for_writing(self._engine)
        self._clock = clock
        self._use = _Use()
        self._viewer = OPERATOR
        with ExitStack() as on_failure:
            on_failure.callback(self.close)
            with _translated():
                ensure_schema(self._engine)
            on_failure.pop_all()

    def seen_by(self, viewer: Viewer) -> Self:
        """The same database as this viewer sees it; it costs nothing, and is closed with it."""
        view = copy.copy(self)
        view._viewer = viewer
        return view

    def close(self) -> None:
        """Closes all connections, after the transactions that run; none can begin any more."""
        with self._use.ended:
            self._use.is_closed = True
            self._use.ended.wait_for(lambda: not self._use.num_running, timeout=_CLOSE_S)
        self._engine.dispose()

    def head(self) -> int:
        """The number of the last change; 0 before the first."""
        with self._read() as connection:
            return read_head(connection)

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        """A transaction that only reads; all its queries see one state."""
        with self._transaction(self._reader) as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        """A transaction that may write; durable when the block has ended without an exception."""
        with self._transaction(self._writer) as connection:
            hold_head(connection)
            yield connection

    @contextmanager
    def _write_beside(self) -> Iterator[Connection]:
        """A transaction that writes one row and may run beside any other.

        It must log no change and, once it has locked its row, wait for no other.
        """
        with self._transaction(self._writer) as connection:
            yield connection

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Connection]:
        with self._use.ended:
            if self._use.is_closed:
                raise ClosedCatalogError("the catalog is closed")
            self._use.num_running += 1
        try:
            with _translated(), engine.begin() as connection:
                yield connection
        finally:
            with self._use.ended:
                self._use.num_running -= 1
                self._use.ended.notify_all()

    def _now(self) -> int:
        return int(self._clock())


def hold_head(connection: Connection) -> None:
    """Lets no other transaction write from here on that changes what belongs together.

    SQLite has let in no other writer by now and has no row locks; to PostgreSQL this is the wait
    for the writer before.
    """
    connection.execute(select(schema.head.c.id).with_for_update()).one()


def read_head(connection: Connection) -> int:
    """The number of the last change, as this transaction sees it."""
    return int(connection.execute(_HEAD).scalar_one())


def log_changes(
    connection: Connection,
    kind: Literal["upsert", "delete", "switch"],
    store_files: Sequence[tuple[str, str]],
) -> int:
    """Appends one change for each (store id, file id); the last act of a writing transaction.

    A switch of a store's embedder is of no file: its file id is empty.

    Returns:
        The head after it.
    """
    number = _advance(connection, "number", len(store_files))
    if store_files:
        rows = [
            {"number": number + i, "kind": kind, "store_id": store_id, "file_id": file_id}
            for i, (store_id, file_id) in enumerate(store_files, start=1)
        ]
        connection.execute(insert(schema.changes), rows)
    return number + len(store_files)


def take_chunk_ids(connection: Connection, count: int) -> range:
    """Reserves `count` chunk ids that were never used and will never be again."""
    first = _advance(connection, "next_chunk_id", count)
    return range(first, first + count)


def _advance(connection: Connection, counter: str, step: int) -> int:
    """Adds `step` to a counter of the head row, holds that row, and returns the value before."""
    column = schema.head.c[counter]
    statement = update(schema.head).values({counter: column + step}).returning(column)
    return int(connection.execute(statement).scalar_one()) - step


@contextmanager
def _translated() -> Iterator[None]:
    """Tells a database that cannot be used at the moment from our own faults.

    Raises:
        CorpusUnavailableError: it is out of reach, or did not answer in time.
    """
    try:
        yield
    except _UNAVAILABLE as err:
        # The driver's words alone: SQLAlchemy's would repeat the statement with its parameters.
        reason = str(getattr(err, "orig", None) or err).strip()[:_MAX_REASON_CHARS]
        raise CorpusUnavailableError(f"the database of the corpus: {reason}") from err


def ensure_schema(engine: Engine) -> None:
    """Brings the database to this code's revision of the schema; does nothing when it has it.

    Any number of replicas may call it together: one migrates, the others wait for it.

    Raises:
        UnusableDatabaseError: a newer Ragfleet migrated the database, or its encoding is not UTF-8.
    """
    with for_reading(engine).begin() as connection:
        if stored_revision(connection) == REVISION:
            return
    from index.catalog.migrations.upgrade import upgrade  # and with it Alembic

    upgrade(engine)
