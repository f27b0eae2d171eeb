"""Batches out of which people were taken: those who are left are counted, and empty batches end."""

from collections.abc import Iterable

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import NEVER_SENT, BatchState, RecipientState
from worker.store.bulk import in_parts
from worker.store.tables import batches, recipients
from worker.store.transitions import move_batch


def end_emptied(session: Session, batch_ids: Iterable[int | None], reason: str) -> None:
    """Count again who is left in those of these batches that wait; those with nobody left end, for this reason."""
    touched = {id_ for id_ in batch_ids if id_ is not None}
    for ids in in_parts(sorted(touched)):
        waiting = batches.c.id.in_(ids), batches.c.state.in_([BatchState.PLANNED, BatchState.QUEUED])
        lower_totals(session, *waiting)
        nobody = ~sa.exists().where(recipients.c.batch_id == batches.c.id, recipients.c.state == RecipientState.PENDING)
        session.execute(move_batch(BatchState.CANCELLED, *waiting, nobody, reason=reason))


def lower_totals(session: Session, *where: sa.ColumnElement[bool]) -> None:
    """Count the people and segments of these batches again, without people who are never sent to."""
    sent_to = recipients.c.batch_id == batches.c.id, recipients.c.state.not_in(sorted(NEVER_SENT))
    totals = {
        "recipients": sa.select(sa.func.count()).where(*sent_to).scalar_subquery(),
        "segments": sa.select(sa.func.coalesce(sa.func.sum(recipients.c.segments), 0))
        .where(*sent_to)
        .scalar_subquery(),
    }
    session.execute(sa.update(batches).where(*where).values(totals))
