"""Calls with a key, each made once: the answer is stored in the transaction of the call's action."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.bulk import insert_missing
from worker.store.tables import idempotent_calls as rows

AT_ONCE: Final = 1_000
"""How many are forgotten in one transaction."""


@dataclass(frozen=True, slots=True)
class KeptCall:
    """A call that was made: the digest of what was asked for, and the answer."""

    request_digest: str
    answer: str


def find(database: Session | sa.Connection, caller: str, key: str) -> KeptCall | None:
    """Return the call that was made with this key, if its transaction is over."""
    query = sa.select(rows.c.request_digest, rows.c.answer)
    row = database.execute(query.where(rows.c.caller == caller, rows.c.key == key)).first()
    return None if row is None else KeptCall(*row)


def claim(session: Session, caller: str, key: str, *, request_digest: str, wait_seconds: int, now: datetime) -> bool:
    """Claim the key for this transaction; False: it was used before.

    Another transaction that has claimed it is waited for. PostgreSQL waits `wait_seconds` at most, and raises
    `sqlalchemy.exc.OperationalError` then; SQLite has one writer at a time anyway.
    """
    is_bounded = session.connection().dialect.name == "postgresql"
    if is_bounded:
        session.execute(sa.text(f"SET LOCAL lock_timeout = '{wait_seconds:d}s'"))
    values = {"caller": caller, "key": key, "request_digest": request_digest, "created_at": now}
    made = session.scalar(insert_missing(session, rows).values(values).returning(rows.c.id))
    if is_bounded:
        session.execute(sa.text("SET LOCAL lock_timeout TO DEFAULT"))
    return made is not None


def keep(session: Session, caller: str, key: str, *, answer: str) -> None:
    """Keep the answer of a call that this transaction has claimed."""
    mine = sa.update(rows).where(rows.c.caller == caller, rows.c.key == key)
    session.execute(mine.values(answer=answer))


def forget(session: Session, *, before: datetime) -> int:
    """Forget some of the calls that were made before then; return how many."""
    old = sa.select(rows.c.id).where(rows.c.created_at < before).limit(AT_ONCE)
    return len(session.scalars(sa.delete(rows).where(rows.c.id.in_(old)).returning(rows.c.id)).all())
