"""The end of a run: everything sent, followed, over."""

from collections.abc import Collection
from datetime import datetime
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import BatchState, RecipientState, RunState
from worker.store.engine import at_end
from worker.store.kept import counting, phones
from worker.store.locks import lock_run
from worker.store.notifications.outbox import announce
from worker.store.runs.runs import VIEW, RunView, views_of
from worker.store.tables import batches, groups, recipients, run_counts, runs
from worker.store.tables import runs as run_rows
from worker.store.transitions import changed, move_recipients, move_run

_ids: sa.BindParameter[int] = sa.bindparam("b_ids", expanding=True)
_waiting = (
    sa.select(sa.func.coalesce(sa.func.sum(run_counts.c.amount), 0))
    .where(run_counts.c.run_id == runs.c.id, run_counts.c.figure == RecipientState.PENDING.value)
    .scalar_subquery()
)
_LEFT_TO_SEND = sa.or_(
    sa.exists().where(
        batches.c.run_id == runs.c.id,
        batches.c.state.in_([BatchState.PLANNED, BatchState.QUEUED, BatchState.SENDING, BatchState.UNKNOWN]),
    ),
    # Who waits for a step has no batch yet. By the kept count: their rows are anywhere in the run.
    sa.and_(runs.c.root_id.is_not(None), runs.c.parent_id.is_(None), _waiting > 0),
)


_AT_WORK = sa.select(
    sa.exists().where(
        run_rows.c.account_id == sa.bindparam("b_account"),
        sa.or_(
            run_rows.c.state == RunState.RUNNING,
            run_rows.c.state == RunState.SETTLING,
            sa.and_(run_rows.c.state == RunState.CANCELLED, run_rows.c.finished_at.is_(None)),
        ),
    )
)
"""Built once: an idle service asks this, and nothing else, fourteen times a second."""


def any_at_work(session: Session, account_id: int) -> bool:
    """Return whether a run of the account is sending, or waiting for what it sent."""
    return bool(session.connection().execute(_AT_WORK, {"b_account": account_id}).scalar_one())


_SETTLEABLE: Final = sa.select(runs.c.id).where(
    runs.c.account_id == sa.bindparam("b_account"), runs.c.state == RunState.RUNNING, ~_LEFT_TO_SEND
)


def settleable_runs(session: Session, account_id: int) -> list[int]:
    """Return running runs of the account that have nothing left to send."""
    return list(session.connection().execute(_SETTLEABLE, {"b_account": account_id}).scalars())


def settle_run(session: Session, run_id: int, now: datetime) -> bool:
    """Settle a run that has sent everything: from now on only receipts are waited for."""
    lock_run(session, run_id)  # a `resolve` may be opening one of its batches
    settle = move_run(RunState.SETTLING, runs.c.id == run_id, runs.c.state == RunState.RUNNING, ~_LEFT_TO_SEND)
    return bool(changed(session, settle.values(sent_at=now)))


def expire_open(session: Session, run_id: int) -> int:
    """Following has ended: texts that no phone has reported by now expire; texts that a phone sent stay `sent`."""
    return changed(
        session,
        move_recipients(
            RecipientState.EXPIRED,
            recipients.c.run_id == run_id,
            recipients.c.state == RecipientState.ACCEPTED,
            recipients.c.gateway_id.is_not(None),  # without one, a person declared it sent
            reason="no phone had sent it when following ended",
        ),
    )


def look_once_more(session: Session, run_id: int, now: datetime) -> None:
    """Make every later poll of the run due now."""
    later = sa.update(groups).where(groups.c.run_id == run_id, groups.c.next_poll_at > now)
    session.execute(later.values(next_poll_at=now))


_IS_DUE: Final = sa.select(
    sa.exists().where(groups.c.run_id == sa.bindparam("b_run"), groups.c.next_poll_at <= sa.bindparam("b_moment"))
)


def is_read_since(session: Session, run_id: int, moment: datetime) -> bool:
    """Return whether the run has no poll left that was due by `moment`."""
    return not session.connection().execute(_IS_DUE, {"b_run": run_id, "b_moment": moment}).scalar_one()


_OPEN_RECEIPTS: Final = (
    sa.select(sa.func.count())
    .select_from(recipients)
    .where(
        recipients.c.run_id == sa.bindparam("b_run"),
        recipients.c.state.in_([RecipientState.ACCEPTED, RecipientState.SENT]),
        recipients.c.gateway_id.is_not(None),
    )
)


def open_receipts(session: Session, run_id: int) -> int:
    """Return how many recipients may still get a receipt; people who were declared sent have no ID to get one by."""
    return int(session.connection().execute(_OPEN_RECEIPTS, {"b_run": run_id}).scalar_one())


def finish_run(session: Session, run_id: int, now: datetime, *, sent_at: datetime | None = None) -> bool:
    """End the run: completed, or cancelled and followed to its end. Nothing in it is polled any more.

    `sent_at` is when it had sent everything, as the caller saw it. False: it is not over, or it has sent again since.
    """
    guard = [runs.c.id == run_id]
    if sent_at is not None:
        guard.append(runs.c.sent_at == sent_at)
    # The run first: a reopened one keeps its polls, and reopening takes the locks in this order, too.
    if not changed(session, move_run(RunState.COMPLETED, *guard, finished_at=now)):
        cancelled = sa.update(runs).where(*guard, runs.c.state == RunState.CANCELLED, runs.c.finished_at.is_(None))
        if not changed(session, cancelled.values(finished_at=now)):
            return False
    session.execute(sa.update(groups).where(groups.c.run_id == run_id).values(next_poll_at=None))
    announce(session, "run.completed", run_id=run_id, now=now)
    at_end(session).extend([partial(counting.fold, run_id=run_id), phones.fold])
    return True


def end_following(session: Session, run_id: int, now: datetime, *, sent_at: datetime | None = None) -> bool:
    """End all of a run but its steps: it settles until they are over, so that its file and limits can be changed.

    `sent_at` as in `finish_run`. False: it is not over, or it has sent again since.
    """
    mine = sa.update(runs).where(runs.c.id == run_id, runs.c.state == RunState.SETTLING, runs.c.followed_at.is_(None))
    if sent_at is not None:
        mine = mine.where(runs.c.sent_at == sent_at)
    if not changed(session, mine.values(followed_at=now)):
        return False
    session.execute(sa.update(groups).where(groups.c.run_id == run_id).values(next_poll_at=None))
    return True


_OPEN_ROOTS: Final = sa.select(runs.c.root_id).where(runs.c.root_id.in_(_ids), runs.c.finished_at.is_(None)).distinct()


def with_open_steps(session: Session, run_ids: Collection[int]) -> set[int]:
    """Return those of these runs whose steps are not all over."""
    return set(session.connection().execute(_OPEN_ROOTS, {"b_ids": list(run_ids)}).scalars()) if run_ids else set()


_UNFINISHED: Final = VIEW.where(
    runs.c.account_id == sa.bindparam("b_account"),
    runs.c.state.in_([RunState.SETTLING, RunState.CANCELLED]),
    runs.c.finished_at.is_(None),
).order_by(runs.c.id)


def unfinished_runs(session: Session, account_id: int) -> list[RunView]:
    """Return settling and cancelled runs of the account that are not finished."""
    return views_of(session, _UNFINISHED, {"b_account": account_id})
