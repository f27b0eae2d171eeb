"""What missed its moment is never sent."""

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import RunType
from campaigns.lifecycle import BatchState, RecipientState, RunState
from worker.store.tables import batches, recipients, runs
from worker.store.transitions import changed, move_batch, move_recipients

_UNSENT: Final = sa.and_(batches.c.latest.is_not(None), sa.literal_column("batch.state IN ('planned','queued')"))
"""Word for word as in its index: SQLite recognises a condition only by its words."""


_is_late = sa.exists().where(batches.c.run_id == runs.c.id, batches.c.latest < sa.bindparam("b_now"), _UNSENT)
_LATE_RUNS: Final = (
    sa.select(runs.c.id, runs.c.definition_id, runs.c.type)
    .where(runs.c.account_id == sa.bindparam("b_account"), runs.c.state == RunState.RUNNING, _is_late)
    .order_by(runs.c.id)
)


def late_runs(session: Session, account_id: int, now: datetime) -> list[tuple[int, int, RunType]]:
    """Return (run id, definition id, type) of the account's running runs of which something is now too late."""
    found = session.connection().execute(_LATE_RUNS, {"b_account": account_id, "b_now": now})
    return [(run_id, definition_id, type) for run_id, definition_id, type in found]


def expire_late(session: Session, run_id: int, to: RecipientState, *, reason: str, now: datetime) -> int:
    """Skip or hold (`to`) everybody of a run who was not sent to by the latest moment; return how many people.

    People in a request or in doubt keep their turn: if they come back unsent, they are late then.
    """
    end = BatchState.HELD if to is RecipientState.HELD else BatchState.CANCELLED
    # The batch first, as in an intent: whichever transaction gets its row decides about its people.
    late = (batches.c.run_id == run_id, batches.c.latest < now)
    session.execute(move_batch(end, *late, _UNSENT, reason=reason))
    ended = sa.select(batches.c.id).where(*late, batches.c.state == end)
    pending = (recipients.c.state == RecipientState.PENDING, recipients.c.batch_id.in_(ended))
    return changed(session, move_recipients(to, *pending, reason=reason))
