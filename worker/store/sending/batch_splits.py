"""People of one request who are sent to in another one: moved into their own batch."""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from itertools import accumulate
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import WaitsFor
from campaigns.lifecycle import BatchState, RecipientState
from worker.store.models import Batch
from worker.store.people.batches_left import lower_totals
from worker.store.tables import batches, recipients

_WAITING: Final = (
    sa.select(batches.c.id)
    .where(batches.c.id == sa.bindparam("b_batch"), batches.c.state.in_([BatchState.PLANNED, BatchState.QUEUED]))
    .with_for_update()
)


def waiting_people(session: Session, batch_id: int) -> list[tuple[int, str]]:
    """Return (id, number) of everybody in a batch who waits, and lock it; nobody if another process has taken it."""
    if session.execute(_WAITING, {"b_batch": batch_id}).first() is None:
        return []
    mine = (recipients.c.batch_id == batch_id, recipients.c.state == RecipientState.PENDING)
    query = sa.select(recipients.c.id, recipients.c.number).where(*mine).order_by(recipients.c.id)
    return [(id_, number) for id_, number in session.execute(query)]


def branch_off(
    session: Session,
    batch_id: int,
    recipient_ids: Sequence[int],
    *,
    until: datetime,
    waits_for: WaitsFor,
    reason: str = "",
) -> int:
    """Move these pending people of a batch into a new one, which waits until `until`; return its id."""
    old = session.execute(sa.select(batches).where(batches.c.id == batch_id)).one()
    ordinal = session.scalars(sa.select(sa.func.max(batches.c.ordinal)).where(batches.c.run_id == old.run_id)).one() + 1
    new = Batch(
        run_id=old.run_id,
        ordinal=ordinal,
        state=BatchState.PLANNED,
        zones=old.zones,
        moment=old.moment,
        latest=old.latest,
        not_before=until,
        recipients=len(recipient_ids),
        segments=0,
        avoid_device=old.avoid_device,
        target=old.target,
        waits_for=waits_for,
        reason=reason,
    )
    session.add(new)
    session.flush()
    session.execute(sa.update(recipients).where(recipients.c.id.in_(recipient_ids)).values(batch_id=new.id))
    lower_totals(session, batches.c.id.in_([batch_id, new.id]))
    return new.id


def pending_people(session: Session, batch_id: int) -> list[tuple[int, str, int]]:
    """Return those of a batch who are to be sent to, in order, as (id, number, segments)."""
    people = sa.select(recipients.c.id, recipients.c.number, recipients.c.segments).where(
        recipients.c.batch_id == batch_id, recipients.c.state == RecipientState.PENDING
    )
    return [(id_, number, segments) for id_, number, segments in session.execute(people.order_by(recipients.c.id))]


def split_off(session: Session, batch_id: int, recipient_ids: Sequence[int], *, until: datetime) -> None:
    """Move these people into a batch of their own, unless another process has taken theirs meanwhile."""
    unsent = batches.c.state.in_([BatchState.PLANNED, BatchState.QUEUED])
    mine = sa.select(batches.c.id).where(batches.c.id == batch_id, unsent).with_for_update()
    if session.execute(mine).first() is not None:
        branch_off(session, batch_id, recipient_ids, until=until, waits_for=WaitsFor.NOTHING)


def split_batch(
    session: Session,
    batch_id: int,
    *,
    until: datetime,
    waits_for: WaitsFor = WaitsFor.NOTHING,
    reason: str = "",
    most_segments: int | None = None,
) -> int | None:
    """Cut a batch of pending people in two; return the id of the second. None: one person cannot be cut.

    The cut is in the middle, or so that the first costs `most_segments` at most, unless one person costs more.
    """
    people = session.execute(
        sa.select(recipients.c.id, recipients.c.segments)
        .where(recipients.c.batch_id == batch_id, recipients.c.state == RecipientState.PENDING)
        .order_by(recipients.c.id)
    ).all()
    if len(people) < 2:
        return None
    kept = len(people) // 2
    if most_segments is not None:
        kept = max(1, bisect_right(list(accumulate(segments for _, segments in people)), most_segments))
        if kept == len(people):
            return None
    second = [id_ for id_, _ in people[kept:]]
    return branch_off(session, batch_id, second, until=until, waits_for=waits_for, reason=reason)
