"""Recipients and contact lists that a person must decide on, and what happens to them then."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import WaitsFor
from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.protocol.declarations import Declared
from campaigns.protocol.verdicts import Verdict
from worker.store.bulk import in_parts
from worker.store.events import EventName, record_event
from worker.store.locks import lock_run
from worker.store.models import AttemptState
from worker.store.money import charges
from worker.store.people import people_on_record
from worker.store.runs.runs import cancel_leftovers
from worker.store.sending import grants
from worker.store.sending.doubts import WATCHED_FOR
from worker.store.tables import attempts, batches, groups, inbox_files, recipients, runs
from worker.store.transitions import changed, move_batch, move_recipients, move_run

IS_HELD: Final[sa.ColumnElement[bool]] = sa.literal_column("recipient.state = 'held'")
"""Word for word as in the index on who is held: it is used only where its condition stands."""


@dataclass(frozen=True, slots=True)
class HeldPerson:
    """A recipient who is held. `attempts`: how many requests carried this person."""

    id: int
    number: str
    batch_id: int | None
    reason: str
    attempts: int


@dataclass(frozen=True, slots=True)
class HeldList:
    """A held request to a contact list: its people are not known here."""

    batch_id: int
    list_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a decision changed. `cancelled`: people who stay unsent because their run was cancelled."""

    people: int
    lists: int
    cancelled: int
    run_state: RunState


def held_people(session: Session, run_id: int, *, number: str | None = None) -> list[HeldPerson]:
    """Return everybody of a run who is held, or only this number, in the order of the audience."""
    query = sa.select(
        recipients.c.id, recipients.c.number, recipients.c.batch_id, recipients.c.reason, recipients.c.attempts
    ).where(recipients.c.run_id == run_id, IS_HELD)
    if number is not None:
        query = query.where(recipients.c.number == number)
    return [HeldPerson(*row) for row in session.execute(query.order_by(recipients.c.id))]


def held_lists(session: Session, run_id: int) -> list[HeldList]:
    """Return the held requests of a run to contact lists."""
    query = sa.select(batches.c.id, batches.c.list_id, batches.c.reason).where(
        batches.c.run_id == run_id, batches.c.state == BatchState.HELD, batches.c.list_id.is_not(None)
    )
    return [
        HeldList(id_, list_id or 0, reason) for id_, list_id, reason in session.execute(query.order_by(batches.c.id))
    ]


def runs_with_held(session: Session, campaign_id: int) -> list[int]:
    """Return the runs of a campaign, including resends, that have held requests; the oldest first."""
    mine = (runs.c.campaign_id == campaign_id, batches.c.state == BatchState.HELD)
    return list(
        session.scalars(
            sa.select(runs.c.id)
            .join(batches, batches.c.run_id == runs.c.id)
            .where(*mine)
            .distinct()
            .order_by(runs.c.id)
        )
    )


def resolve_held(
    session: Session,
    run_id: int,
    declared: Declared,
    *,
    number: str | None = None,
    only: Sequence[sa.ColumnElement[bool]] | None = None,
    by: str,
    now: datetime,
) -> Resolved:
    """Apply what a person found out about everything of a run that is held, or about one number of it.

    `only`: about the people who meet these conditions, and about no contact list.

    Not sent: pending again in the same batch, and the run continues, unless it was cancelled. Sent: accepted without a
    gateway ID, so nothing is waited for. Who decided and when is kept as an event for each batch.
    """
    lock_run(session, run_id)
    _lock_requests(session, run_id)
    to = RecipientState.ACCEPTED if declared is Declared.SENT else RecipientState.PENDING
    who = [recipients.c.run_id == run_id, IS_HELD]
    if number is not None:
        who.append(recipients.c.number == number)
    who += only or ()
    moved = session.execute(
        move_recipients(to, *who, reason=declared.reason).returning(recipients.c.id, recipients.c.batch_id)
    ).all()
    by_batch: dict[int | None, list[int]] = defaultdict(list)
    for id_, batch_id in moved:
        by_batch[batch_id].append(id_)
    # A contact list has no numbers here: a decision about one number does not apply to the list.
    is_about_all = number is None and only is None
    lists = held_lists(session, run_id) if is_about_all else []
    for held in lists:
        by_batch[held.batch_id] = []
    if declared is Declared.SENT:
        _close_batches(session, run_id, now, with_lists=is_about_all)
    else:
        _open_batches(session, run_id, now, with_lists=is_about_all)
    for batch_id, ids in by_batch.items():
        detail = {"as": declared.value, "by": by, "recipients": ids}
        record_event(session, EventName.HELD_RESOLVED, now, run_id=run_id, batch_id=batch_id, detail=detail)
    cancelled = 0
    if by_batch:
        # The files beside the file of a finished run are written once more.
        session.execute(
            sa.update(inbox_files).where(inbox_files.c.run_id == run_id).values(reported=False, status_text="")
        )
        # Whoever was held was not forgotten with the others.
        session.execute(sa.update(runs).where(runs.c.id == run_id).values(texts_emptied_at=None, people_erased_at=None))
        if declared is Declared.NOT_SENT:
            grants.ask_again(session, people_on_record.give_back(session, [id_ for id_, _ in moved]))
            charges.refund_last(session, run_id, [id_ for id_, _ in moved])
            cancelled = cancel_leftovers(session, run_id)
            reopen_run(session, run_id, now)
    state = session.scalars(sa.select(runs.c.state).where(runs.c.id == run_id)).one()
    return Resolved(len(moved), len(lists), cancelled, RunState(state))


def _lock_requests(session: Session, run_id: int) -> None:
    """Let no request of the run be concluded until this transaction ends.

    Its batch's state depends on who is pending then: on PostgreSQL it would not see the people whom this one releases.
    """
    query = sa.select(attempts.c.id).where(attempts.c.run_id == run_id, attempts.c.state != AttemptState.CLOSED)
    session.scalars(query.order_by(attempts.c.id).with_for_update()).all()


def _waits(state: RecipientState) -> sa.Exists:
    return sa.exists().where(recipients.c.batch_id == batches.c.id, recipients.c.state == state)


def _open_batches(session: Session, run_id: int, now: datetime, *, with_lists: bool) -> None:
    """Send batches with pending people again; a request that is under way or in doubt takes care of its own people."""
    session.execute(
        move_batch(
            BatchState.PLANNED,
            batches.c.run_id == run_id,
            batches.c.state.in_([BatchState.HELD, BatchState.ACCEPTED]),
            sa.or_(
                _waits(RecipientState.PENDING),
                sa.and_(sa.literal(with_lists), batches.c.list_id.is_not(None), batches.c.state == BatchState.HELD),
            ),
            not_before=now,
            latest=None,  # the person who decides this knows what time it is
            queued_at=None,
            waits_for=WaitsFor.RETRY,
            reason=Declared.NOT_SENT.reason,
        )
    )


def _close_batches(session: Session, run_id: int, now: datetime, *, with_lists: bool) -> None:
    """Close these batches: nothing in them is left to decide or to watch for, because a person has looked."""
    decided = [batches.c.state == BatchState.HELD, ~_waits(RecipientState.HELD)]
    if not with_lists:
        decided.append(batches.c.list_id.is_(None))
    closed = move_batch(BatchState.ACCEPTED, batches.c.run_id == run_id, *decided, reason=Declared.SENT.reason)
    ids = list(session.scalars(closed.returning(batches.c.id)))
    for part in in_parts(ids):
        session.execute(
            sa.update(attempts)
            .where(attempts.c.batch_id.in_(part), attempts.c.outcome == Verdict.MISSED.value)
            .values(next_check_at=now + WATCHED_FOR)  # a message found now is not a late one: it was declared sent
        )


def reopen_run(session: Session, run_id: int, now: datetime) -> None:
    """Let the run send again. Receipts that a completed run had stopped waiting for are polled again, too."""

    is_followed = session.scalars(sa.select(runs.c.followed_at).where(runs.c.id == run_id)).first() is not None

    def reopened(state: RunState) -> bool:
        was = (runs.c.id == run_id, runs.c.state == state)
        reopen = move_run(RunState.RUNNING, *was, sent_at=None, followed_at=None, finished_at=None, reason="")
        return bool(changed(session, reopen))

    # A run that settles waits for receipts: looking at all it sent would cost a day of single texts more with each one.
    if reopened(RunState.SETTLING):
        if not is_followed:
            return
    elif not reopened(RunState.COMPLETED):
        return
    followed = sa.exists().where(
        recipients.c.batch_id == groups.c.batch_id,
        recipients.c.state.in_([RecipientState.ACCEPTED, RecipientState.SENT]),
        recipients.c.gateway_id.is_not(None),
    )
    session.execute(
        sa.update(groups)
        .where(groups.c.run_id == run_id, groups.c.next_poll_at.is_(None), followed)
        .values(next_poll_at=now)
    )
