# ruff: noqa: S608 - every statement here is made of this module's constants and of numbers
"""Tables that PostgreSQL keeps by months: what is older than anybody needs goes as a whole, and leaves no dead rows.

A table `call_out` has a partition for each month (`call_out_2027_01`), one for all that was before the first of them
(`call_out_until_2027_01`), and one that takes what no month is made for, so that no insert ever fails
(`call_out_default`). Their names say what they hold. SQLite has one table.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

TABLES: Final = ("call_out",)
"""By the column `at`. No unique key but the one on `id`, no reference to or from them, and forgotten by a setting that
keeps the months few: with 120 of them, a look by any other column took 16 ms instead of 0.1."""

AHEAD: Final = 2
"""How many months after the present one have a partition: the service may be off for a while."""

LOCK_SECONDS: Final = 1
"""How long a change of partitions may wait for those who use the table, while others wait behind it."""

_NAME: Final = re.compile(rf"({'|'.join(TABLES)})_(default|(until_)?([0-9]{{4}})_([0-9]{{2}}))")

_CHILDREN: Final = sa.text(
    "SELECT child.relname FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid"
    " WHERE inhparent = to_regclass(:name) ORDER BY child.relname"
)
_INDEXES: Final = sa.text(
    "SELECT relname, pg_get_indexdef(indexrelid) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
    " WHERE indrelid = to_regclass(:name) AND NOT indisprimary"
)


def is_partition(name: str) -> bool:
    """Return whether a table of this name is a part of another one."""
    return _NAME.fullmatch(name) is not None


def month_of(moment: datetime) -> datetime:
    """Return the beginning of a moment's month, in UTC."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def install(connection: sa.Connection, now: datetime) -> None:
    """Keep the tables by months from now on; harmless on SQLite. The rows that there are stay where they are.

    Their table becomes the partition of all that was before the next month.
    """
    if connection.dialect.name != "postgresql":
        return
    for table in TABLES:
        last = connection.scalar(sa.text(f"SELECT max(at) FROM {table}"))
        _partition(connection, table, _after(month_of(max(now, last or now))))


def make_ahead(session: Session, table: str, now: datetime) -> int:
    """Make the partitions of this month and the next ones, where they are missing; return how many were made.

    Raises `sqlalchemy.exc.OperationalError` if others use the table for too long.
    """
    there = _children(session.connection(), table)
    begins = max((ends for name, ends in there.items() if "_until_" in name), default=month_of(now))
    month, made = max(month_of(now), begins), 0
    while month <= _plus(month_of(now), AHEAD):
        if _part(table, month) not in there:
            _hurry(session)
            _make(session.connection(), table, month)
            made += 1
        month = _after(month)
    return made


def older_than(session: Session, table: str, before: datetime) -> list[str]:
    """Return the partitions all of whose rows are from before then."""
    return [name for name, ends in _children(session.connection(), table).items() if ends <= before]


def drop(session: Session, partition: str) -> None:
    """Drop a partition. Raises `sqlalchemy.exc.OperationalError` if others use its table for too long."""
    _hurry(session)
    session.execute(sa.text(f"DROP TABLE IF EXISTS {partition}"))


def _children(connection: sa.Connection, table: str) -> dict[str, datetime]:
    """Return the partitions that hold certain months, and the moment before which all of their rows are."""
    names = connection.scalars(_CHILDREN, {"name": table})
    found = filter(None, map(_NAME.fullmatch, names))
    months = {each[0]: (each[3], datetime(int(each[4]), int(each[5]), 1, tzinfo=UTC)) for each in found if each[4]}
    return {name: month if is_until else _after(month) for name, (is_until, month) in months.items()}


def _partition(connection: sa.Connection, table: str, until: datetime) -> None:
    old = f"{table}_until_{until:%Y_%m}"
    indexes = connection.execute(_INDEXES, {"name": table}).all()
    for statement in (
        f"ALTER TABLE {table} RENAME TO {old}",
        *(f"ALTER INDEX {name} RENAME TO {name.replace(table, old)}" for name, _ in indexes),
        # The key of a partitioned table has to have the column by which it is partitioned.
        f"ALTER TABLE {old} DROP CONSTRAINT pk_{table}, ADD CONSTRAINT pk_{old} PRIMARY KEY (id, at)",
        f"CREATE TABLE {table} (LIKE {old} INCLUDING DEFAULTS) PARTITION BY RANGE (at)",
        f"ALTER TABLE {table} ADD CONSTRAINT pk_{table} PRIMARY KEY (id, at)",
        *(definition for _, definition in indexes),
        f"ALTER SEQUENCE {table}_id_seq OWNED BY {table}.id",
        f"ALTER TABLE {table} ATTACH PARTITION {old} FOR VALUES FROM (MINVALUE) TO ('{until.isoformat()}')",
        f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT",
    ):
        connection.exec_driver_sql(statement)
    for month in _months(until, AHEAD):
        _make(connection, table, month)


def _make(connection: sa.Connection, table: str, month: datetime) -> None:
    """Make a month's partition, with the rows that came before it was made. `PARTITION OF` would lock the table."""
    part, begins, ends = _part(table, month), month.isoformat(), _after(month).isoformat()
    early = f"DELETE FROM {table}_default WHERE at >= '{begins}' AND at < '{ends}' RETURNING *"
    for statement in (
        f"LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE",
        f"CREATE TABLE {part} (LIKE {table} INCLUDING DEFAULTS)",
        f"WITH early AS ({early}) INSERT INTO {part} SELECT * FROM early",
        f"ALTER TABLE {table} ATTACH PARTITION {part} FOR VALUES FROM ('{begins}') TO ('{ends}')",
    ):
        connection.exec_driver_sql(statement)


def _hurry(session: Session) -> None:
    session.execute(sa.text(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'"))


def _part(table: str, month: datetime) -> str:
    return f"{table}_{month:%Y_%m}"


def _after(month: datetime) -> datetime:
    return month_of(month + timedelta(days=31))


def _plus(month: datetime, months: int) -> datetime:
    return list(_months(month, months + 1))[-1]


def _months(first: datetime, how_many: int) -> Iterator[datetime]:
    for _ in range(how_many):
        yield first
        first = _after(first)
