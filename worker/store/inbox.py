"""What is known of the files in the inbox."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from worker.store.models import InboxFile


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """A campaign file as it was taken up last."""

    path: str
    fingerprint: str
    run_id: int | None
    problem: str
    status_text: str
    reported: bool


def inbox_entries(session: Session) -> dict[str, InboxEntry]:
    """Every known file, by path."""
    rows = session.exec(select(InboxFile)).all()
    return {r.path: InboxEntry(r.path, r.fingerprint, r.run_id, r.problem, r.status_text, r.reported) for r in rows}


def remember_file(
    session: Session, path: str, *, fingerprint: str, run_id: int | None, problem: str, now: datetime
) -> None:
    """The file was taken up in this form: its run, or its problem."""
    row = session.get(InboxFile, path)
    if row is None:
        session.add(InboxFile(path=path, fingerprint=fingerprint, run_id=run_id, problem=problem, seen_at=now))
        return
    values = {"fingerprint": fingerprint, "run_id": run_id, "problem": problem, "seen_at": now, "reported": False}
    session.execute(sa.update(InboxFile).where(col(InboxFile.path) == path).values(**values))


def note_status(session: Session, path: str, *, status_text: str, reported: bool) -> None:
    """What stands beside the file now."""
    session.execute(
        sa.update(InboxFile).where(col(InboxFile.path) == path).values(status_text=status_text, reported=reported)
    )


def forget_file(session: Session, path: str) -> None:
    """The file is gone."""
    session.execute(sa.delete(InboxFile).where(col(InboxFile.path) == path))
