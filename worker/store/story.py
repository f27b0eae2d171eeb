"""Everything that is known of one person, over all campaigns, and of the requests of some batches."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session, col, select

from campaigns.codes import RunType
from campaigns.lifecycle import BatchState, RecipientState, RunState
from worker.store import words
from worker.store.events import EventName
from worker.store.models import Account, Attempt, AttemptState, Batch, Campaign, Event, Recipient, Retry, Run
from worker.store.tables import select_columns


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
    zones: str | None  # by whose clocks its window opens; empty: the campaign's
    list_id: int | None  # the contact list through which this person came in; its batch has no others
    slot: str  # of a reminder: which one it is
    parent_id: int | None = None  # the run whose failed texts its run sends again


@dataclass(frozen=True, slots=True)
class Request:
    """One POST of a batch. `outcome` and `evidence` are empty until it ended; `recipients` 0: to a contact list."""

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
    """Every row with one of these numbers, of the newest run first. Invalid rows are found by what stands in them."""
    columns: tuple[Any, ...] = (
        Recipient.id,
        Recipient.number,
        Recipient.state,
        Recipient.reason,
        Recipient.source,
        Recipient.line,
        Recipient.variant,
        Recipient.text,
        Recipient.segments,
        Recipient.gateway_id,
        Recipient.group_id,
        Recipient.device,
        Recipient.sim,
        Recipient.attempts,
        Recipient.gateway_retries,
        Recipient.result_code,
        Recipient.accepted_at,
        Recipient.sent_at,
        Recipient.delivered_at,
        Run.id,
        Run.type,
        Campaign.slug,
        Campaign.rehearsal,
        Run.definition_id,
        Run.state,
        words.RUN,
        Run.starts_at,
        Run.planned_at,
        Run.finished_at,
        Run.account_id,
        words.ACCOUNT,
        Batch.id,
        Batch.state,
        words.BATCH,
        Batch.not_before,
        Batch.zones,
        Batch.list_id,
        Recipient.slot,
        Run.parent_id,
    )
    query = (
        sa.select(*columns)
        .select_from(Recipient)
        .join(Run, col(Run.id) == col(Recipient.run_id))
        .join(Campaign, col(Campaign.id) == col(Run.campaign_id))
        .join(Account, col(Account.id) == col(Run.account_id))
        .outerjoin(Batch, col(Batch.id) == col(Recipient.batch_id))
        .where(col(Recipient.number).in_(sorted(numbers)))
        .order_by(col(Run.id).desc(), col(Recipient.occurrence))
    )
    return [Appearance(*row) for row in session.execute(query)]


@dataclass(frozen=True, slots=True)
class FailedTry:
    """A message of somebody that failed, and what follows from that.

    It is sent again at `due_at`, or was at `began_at`, or is not, because it was `dropped`. `doubled_at`: it turned out
    to have been sent after all.
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
    """The failed messages that are, or were, to be sent again, by recipient, the oldest first."""
    found: dict[int, list[FailedTry]] = defaultdict(list)
    ids = sorted(recipient_ids)
    for start in range(0, len(ids), 5_000):
        query = select_columns(
            Retry.recipient_id,
            Retry.batch_id,
            Retry.gateway_id,
            Retry.device,
            Retry.result_code,
            Retry.noticed_at,
            Retry.due_at,
            Retry.began_at,
            Retry.dropped,
            Retry.doubled_at,
        ).where(col(Retry.recipient_id).in_(ids[start : start + 5_000]))
        for row in session.exec(query.order_by(col(Retry.id))):
            found[row[0]].append(FailedTry(*row))
    return dict(found)


_REQUEST: Final = (
    Attempt.batch_id,
    Attempt.number,
    Attempt.state,
    Attempt.started_at,
    Attempt.send_by,
    Attempt.finished_at,
    Attempt.next_check_at,
    Attempt.target,
    Attempt.recipients,
    Attempt.outcome,
    Attempt.evidence,
)
"""What a `Request` is made of."""


def last_request(session: Session, run_id: int) -> Request | None:
    """The request of a run that was decided last in its order, as the pause of a run that asks goes by."""
    query = select_columns(*_REQUEST).where(Attempt.run_id == run_id, Attempt.state == AttemptState.CLOSED)
    row = session.exec(query.order_by(col(Attempt.id).desc()).limit(1)).first()
    return Request(*row) if row else None


def requests_of(session: Session, batch_ids: Collection[int]) -> dict[int, list[Request]]:
    """The requests of each batch in their order; a batch without one is left out."""
    found: dict[int, list[Request]] = defaultdict(list)
    ids = sorted(batch_ids)
    for start in range(0, len(ids), 5_000):  # below the 32,766 parameters that SQLite takes
        query = select_columns(*_REQUEST).where(col(Attempt.batch_id).in_(ids[start : start + 5_000]))
        for row in session.exec(query.order_by(col(Attempt.id))):
            found[row[0]].append(Request(*row))
    return dict(found)


def rulings(session: Session, rows: Collection[Appearance]) -> dict[int, list[Ruling]]:
    """What people decided about recipients, by recipient, the oldest first.

    A decision about a contact list names nobody: it is about everybody who came in through it.
    """
    by_run: dict[int, list[Appearance]] = defaultdict(list)
    for row in rows:
        by_run[row.run_id].append(row)
    query = select(Event.run_id, Event.at, Event.batch_id, Event.detail).where(
        col(Event.run_id).in_(sorted(by_run)), Event.name == EventName.HELD_RESOLVED
    )
    found: dict[int, list[Ruling]] = defaultdict(list)
    for run_id, at, batch_id, detail in session.exec(query.order_by(col(Event.id))):
        named = set(detail["recipients"])
        for row in by_run[run_id or 0]:
            if row.recipient_id in named or (row.list_id is not None and batch_id == row.batch_id):
                found[row.recipient_id].append(Ruling(at, detail["by"], detail["as"], row.list_id))
    return dict(found)


def batches_looked_up(session: Session, account_id: int) -> int:
    """How many batches of the account are in doubt: with too many of them nothing more is sent."""
    return session.exec(
        select(sa.func.count())
        .select_from(Batch)
        .join(Run, col(Run.id) == col(Batch.run_id))
        .where(Run.account_id == account_id, Batch.state == BatchState.UNKNOWN)
    ).one()
