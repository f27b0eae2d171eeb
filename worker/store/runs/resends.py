"""Runs that resend to people whose text failed: found, made once, and guarded until they are sent.

A run and those that resend to its people form a chain. What counts for a person is their row in its last run.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import chain
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import OPTED_OUT, RunType
from campaigns.following.results import PROVEN_NOT_SENT
from campaigns.lifecycle import RecipientState, RunState
from campaigns.phone_numbers.pseudonyms import ERASED_TEXT
from campaigns.planning.batching import BatchLimits, into_batches
from campaigns.planning.planned import PlannedRecipient
from campaigns.timing.departures import Departure
from worker.store.events import EventName, record_event
from worker.store.following.standing import counts_as_failed
from worker.store.locks import lock_run
from worker.store.runs import plans
from worker.store.runs.runs import RunView, create_run
from worker.store.tables import GROUP_ID, SOURCE, batches, inbox_files, recipients, retries, runs

MOMENT_PREFIX: Final = "resend-"
"""Prefix of a resend's name, before its number within the campaign: two commands at once make one."""

AT_ONCE: Final = 1_000
"""How many failed texts are in memory at once."""

OVER: Final = (RunState.COMPLETED, RunState.CANCELLED, RunState.FAILED)


@dataclass(frozen=True, slots=True)
class Failure:
    """How many people's texts failed in one way, and whether that proves that they did not get them."""

    reason: str
    result_code: int | None
    is_proven: bool
    people: int


def resends_of(session: Session, root_id: int) -> list[int]:
    """Return the runs that resent to the people of a run, in order."""
    return list(session.scalars(sa.select(runs.c.id).where(runs.c.parent_id == root_id).order_by(runs.c.id)))


def unfinished_resends(session: Session, root_id: int) -> list[int]:
    """Return those of them that are not over."""
    query = sa.select(runs.c.id).where(runs.c.parent_id == root_id, runs.c.finished_at.is_(None))
    return list(session.scalars(query.order_by(runs.c.id)))


def failures(session: Session, root_id: int) -> list[Failure]:
    """Return everybody whose last text failed, by reason; the proven ones first."""
    proven = is_proven()
    columns: tuple[Any, ...] = (recipients.c.reason, recipients.c.result_code, proven, sa.func.count())
    query = sa.select(*columns).where(*_last_failed(session, root_id))
    rows = session.execute(query.group_by(recipients.c.reason, recipients.c.result_code, proven))
    found = [Failure(reason, code, bool(is_proof), people) for reason, code, is_proof, people in rows]
    return sorted(found, key=lambda failure: (not failure.is_proven, -failure.people, failure.reason))


@dataclass(frozen=True, slots=True)
class FailedMessage:
    """A failed text that the gateway has: it can be read once more."""

    row_id: int
    batch_id: int | None
    group_id: str
    gateway_id: int


def failed_messages(
    session: Session, root_id: int, only: Sequence[sa.ColumnElement[bool]] = (), *, after: int = 0
) -> list[FailedMessage]:
    """Return the messages of the next `AT_ONCE` people who would be sent to again, in the order of their rows.

    `only`: further conditions; `after`: the row of the last one before.
    """
    columns: tuple[Any, ...] = (
        recipients.c.id, recipients.c.batch_id, sa.func.coalesce(GROUP_ID, ""), recipients.c.gateway_id,
    )  # fmt: skip
    is_next = recipients.c.gateway_id.is_not(None), recipients.c.id > after
    query = sa.select(*columns).where(*_last_failed(session, root_id), is_proven(), *is_next, *only)
    return [FailedMessage(*row) for row in session.execute(query.order_by(recipients.c.id).limit(AT_ONCE))]


def is_proven() -> sa.ColumnElement[bool]:
    """Match texts left out or refused by the gateway, or reported by the phone with a code that is proof."""
    codes = ", ".join(str(code) for code in sorted(PROVEN_NOT_SENT))
    # Written out: PostgreSQL takes the same expression with other parameters for a different one, and refuses to group.
    return sa.literal_column(f"(recipient.gateway_id IS NULL OR recipient.result_code IN ({codes}))", sa.Boolean)


def has_later_text(session: Session, root_id: int) -> sa.ColumnElement[bool]:
    """Match rows of people to whom a later run of the chain sent again."""
    later = recipients.alias()
    return sa.exists().where(
        later.c.number == recipients.c.number,
        later.c.slot == recipients.c.slot,
        later.c.run_id.in_([root_id, *resends_of(session, root_id)]),
        later.c.run_id > recipients.c.run_id,
    )


def retry_waits() -> sa.ColumnElement[bool]:
    """Match texts that are sent again automatically (`follow.retry_failed`)."""
    return sa.exists().where(retries.c.recipient_id == recipients.c.id, retries.c.due_at.is_not(None))


def _last_failed(session: Session, root_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        recipients.c.run_id.in_([root_id, *resends_of(session, root_id)]),
        recipients.c.state == RecipientState.FAILED,
        recipients.c.text != ERASED_TEXT,
        counts_as_failed(),
        ~has_later_text(session, root_id),
        ~retry_waits(),
    )


Suppressed = Callable[[Sequence[str]], Set[str]]


def create_resend(
    session: Session,
    root: RunView,
    *,
    account_id: int,
    limits: BatchLimits,
    suppressed: Suppressed,
    only: Sequence[sa.ColumnElement[bool]] = (),
    now: datetime,
) -> int | None:
    """Make a planned run with everybody whose last text failed and was proven not sent; None if there is nobody.

    `only`: further conditions that their rows meet.

    This is one transaction, under the root's lock: another request at the same time finds these people pending, and a
    process that is killed leaves all of it or nothing. Same text, same variant, another device if there is one; people
    who have opted out meanwhile are `suppressed`.
    """
    lock_run(session, root.id)
    chosen = (*_last_failed(session, root.id), is_proven(), *only)
    rows = _again(session, chosen, suppressed, now)  # of the chain as it is before this run
    if (first := next(rows, None)) is None:
        return None
    number = (
        1
        + session.scalars(
            sa.select(sa.func.count()).where(runs.c.campaign_id == root.campaign_id, runs.c.type == RunType.RESEND)
        ).one()
    )
    run_id = create_run(
        session,
        campaign_id=root.campaign_id,
        account_id=account_id,
        definition_id=root.definition_id,
        starts_at=now,
        follow_seconds=root.follow_seconds,
        kind=session.scalars(sa.select(runs.c.kind).where(runs.c.id == root.id)).one(),
        now=now,
        type=RunType.RESEND,
        moment=f"{MOMENT_PREFIX}{number}",
        parent_id=root.id,
        **_as_step(session, root.id),
    )
    digest, counts = sha256(), Counter[RecipientState]()
    for chunk in into_batches(chain([first], rows), limits):
        plans.insert_chunk(session, run_id, chunk, limits=limits)
        for row, _ in chunk:
            digest.update(f"{row.number}\0{row.state}\0{row.text}\0".encode())
            counts[row.state] += 1
    summary = {"counts": {state.value: people for state, people in counts.items()}, "audience": counts.total()}
    approved = session.execute(sa.select(runs.c.approved_hash, runs.c.approved_at).where(runs.c.id == root.id)).one()
    # A person who asks for a resend need not approve it as well: it is the same text to people of the approved plan.
    plans.finish_plan(session, run_id, plan_hash=approved[0] or digest.hexdigest(), summary=summary, now=now)
    session.execute(
        sa.update(runs).where(runs.c.id == run_id).values(approved_hash=approved[0], approved_at=approved[1])
    )
    record_event(
        session,
        EventName.FAILED_RESENT,
        now,
        run_id=run_id,
        detail={"parent": root.id, "people": counts[RecipientState.PENDING]},
    )
    # The files beside the run's file are written once more when this one is over.
    session.execute(
        sa.update(inbox_files).where(inbox_files.c.run_id == root.id).values(reported=False, status_text="")
    )
    return run_id


def _as_step(session: Session, run_id: int) -> dict[str, int | str | None]:
    """Return the columns of a step: what is sent again of it depends on the same conditions."""
    its = sa.select(runs.c.root_id, runs.c.previous_id, runs.c.unless, runs.c.only_if).where(runs.c.id == run_id)
    return dict(session.execute(its).one()._mapping)


def _again(
    session: Session, chosen: Sequence[sa.ColumnElement[bool]], suppressed: Suppressed, now: datetime
) -> Iterator[PlannedRecipient]:
    """Yield these rows as they are planned again, `AT_ONCE` in memory."""
    columns: tuple[Any, ...] = (
        recipients.c.id, recipients.c.number, SOURCE, recipients.c.line, recipients.c.text,
        recipients.c.segments, recipients.c.variant, recipients.c.slot, recipients.c.device,
        batches.c.zones,
    )  # fmt: skip
    query = sa.select(*columns).outerjoin(batches, batches.c.id == recipients.c.batch_id).where(*chosen)
    page, after = query.order_by(recipients.c.id).limit(AT_ONCE), 0
    while rows := session.execute(page.where(recipients.c.id > after)).all():
        opted_out = suppressed([row[1] for row in rows])
        after = rows[-1][0]
        for _, number, source, line, text, segments, variant, slot, device, zones in rows:
            if number in opted_out:
                state = RecipientState.SUPPRESSED
                yield PlannedRecipient(number, 0, source, line, state, OPTED_OUT, variant=variant, slot=slot)
            else:
                state, departure = RecipientState.PENDING, Departure(zones or "", now, avoid_device=device)
                yield PlannedRecipient(
                    number, 0, source, line, state, "", text, segments, departure, variant=variant, slot=slot
                )
