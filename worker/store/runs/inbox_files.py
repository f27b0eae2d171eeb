"""What is known about the files in the inbox."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.models import InboxFile
from worker.store.tables import inbox_files, runs


@dataclass(frozen=True, slots=True)
class InboxEntry:
    """A campaign file as it was last accepted. `reported`: the files beside it are final."""

    path: str
    fingerprint: str
    run_id: int | None
    problem: str
    status_text: str
    reported: bool
    seen_at: datetime


_ENTRIES: Final = sa.select(
    inbox_files.c.path,
    inbox_files.c.fingerprint,
    inbox_files.c.run_id,
    inbox_files.c.problem,
    inbox_files.c.status_text,
    inbox_files.c.reported,
    inbox_files.c.seen_at,
)


def inbox_entries(session: Session, *, prefix: str = "") -> dict[str, InboxEntry]:
    """Return every known file whose path begins with `prefix`, by path."""
    query = _ENTRIES.where(inbox_files.c.path.startswith(prefix, autoescape=True))
    entries = [InboxEntry(*row) for row in session.connection().execute(query.order_by(inbox_files.c.path))]
    return {entry.path: entry for entry in entries}


def inbox_entry(session: Session, path: str) -> InboxEntry | None:
    """Return one known file."""
    row = session.execute(_ENTRIES.where(inbox_files.c.path == path)).first()
    return None if row is None else InboxEntry(*row)


def broken_files(session: Session, *, most: int) -> list[InboxEntry]:
    """Return files that cannot be used as they are, those that have been so for longest first."""
    query = _ENTRIES.where(inbox_files.c.problem != "").order_by(inbox_files.c.seen_at, inbox_files.c.path).limit(most)
    return [InboxEntry(*row) for row in session.execute(query)]


def files_of(session: Session, campaign_id: int, *, prefix: str = "") -> list[str]:
    """Return the known files whose path begins with `prefix` and that belong to runs of this campaign."""
    mine = (
        sa.select(inbox_files.c.path)
        .join(runs, runs.c.id == inbox_files.c.run_id)
        .where(runs.c.campaign_id == campaign_id)
    )
    return list(session.scalars(mine.where(inbox_files.c.path.startswith(prefix, autoescape=True))))


def remember_file(
    session: Session, path: str, *, fingerprint: str, run_id: int | None, problem: str, now: datetime
) -> None:
    """Record that the file was accepted in this form: its run, its problem. The files beside it need writing again."""
    row = session.get(InboxFile, path)
    if row is None:
        session.add(InboxFile(path=path, fingerprint=fingerprint, run_id=run_id, problem=problem, seen_at=now))
        return
    values = {"fingerprint": fingerprint, "run_id": run_id, "problem": problem, "seen_at": now}
    session.execute(
        sa.update(inbox_files).where(inbox_files.c.path == path).values(**values, status_text="", reported=False)
    )


def note_status(session: Session, path: str, *, status_text: str, reported: bool) -> None:
    """Record what the files beside it now say."""
    session.execute(
        sa.update(inbox_files).where(inbox_files.c.path == path).values(status_text=status_text, reported=reported)
    )


def point_file(session: Session, path: str, *, to: int) -> None:
    """Make the files beside this one be about another run from now on."""
    values = {"run_id": to, "reported": False, "status_text": ""}
    session.execute(sa.update(inbox_files).where(inbox_files.c.path == path).values(**values))


def forget_file(session: Session, path: str) -> None:
    """Forget a file that is gone."""
    session.execute(sa.delete(inbox_files).where(inbox_files.c.path == path))
