"""When something is due at the gateway next, for a service that has nothing to do until then."""

from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.models import AttemptState
from worker.store.tables import attempts, groups, runs

_OF_ACCOUNT: Final = runs.c.account_id == sa.bindparam("b_account")
_POLL: Final = (
    sa.select(groups.c.next_poll_at)
    .join(runs, runs.c.id == groups.c.run_id)
    .where(_OF_ACCOUNT, groups.c.next_poll_at.is_not(None))
    .order_by(groups.c.next_poll_at)  # the first one of the index: a minimum would read every open group
    .limit(1)
)
_CHECK: Final = (
    sa.select(sa.func.min(attempts.c.next_check_at))
    .join(runs, runs.c.id == attempts.c.run_id)
    .where(_OF_ACCOUNT, attempts.c.state == AttemptState.UNKNOWN)
)


def next_poll(session: Session, account_id: int) -> datetime | None:
    """Return when the next group of messages is polled; None if none is followed."""
    found: datetime | None = session.connection().execute(_POLL, {"b_account": account_id}).scalar()
    return found


def next_check(session: Session, account_id: int) -> datetime | None:
    """Return when the next attempt in doubt is looked up; None if none is in doubt."""
    found: datetime | None = session.connection().execute(_CHECK, {"b_account": account_id}).scalar()
    return found
