"""Hashes in place of numbers, many rows in one statement."""

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.bulk import in_parts
from worker.store.statements import rows_given

_GIVEN: Final = rows_given({"id": sa.BigInteger(), "name": sa.Text()})
_NAMED: Final = rows_given({"number": sa.Text(), "name": sa.Text()})


def rows_of(
    session: Session, values: Collection[str], column: sa.Column[Any], *columns: sa.ColumnElement[Any]
) -> list[sa.Row[Any]]:
    """Return these columns of all rows with one of the values."""
    found: list[sa.Row[Any]] = []
    for part in in_parts(sorted(values)):
        found += session.execute(sa.select(*columns).where(column.in_(part))).all()
    return found


def rename(
    session: Session, table: sa.Table, names: Iterable[tuple[int, str]], column: str = "number", **values: Any
) -> None:
    """Give these rows (by id) names in place of their numbers, and all of them the same `values`."""
    rows = json.dumps(list(names))
    if rows != "[]":
        given = _GIVEN[session.get_bind().dialect.name]
        statement = sa.update(table).where(table.c.id == given["id"]).values({column: given["name"], **values})
        session.connection().execute(statement, {"b_rows": rows})


def rename_all(session: Session, table: sa.Table, names: Mapping[str, str]) -> None:
    """Give all rows with these numbers their names instead, in a table whose rows have no id."""
    if names:
        given = _NAMED[session.get_bind().dialect.name]
        statement = sa.update(table).where(table.c.number == given["number"]).values(number=given["name"])
        session.connection().execute(statement, {"b_rows": json.dumps(list(names.items()))})


def delete(session: Session, table: sa.Table, ids: Collection[int]) -> None:
    """Delete these rows."""
    for part in in_parts(sorted(ids)):
        session.execute(sa.delete(table).where(table.c.id.in_(part)))
