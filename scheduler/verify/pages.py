"""Rows a page at a time, however many there are."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

import sqlalchemy as sa
from sqlmodel import Session


class ReadDatabase(Protocol):
    """The database, to be read."""

    def read(self) -> AbstractContextManager[Session]:
        """Open a view of it."""
        ...


PAGE: Final = 2_000
"""Rows in memory at a time: with texts, less than 2 MiB."""

AT_ONCE: Final = 500
"""Values in one `IN`."""


def by_id(
    session: Session, query: "sa.Select[Any]", id_: "sa.Column[int]", *, size: int = PAGE
) -> Iterator[Sequence[Any]]:
    """Yield the rows of a query in the order of an id, which is its first column."""
    ordered, after = query.order_by(id_).limit(size), -1
    while rows := session.execute(ordered.where(id_ > after)).all():
        yield rows
        if len(rows) < size:
            return
        after = rows[-1][0]


def by_time(session: Session, query: "sa.Select[Any]", at: "sa.Column[Any]", id_: "sa.Column[int]") -> Iterator[Any]:
    """Yield the rows of a query in the order of a moment, and of an id among equal ones; both are in it."""
    ordered = query.order_by(at, id_).limit(PAGE)
    rows = session.execute(ordered).all()
    while rows:
        yield from rows
        if len(rows) < PAGE:
            return
        moment, last = rows[-1]._mapping[at], rows[-1]._mapping[id_]
        later = sa.or_(at > moment, sa.and_(at == moment, id_ > last))
        rows = session.execute(ordered.where(at >= moment, later)).all()


def parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Split values into parts for an `IN`."""
    return (values[start : start + AT_ONCE] for start in range(0, len(values), AT_ONCE))


def of_values(
    session: Session, values: Sequence[Any], query: "Callable[[Sequence[Any]], sa.Select[Any]]"
) -> Iterator[Any]:
    """Yield the rows of a query about each part of the values."""
    for part in parts(values):
        yield from session.execute(query(part))
