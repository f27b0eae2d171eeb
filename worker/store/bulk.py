"""Inserting very many rows: many in each statement on SQLite (200 k rows/s measured), COPY on PostgreSQL (100 k)."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

T = TypeVar("T")

PARAMETERS: Final = 1_000
"""How many values go into the IN of one statement: far below the 32,766 parameters that SQLite allows."""


def in_parts(values: Sequence[T], size: int = PARAMETERS) -> Iterator[Sequence[T]]:
    """Split the values into parts of `size`."""
    return (values[start : start + size] for start in range(0, len(values), size))


def insert_missing(session: Session, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT that silently skips what a unique index already has; its RETURNING has only the new rows."""
    is_postgresql = session.connection().dialect.name == "postgresql"
    return (postgresql.insert(table) if is_postgresql else sqlite.insert(table)).on_conflict_do_nothing()


def new_ids(session: Session, table: str, amount: int) -> Sequence[int]:
    """Return the ids of rows that this transaction is about to insert, in order, so that others can refer to them.

    SQLite has one writer, and gives the next row the id after the largest; PostgreSQL gives each id once.
    """
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        query = f"SELECT coalesce(max(id), 0) + 1 FROM {table}"  # noqa: S608 - a constant of this package
        first = connection.exec_driver_sql(query).scalar_one()
        return range(first, first + amount)
    query = "SELECT nextval(pg_get_serial_sequence(:table, 'id')) FROM generate_series(1, :amount)"
    return connection.scalars(sa.text(query), {"table": table, "amount": amount}).all()


def insert_rows(session: Session, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Insert plain values; a row has one for each column. The models' defaults do not apply.

    Raises `sqlalchemy.exc.IntegrityError` for a row that already exists; no error names a row's values.
    """
    connection = session.connection()
    names = ", ".join(columns)
    if connection.dialect.name == "sqlite":
        _insert_into_sqlite(connection, f"{table} ({names})", len(columns), iter(rows))
        return
    import psycopg  # 9 MiB that no process on SQLite needs

    driver = connection.connection.driver_connection
    if driver is None:
        raise RuntimeError("the database connection was closed during an insert; try again")
    try:
        with driver.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        # Its details quote the row, and with it a phone number or a text, which no log may hold.
        kind = sa.exc.IntegrityError if isinstance(error, psycopg.IntegrityError) else sa.exc.DBAPIError
        raise kind(f"COPY {table}", None, ValueError(error.diag.message_primary or type(error).__name__)) from None


def _insert_into_sqlite(connection: sa.Connection, into: str, width: int, rows: Iterator[Sequence[Any]]) -> None:
    """Insert as many rows with each statement as `PARAMETERS` allows.

    SQLite keeps what a statement with triggers changes in a journal, in case it fails: one for each row took as long as
    all else together.
    """
    marks, size = f"({', '.join('?' * width)})", max(1, PARAMETERS // width)
    while part := list(islice(rows, size)):
        values = ", ".join([marks] * len(part))
        statement = f"INSERT INTO {into} VALUES {values}"  # noqa: S608 - constants of this package, never input
        connection.exec_driver_sql(statement, tuple(chain.from_iterable(part)))
