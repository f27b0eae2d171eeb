"""The log of notifications: one row for each attempt to deliver a notice."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.notifications.outbox import DueNotice
from worker.store.tables import calls_out, notices

TARGET_CHARACTERS: Final = 200
EVENT_CHARACTERS: Final = 40


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """One try. `target`: the host only. `status`: of HTTP, None without an answer. `problem`: empty if it was taken."""

    id: int
    notice_id: int
    at: datetime
    channel: str
    event: str
    target: str
    status: int | None
    problem: str
    seconds: float


_FIELDS: Final = [calls_out.c[name] for name in LoggedCall.__dataclass_fields__]


def record_call(
    session: Session,
    notice: DueNotice,
    *,
    at: datetime,
    target: str,
    status: int | None,
    problem: str,
    seconds: float,
) -> LoggedCall:
    """Add a try to the log; return its row. `target` has neither login, path nor query."""
    values = {
        "notice_id": notice.id,
        "at": at,
        "target": target[:TARGET_CHARACTERS],
        "channel": notice.channel,
        "event": notice.event[:EVENT_CHARACTERS],
        "status": status,
        "problem": problem,
        "seconds": round(seconds, 3),
    }
    return LoggedCall(*session.execute(sa.insert(calls_out).values(values).returning(*_FIELDS)).one())


def call_of(session: Session, call_id: int) -> LoggedCall | None:
    """Return the try with this id."""
    row = session.execute(sa.select(*_FIELDS).where(calls_out.c.id == call_id)).one_or_none()
    return None if row is None else LoggedCall(*row)


def latest_calls(session: Session, *, only_failed: bool, before: int | None = None, most: int) -> list[LoggedCall]:
    """Return the latest tries (`before`: of those before this one), at most `most`, the newest first."""
    query = sa.select(*_FIELDS).order_by(calls_out.c.id.desc()).limit(most)
    if only_failed:
        query = query.where(calls_out.c.problem != "")
    if before is not None:
        query = query.where(calls_out.c.id < before)
    return [LoggedCall(*row) for row in session.execute(query)]


def reopen(session: Session, notice_id: int, *, until: datetime) -> DueNotice | None:
    """Claim a notice once more, even if it was delivered or given up; None if it is forgotten.

    Whoever calls delivers it. If they are killed, the service does, at `until`.
    """
    fields = [notices.c[name] for name in DueNotice.__dataclass_fields__]
    statement = sa.update(notices).where(notices.c.id == notice_id).values(ended_at=None, next_try_at=until, tries=0)
    row = session.execute(statement.returning(*fields)).one_or_none()
    return None if row is None else DueNotice(*row)
