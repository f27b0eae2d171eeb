"""Whether the audit is what was written: every entry follows from the one before, up to the stored end.

Whoever can write to the database may have written anything. So what cannot even be read is a finding, not an error.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.audit import COLUMNS, HEAD_ID, PAGE, Audited, Head, digest_of
from worker.store.tables import audit_entries, audit_heads, runs, tokens, users

WITNESSES: Final = (
    users.c.created_at,
    users.c.password_at,
    users.c.disabled_at,
    tokens.c.created_at,
    tokens.c.ended_at,
    runs.c.approved_at,
)
"""When something was done that has its entry in the same transaction, with the same time."""


class ChainFault(StrEnum):
    """What is wrong with the chain."""

    CHANGED = "changed"  # an entry is not what was written, or does not follow the one before it
    MISSING = "missing"  # entries were removed
    INSERTED = "inserted"  # there is an entry that was never written
    HEAD = "head"  # the row that knows the end of the chain is gone, or is not what was written
    REWRITTEN = "rewritten"  # the chain holds together, but is not the one whose end was noted


@dataclass(frozen=True, slots=True)
class BrokenChain:
    """The first fault of the chain, and the id of the entry that it concerns."""

    fault: ChainFault
    id: int


@dataclass(frozen=True, slots=True)
class Anchor:
    """An end of the chain that was noted earlier: an entry's id, which is also their number, and its digest."""

    id: int
    digest: str


@dataclass(frozen=True, slots=True)
class Examined:
    """The first fault or None, the end of the chain as it is stored or else as far as it is sound, the latest time."""

    broken: BrokenChain | None
    end: Head
    latest: datetime | None = None


def verify(session: Session, *, page: int = PAGE) -> BrokenChain | None:
    """Return the first fault of the chain, read from its beginning; None: it is whole. First thing in its session."""
    return examine(session, page=page).broken


def examine(session: Session, anchor: Anchor | None = None, *, page: int = PAGE) -> Examined:
    """Read the chain from its beginning to its first fault. First thing in its session."""
    if session.get_bind().dialect.name == "postgresql":  # or an entry that comes meanwhile would look inserted
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    heads = _heads(session)
    head = heads[0] if heads is not None and len(heads) == 1 else None
    last, latest = Head(), None

    def found(fault: ChainFault, id_: int) -> Examined:
        return Examined(BrokenChain(fault, id_), head or last, latest)

    for id_, row in _entries(session, page):
        if id_ > last.last_id + 1:
            return found(ChainFault.MISSING, last.last_id + 1)
        if id_ <= last.last_id or (head is not None and id_ > head.last_id):
            return found(ChainFault.INSERTED, id_)
        if row is None or not _follows(row, last):
            return found(ChainFault.CHANGED, id_)
        if anchor is not None and id_ == anchor.id and row.digest != anchor.digest:
            return found(ChainFault.REWRITTEN, id_)
        last, latest = Head(last.entries + 1, id_, row.digest), max(latest or row.at, row.at)
    if max(head.last_id if head else 0, anchor.id if anchor else 0) > last.last_id:
        return found(ChainFault.MISSING, last.last_id + 1)
    if head != (None if heads == [] and not last.entries else last):
        return found(ChainFault.HEAD, last.last_id)
    return Examined(None, last, latest)


def unrecorded(session: Session, latest: datetime | None) -> bool:
    """Return whether the database holds something later than the latest entry that must have an entry of its own.

    Compared with the latest of all, because clocks are set back. A run of an earlier version has none, but the upgrade
    has one.
    """
    if latest is None and session.scalar(sa.select(runs.c.id).limit(1)) is not None:
        return True
    for column in WITNESSES:
        is_later = column.is_not(None) if latest is None else column > latest  # compared in SQL: it may not be a date
        if session.scalar(sa.select(sa.literal(1)).select_from(column.table).where(is_later).limit(1)) is not None:
            return True
    return False


def _follows(row: Audited, last: Head) -> bool:
    try:
        return row.previous == last.digest and row.digest == digest_of(row)
    except Exception:  # a value of a kind that no entry has, such as bytes: it was not written here
        return False


def _heads(session: Session) -> list[Head] | None:
    """Return the rows that say where the chain ends; None: what is there was not written by this program."""
    columns = (audit_heads.c.id, audit_heads.c.entries, audit_heads.c.last_id, audit_heads.c.digest)
    try:
        rows = session.execute(sa.select(*columns).limit(2)).all()
    except Exception:
        session.scalar(sa.select(sa.func.count()).select_from(audit_heads))  # raises if the database is the trouble
        return None
    if any([type(value) for value in row] != [int, int, int, str] or row[0] != HEAD_ID for row in rows):
        return None
    return [Head(*row[1:]) for row in rows]


def _entries(session: Session, size: int) -> Iterator[tuple[int, Audited | None]]:
    """Yield every entry with its id; None: it cannot be read."""
    query = sa.select(audit_entries.c.id).order_by(audit_entries.c.id).limit(size)
    ids = session.scalars(query).all()
    while ids:
        yield from _read(session, ids)
        ids = session.scalars(query.where(audit_entries.c.id > ids[-1])).all()


def _read(session: Session, ids: Sequence[int]) -> list[tuple[int, Audited | None]]:
    whole = sa.select(*COLUMNS).where(audit_entries.c.id.between(ids[0], ids[-1])).order_by(audit_entries.c.id)
    try:
        return [(row.id, Audited(*row)) for row in session.execute(whole)]
    except Exception:  # one of them holds something that is not JSON, a date or UTF-8
        if len(ids) > 1:
            return [entry for id_ in ids for entry in _read(session, [id_])]
        session.scalar(sa.select(audit_entries.c.id).where(audit_entries.c.id == ids[0]))  # raises as above
        return [(ids[0], None)]
