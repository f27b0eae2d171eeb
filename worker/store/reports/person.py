"""Everything known of one person, across all campaigns, and of the requests of some batches."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import RunType
from campaigns.lifecycle import BatchState, RecipientState, RunState
from worker.store import words
from worker.store.bulk import in_parts
from worker.store.events import EventName
from worker.store.following.standing import LEFT_AT
from worker.store.models import AttemptState
from worker.store.tables import (
    GROUP_ID,
    NOT_WAITING,
    SOURCE,
    accounts,
    attempts,
    batches,
    campaigns,
    events,
    recipients,
    retries,
    runs,
)


@dataclass(frozen=True, slots=True)
class Appearance:
    """One row of an audience with this number, and the run, batch and account that it depends on."""

    recipient_id: int
    number: str
    state: RecipientState
    reason: str
    source: str
    line: int
    variant: str
    text: str
    segments: int
    gateway_id: int | None
    group_id: str | None
    device: int | None
    sim: int | None
    attempts: int
    gateway_retries: int
    result_code: int | None
    accepted_at: datetime | None
    sent_at: datetime | None
    delivered_at: datetime | None
    run_id: int
    run_type: RunType
    campaign: str
    rehearsal: bool
    definition_id: int
    run_state: RunState
    run_reason: str
    starts_at: datetime
    planned_at: datetime | None
    finished_at: datetime | None
    account_id: int
    account_reason: str
    batch_id: int | None
    batch_state: BatchState | None
    batch_reason: str | None
    not_before: datetime | None
    zones: str | None  # whose clocks its window opens by; empty: the campaign's
    list_id: int | None  # the contact list through which this person came in; its batch has no others
    slot: str  # for a reminder: which one it is
    parent_id: int | None = None  # the run whose failed texts its run resends
    root_id: int | None = None  # the run that its run is a step of
    run_moment: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One POST of a batch. `outcome` and `evidence` are empty until it has ended; `recipients` 0: to a contact list."""

    batch_id: int
    number: int
    state: AttemptState
    started_at: datetime
    send_by: datetime
    finished_at: datetime | None
    next_check_at: datetime
    target: str
    recipients: int
    outcome: str
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a person decided about somebody who was held, or about a request to a whole contact list."""

    at: datetime
    by: str
    declared: str
    list_id: int | None


def appearances(session: Session, numbers: Collection[str]) -> list[Appearance]:
    """Return every row with one of these numbers, the newest run first. Invalid rows are found by their content."""
    columns: tuple[Any, ...] = (
        recipients.c.id,
        recipients.c.number,
        recipients.c.state,
        recipients.c.reason,
        SOURCE,
        recipients.c.line,
        recipients.c.variant,
        recipients.c.text,
        recipients.c.segments,
        recipients.c.gateway_id,
        GROUP_ID,
        recipients.c.device,
        recipients.c.sim,
        recipients.c.attempts,
        recipients.c.gateway_retries,
        recipients.c.result_code,
        recipients.c.accepted_at,
        LEFT_AT,
        recipients.c.delivered_at,
        runs.c.id,
        runs.c.type,
        campaigns.c.slug,
        campaigns.c.rehearsal,
        runs.c.definition_id,
        runs.c.state,
        words.RUN,
        runs.c.starts_at,
        runs.c.planned_at,
        runs.c.finished_at,
        runs.c.account_id,
        words.ACCOUNT,
        batches.c.id,
        batches.c.state,
        words.BATCH,
        batches.c.not_before,
        batches.c.zones,
        batches.c.list_id,
        recipients.c.slot,
        runs.c.parent_id,
        runs.c.root_id,
        runs.c.moment,
    )
    query = (
        sa.select(*columns)
        .select_from(recipients)
        .join(runs, runs.c.id == recipients.c.run_id)
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
        .join(accounts, accounts.c.id == runs.c.account_id)
        .outerjoin(batches, batches.c.id == recipients.c.batch_id)
        .where(recipients.c.number.in_(sorted(numbers)))
        .order_by(runs.c.id.desc(), recipients.c.occurrence)
    )
    return [Appearance(*row) for row in session.execute(query)]


@dataclass(frozen=True, slots=True)
class FailedTry:
    """A person's message that failed, and what follows from that.

    It is sent again at `due_at`, was sent again at `began_at`, or is not sent again because it was `dropped`.
    `doubled_at`: it turned out to have been sent after all.
    """

    recipient_id: int
    batch_id: int
    gateway_id: int
    device: int | None
    result_code: int
    noticed_at: datetime
    due_at: datetime | None
    began_at: datetime | None
    dropped: str
    doubled_at: datetime | None


def failed_tries(session: Session, recipient_ids: Collection[int]) -> dict[int, list[FailedTry]]:
    """Return the failed messages that are, or were, to be sent again, by recipient, the oldest first."""
    found: dict[int, list[FailedTry]] = defaultdict(list)
    for part in in_parts(sorted(recipient_ids)):
        query = sa.select(
            retries.c.recipient_id,
            retries.c.batch_id,
            retries.c.gateway_id,
            retries.c.device,
            retries.c.result_code,
            retries.c.noticed_at,
            retries.c.due_at,
            retries.c.began_at,
            retries.c.dropped,
            retries.c.doubled_at,
        ).where(retries.c.recipient_id.in_(part))
        for row in session.execute(query.order_by(retries.c.id)):
            found[row[0]].append(FailedTry(*row))
    return dict(found)


_REQUEST: Final = (
    attempts.c.batch_id,
    attempts.c.number,
    attempts.c.state,
    attempts.c.started_at,
    attempts.c.send_by,
    attempts.c.finished_at,
    attempts.c.next_check_at,
    attempts.c.target,
    attempts.c.recipients,
    attempts.c.outcome,
    attempts.c.evidence,
)
"""The columns of a `Request`."""


def last_request(session: Session, run_id: int) -> Request | None:
    """Return the run's last closed request, in the order that auto-pause goes by."""
    query = sa.select(*_REQUEST).where(attempts.c.run_id == run_id, attempts.c.state == AttemptState.CLOSED)
    row = session.execute(query.order_by(attempts.c.id.desc()).limit(1)).first()
    return Request(*row) if row else None


def requests_of(session: Session, batch_ids: Collection[int]) -> dict[int, list[Request]]:
    """Return the requests of each batch in order; a batch without one is left out."""
    found: dict[int, list[Request]] = defaultdict(list)
    for part in in_parts(sorted(batch_ids)):
        query = sa.select(*_REQUEST).where(attempts.c.batch_id.in_(part))
        for row in session.execute(query.order_by(attempts.c.id)):
            found[row[0]].append(Request(*row))
    return dict(found)


def rulings(session: Session, rows: Collection[Appearance]) -> dict[int, list[Ruling]]:
    """Return what people decided about recipients, by recipient, the oldest first.

    A decision about a contact list names nobody: it applies to everybody who came in through it.
    """
    by_run: dict[int, list[Appearance]] = defaultdict(list)
    for row in rows:
        by_run[row.run_id].append(row)
    query = sa.select(events.c.run_id, events.c.at, events.c.batch_id, events.c.detail).where(
        events.c.run_id.in_(sorted(by_run)), events.c.name == EventName.HELD_RESOLVED
    )
    found: dict[int, list[Ruling]] = defaultdict(list)
    for run_id, at, batch_id, detail in session.execute(query.order_by(events.c.id)):
        named = set(detail["recipients"])
        for row in by_run[run_id or 0]:
            if row.recipient_id in named or (row.list_id is not None and batch_id == row.batch_id):
                found[row.recipient_id].append(Ruling(at, detail["by"], detail["as"], row.list_id))
    return dict(found)


def answers_on_the_way(session: Session, rows: Collection[Appearance]) -> dict[int, list[datetime]]:
    """Return when people answered, by recipient, while the request with the step of this row was on its way."""
    of_steps = {row.run_id for row in rows if row.root_id is not None}
    found: dict[int, list[datetime]] = defaultdict(list)
    if not of_steps:
        return {}
    query = sa.select(events.c.at, events.c.detail).where(
        events.c.run_id.in_(sorted(of_steps)), events.c.name == EventName.STEP_ANSWERED
    )
    ids = {row.recipient_id for row in rows}
    for at, detail in session.execute(query.order_by(events.c.id)):
        for id_ in ids.intersection(detail["recipients"]):
            found[id_].append(at)
    return dict(found)


def batches_looked_up(session: Session, account_id: int) -> int:
    """Return how many batches of the account are in doubt: with too many of them nothing more is sent."""
    return session.scalars(
        sa.select(sa.func.count())
        .select_from(batches)
        .join(runs, runs.c.id == batches.c.run_id)
        .where(runs.c.account_id == account_id, batches.c.state == BatchState.UNKNOWN, NOT_WAITING)
    ).one()
