"""The keys by which programs asked for single texts: each makes one, however often and from wherever it is asked."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import RunType
from worker.store.models import MessageKey
from worker.store.tables import message_keys, recipients, runs


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What a key was used for: the recipient that it made, and the digest of the request."""

    recipient_id: int
    request_digest: str


@dataclass(frozen=True, slots=True)
class TextRow:
    """A single text: its recipient's id, number (E.164), run and batch."""

    id: int
    number: str
    run_id: int
    batch_id: int


def find_key(session: Session, digest: str) -> KeyUse | None:
    """Return what the key was used for; None: nothing yet."""
    query = sa.select(message_keys.c.recipient_id, message_keys.c.request_digest)
    row = session.execute(query.where(message_keys.c.digest == digest)).first()
    return None if row is None else KeyUse(*row)


def use_key(session: Session, digest: str, recipient_id: int, request_digest: str, *, now: datetime) -> None:
    """Note what the key was used for. Raises `sqlalchemy.exc.IntegrityError` if it was used before."""
    session.add(MessageKey(digest=digest, recipient_id=recipient_id, request_digest=request_digest, created_at=now))
    session.flush()


def text_row(session: Session, *where: sa.ColumnElement[bool]) -> TextRow | None:
    """Return the single text that a program asked for and that matches."""
    query = sa.select(recipients.c.id, recipients.c.number, recipients.c.run_id, recipients.c.batch_id)
    mine = query.join(runs, runs.c.id == recipients.c.run_id).where(runs.c.type == RunType.MESSAGE, *where)
    row = session.execute(mine).first()
    return None if row is None else TextRow(*row)
