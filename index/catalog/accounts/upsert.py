"""`INSERT ... ON CONFLICT`, which SQLite and PostgreSQL spell alike and SQLAlchemy does not."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def add_rows(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], added: Sequence[str]
) -> None:
    """Inserts rows; where one with the same primary key is there, adds these columns to it.

    Rows are written in the order of their keys, so that two transactions never wait for each other.

    Args:
        connection: a transaction that writes.
        table: has a primary key.
        rows: with all columns.
        added: the columns that are added up; none: a row that is there stays as it is.
    """
    keys = [column.name for column in table.primary_key.columns]
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    statement = insert(table)
    if added:
        sums = {name: table.c[name] + statement.excluded[name] for name in added}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=sums)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    for row in sorted(rows, key=lambda row: [row[key] for key in keys]):
        connection.execute(statement, dict(row))


def put_row(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Inserts a row, or changes the one with the same primary key."""
    keys = [column.name for column in table.primary_key.columns]
    insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    changed = {name: value for name, value in row.items() if name not in keys}
    statement = insert(table).values(**row)
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed))
