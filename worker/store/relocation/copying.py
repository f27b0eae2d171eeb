"""Copies every row from one database into another, checked before the copy counts."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session, SQLModel

from worker.store.bulk import insert_rows
from worker.store.engine import Store
from worker.store.errors import StoreError
from worker.store.models import Installation, Lease, PhoneCount, RunCount, ServiceProcess
from worker.store.tables import recipients

CHUNK: Final = 5_000
"""Rows in memory at a time."""

Books = Mapping[tuple[int, str], tuple[int, int, int]]
"""By run and state: recipients, their segments, and how many of them have an ID of the gateway."""


def _tables() -> list[sa.Table]:
    """Return what to copy, tables that others refer to first.

    Who works on a database is true of that database alone, and so is its name until it replaces another one. What is
    counted of the rows, the target counts as they arrive.
    """
    own = {model.__tablename__ for model in (Lease, ServiceProcess, Installation, RunCount, PhoneCount)}
    return [table for table in SQLModel.metadata.sorted_tables if table.name not in own]


def is_same(one: Store, other: Store) -> bool:
    """Return whether two addresses lead to the same database, however they are written. Both must exist or be files."""
    if one.sqlite_path is not None and other.sqlite_path is not None:
        return one.sqlite_path.exists() and one.sqlite_path.samefile(other.sqlite_path)
    return not one.is_sqlite and not other.is_sqlite and _identity(one) == _identity(other)


def _identity(store: Store) -> tuple[object, ...]:
    with store.read() as session:
        query = "SELECT oid, pg_postmaster_start_time() FROM pg_database WHERE datname = current_database()"
        return tuple(session.execute(sa.text(query)).one())


def is_empty(session: Session) -> bool:
    """Return whether nothing was ever stored in the database."""
    return not any(session.execute(sa.select(sa.exists().select_from(table))).scalar() for table in _tables())


def clear(session: Session) -> None:
    """Delete everything except the schema and who leads the database."""
    for table in reversed(_tables()):
        session.execute(table.delete())


def hold_still(session: Session) -> None:
    """Let every later read of this session see the database as the first one does: on PostgreSQL, by asking for it."""
    if session.get_bind().dialect.name == "postgresql":
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


def copy_all(source: Session, target: Session, shown: Callable[[str, int], None]) -> Counter[str]:
    """Copy every table, with its ids, into an empty database; return the rows of each. `shown`: a table, rows so far.

    `source` must hold still. Raises `StoreError` if the target then does not have what the source has.
    """
    copied: Counter[str] = Counter()
    for table in _tables():
        for rows in _chunks(source, table):
            copied[table.name] += _insert(target, table, rows)
            shown(table.name, copied[table.name])
        _settle_in(target, table)
    _compare(source, target, copied)
    return copied


def _chunks(session: Session, table: sa.Table) -> Iterator[list[sa.Row[Any]]]:
    query = sa.select(table).order_by(*table.primary_key.columns)
    result = session.connection().execute(query, execution_options={"yield_per": CHUNK})
    for rows in result.partitions():
        yield list(rows)


def _insert(session: Session, table: sa.Table, rows: list[sa.Row[Any]]) -> int:
    """Insert as the driver does: PostgreSQL took 100,000 rows a second by COPY, 47,000 by SQLAlchemy's own insert."""
    dialect = session.get_bind().dialect
    quote = dialect.identifier_preparer.quote
    columns = [column.type.dialect_impl(dialect).bind_processor(dialect) or _as_it_is for column in table.columns]
    plain = ([to_driver(value) for to_driver, value in zip(columns, row, strict=True)] for row in rows)
    insert_rows(session, quote(table.name), [quote(column.name) for column in table.columns], plain)
    return len(rows)


def _as_it_is(value: Any) -> Any:
    return value


def _settle_in(session: Session, table: sa.Table) -> None:
    """Adjust ids and statistics: PostgreSQL counts ids on its own, and plans by what it knows of a table."""
    if session.get_bind().dialect.name != "postgresql":
        return
    name = session.get_bind().dialect.identifier_preparer.quote(table.name)
    session.execute(sa.text(f"ANALYZE {name}"))
    column = table.autoincrement_column
    if column is not None:
        after = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
        session.execute(sa.select(sa.func.setval(sa.func.pg_get_serial_sequence(name, column.name), after, sa.false())))


def _compare(source: Session, target: Session, copied: Counter[str]) -> None:
    for table in _tables():
        there = _count(target, table)
        if there != copied[table.name]:
            raise StoreError(
                f"the copy is incomplete: {table.name} has {there:,} rows there and {copied[table.name]:,} here; "
                "nothing was kept of it, run the command again"
            )
    if _books(source) != _books(target):
        raise StoreError(
            "the totals of the copy differ (recipients by campaign and state); "
            "nothing was kept of it, run the command again and report it if it happens twice"
        )


def _count(session: Session, table: sa.Table) -> int:
    """Return the number of rows of a table."""
    return int(session.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _books(session: Session) -> Books:
    """Return the figures that must match in both databases."""
    key = (recipients.c.run_id, recipients.c.state)
    figures = (sa.func.count(), sa.func.sum(recipients.c.segments), sa.func.count(recipients.c.gateway_id))
    rows = session.execute(sa.select(*key, *figures).group_by(*key))
    return {(run, state.value): (count, int(segments), known) for run, state, count, segments, known in rows}
