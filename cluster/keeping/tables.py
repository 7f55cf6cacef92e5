"""Rows of a catalog from one database to another, of either kind, and whether they are the same."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import JSON, Connection, Engine, MetaData, Table, func, select, text

from index.catalog.engine import is_sqlite
from index.catalog.revision import VERSION_TABLE

_ROWS = 200  # at a time: a row may be a whole document
_MODULUS = 2**256


@dataclass(frozen=True)
class Digest:
    """What is in a table.

    Attributes:
        num_rows: how many.
        sum: of the hashes of the rows, in hexadecimal; their order does not count.
    """

    num_rows: int
    sum: str


def tables_of(bind: Engine | Connection) -> list[Table]:
    """Every table but the one of revisions, those that others refer to first.

    They are read from the database and not from schema.py: a backup leaves out no table that
    somebody forgot to name.
    """
    found = MetaData()
    found.reflect(bind)
    for table in found.tables.values():
        for column in table.columns:
            if isinstance(column.type, JSON):  # no value is SQL's NULL, not the JSON `null`
                column.type = JSON(none_as_null=True)
    return [table for table in found.sorted_tables if table.name != VERSION_TABLE]


def digests(connection: Connection) -> dict[str, Digest]:
    """The digest of every table."""
    return {table.name: _digest(connection, table) for table in tables_of(connection)}


def copy_rows(source: Connection, target: Connection) -> None:
    """Copies all tables; what stands in those of the target goes first.

    Args:
        source: in a transaction that sees one state.
        target: with the same tables, in a transaction.

    Raises:
        KeyError: a table or a column of the source is missing in the target.
    """
    into = {table.name: table for table in tables_of(target)}
    tables = tables_of(source)
    for table in reversed(tables):
        target.execute(into[table.name].delete())
    for table in tables:
        columns = [into[table.name].c[column.name] for column in table.columns]
        names = [column.name for column in columns]
        for rows in _batches(source, table):
            target.execute(
                into[table.name].insert(), [dict(zip(names, row, strict=True)) for row in rows]
            )
    if not is_sqlite(target):
        _advance_sequences(target, list(into.values()))


def _advance_sequences(connection: Connection, tables: list[Table]) -> None:
    """Numbers that the database gives go on after those that were copied."""
    for table in tables:
        for column in table.primary_key.columns:
            name = connection.scalar(
                text("SELECT pg_get_serial_sequence(:table, :column)"),
                {"table": f'"{table.name}"', "column": column.name},
            )
            if name is not None:
                last = connection.scalar(select(func.max(column)))
                connection.execute(
                    text("SELECT setval(:name, :value, :called)"),
                    {"name": name, "value": last or 1, "called": last is not None},
                )


def _digest(connection: Connection, table: Table) -> Digest:
    num_rows = total = 0
    for rows in _batches(connection, table):
        for row in rows:
            named = zip(table.columns.keys(), row, strict=True)
            plain = json.dumps([[key, _plain(value)] for key, value in sorted(named)])
            total += int.from_bytes(hashlib.sha256(plain.encode()).digest(), "big")
            num_rows += 1
    return Digest(num_rows, f"{total % _MODULUS:064x}")


def _plain(value: Any) -> Any:
    """A value as both databases give it."""
    if isinstance(value, bytes | memoryview):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, dict | list):
        return json.dumps(value, sort_keys=True)
    return value if isinstance(value, str | int | float | None) else str(value)


def _batches(connection: Connection, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    streamed = connection.execution_options(yield_per=_ROWS)
    rows = iter(streamed.execute(select(table)))
    while batch := [tuple(row) for row in islice(rows, _ROWS)]:
        yield batch
