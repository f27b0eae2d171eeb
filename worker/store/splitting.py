"""People of one request who are sent to in another one: moved into a batch of their own."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from campaigns.codes import WaitsFor
from campaigns.lifecycle import BatchState
from worker.store.models import Batch, Recipient
from worker.store.suppressions import lower_totals
from worker.store.tables import batches


def branch_off(
    session: Session,
    batch_id: int,
    recipient_ids: Sequence[int],
    *,
    until: datetime,
    waits_for: WaitsFor,
    reason: str = "",
) -> int:
    """Move these pending people of a batch into a new one, which waits until then; its id."""
    old = session.exec(select(Batch).where(Batch.id == batch_id)).one()
    ordinal = session.exec(select(sa.func.max(Batch.ordinal)).where(Batch.run_id == old.run_id)).one() + 1
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
    session.execute(sa.update(Recipient).where(col(Recipient.id).in_(recipient_ids)).values(batch_id=new.id))
    lower_totals(session, batches.c.id.in_([batch_id, new.id]))
    return new.id
