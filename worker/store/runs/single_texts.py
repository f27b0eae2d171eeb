"""Runs of one day that take single texts, each for a reason of its own: answers to HELP, texts that programs ask for.

Whatever a day holds already, one more text costs the same: no query here looks at all of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import RunType
from campaigns.definition import Definition
from campaigns.lifecycle import RunState
from campaigns.planning.planned import PlannedRecipient
from campaigns.values.targets import Target
from worker.store.bulk import insert_missing
from worker.store.locks import lock_run
from worker.store.models import MessageKey
from worker.store.runs import plans, reminders, versions
from worker.store.runs.held import reopen_run
from worker.store.tables import attempts, campaigns, message_keys, recipients, runs

TAKES_NO_MORE = frozenset({RunState.CANCELLED, RunState.FAILED})


@dataclass(frozen=True, slots=True)
class SingleText:
    """One person's text, with its departure. `target`: the one device or SIM to send it by; empty: any."""

    row: PlannedRecipient
    target: str = ""


@dataclass(frozen=True, slots=True)
class DayOfTexts:
    """The run of a day. `takes_more`: it was not cancelled, and it sends through the account that was asked for."""

    id: int
    state: RunState
    takes_more: bool


def lock_texts(session: Session, slug: str, *, rehearsal: bool, now: datetime) -> int:
    """Return the id of the campaign of these texts, making it if it is missing, and lock it for this transaction.

    One transaction at a time decides who gets one. If two make it at once, neither fails.
    """
    made = insert_missing(session, campaigns).values(slug=slug, rehearsal=rehearsal, created_at=now)
    session.execute(made)
    mine = sa.select(campaigns.c.id).where(campaigns.c.slug == slug, campaigns.c.rehearsal == rehearsal)
    campaign_id: int = session.scalars(mine).one()
    reminders.lock_campaign(session, campaign_id)
    return campaign_id


def open_day(
    session: Session,
    campaign_id: int,
    definition: Definition,
    *,
    type: RunType,
    account_id: int,
    rehearsal: bool,
    source: str,
    now: datetime,
) -> DayOfTexts:
    """Return the run of this day (UTC), locked: nothing in it begins or ends before this transaction does.

    `source` says where the definition comes from, if the run is made now. The caller has locked the campaign.
    """
    day = now.astimezone(UTC).date()
    query = sa.select(runs.c.id).where(runs.c.campaign_id == campaign_id, runs.c.moment == day.isoformat())
    run_id = session.scalars(query).first()
    if run_id is None:
        version = versions.register(session, definition, rehearsal=rehearsal, source=source, now=now)
        run_id = reminders.new_day(
            session,
            campaign_id,
            day,
            account_id=account_id,
            definition_id=version.definition_id,
            follow_seconds=definition.follow.until.total_seconds(),
            kind=definition.kind,
            now=now,
            type=type,
        ).id
        plans.finish_plan(session, run_id, plan_hash=definition.content_hash, summary={}, now=now)
    lock_run(session, run_id)
    state, of_account = session.execute(sa.select(runs.c.state, runs.c.account_id).where(runs.c.id == run_id)).one()
    return DayOfTexts(run_id, RunState(state), state not in TAKES_NO_MORE and of_account == account_id)


def add_texts(session: Session, day: DayOfTexts, texts: Sequence[SingleText], *, now: datetime) -> bool:
    """Add texts to an open day, each in a request of its own; return whether the run sends.

    It does not if it is paused, or if the clock starts it first.
    """
    at = now.astimezone(UTC)
    # Ordinals say which of two that are due at once goes first; the time of day needs no look at the others.
    first = (at.hour * 3600 + at.minute * 60 + at.second) * 1000 + at.microsecond // 1000
    rows = [(text.row, first + place) for place, text in enumerate(texts)]
    plans.insert_chunk(session, day.id, rows, targets={first + place: text.target for place, text in enumerate(texts)})
    reopen_run(session, day.id, now)
    state: RunState = session.scalars(sa.select(runs.c.state).where(runs.c.id == day.id)).one()
    return state is RunState.RUNNING


@dataclass(frozen=True, slots=True)
class KeyUse:
    """What a key was used for: the recipient that it made, and the digest of the request."""

    recipient_id: int
    request_digest: str


@dataclass(frozen=True, slots=True)
class TextRow:
    """A single text: its recipient's id, number (E.164), run and batch."""

    id: int
    number: str
    run_id: int
    batch_id: int


def phone_of_reply(session: Session, recipient_id: int | None, device: int, sim: int | None) -> str:
    """Return the phone and SIM that got a reply, named as in the request of the text that it answers.

    A campaign may name a phone without its SIM: under another name, a limit of that SIM would be counted twice.
    """
    named = str(Target(device, sim))
    query = (
        sa.select(attempts.c.target)
        .join(recipients, recipients.c.batch_id == attempts.c.batch_id)
        .where(recipients.c.id == recipient_id, recipients.c.device == device, recipients.c.sim == sim)
        .where(attempts.c.target.in_([str(device), named]))
    )
    return session.scalars(query.order_by(attempts.c.id.desc()).limit(1)).first() or named


def find_key(session: Session, digest: str) -> KeyUse | None:
    """Return what the key was used for; None: nothing yet."""
    query = sa.select(message_keys.c.recipient_id, message_keys.c.request_digest)
    row = session.execute(query.where(message_keys.c.digest == digest)).first()
    return None if row is None else KeyUse(*row)


def use_key(session: Session, digest: str, recipient_id: int, request_digest: str, *, now: datetime) -> None:
    """Note what the key was used for. Raises `sqlalchemy.exc.IntegrityError` if it was used before."""
    session.add(MessageKey(digest=digest, recipient_id=recipient_id, request_digest=request_digest, created_at=now))
    session.flush()


def text_row(session: Session, *where: sa.ColumnElement[bool]) -> TextRow | None:
    """Return the single text that a program asked for and that matches."""
    query = sa.select(recipients.c.id, recipients.c.number, recipients.c.run_id, recipients.c.batch_id)
    mine = query.join(runs, runs.c.id == recipients.c.run_id).where(runs.c.type == RunType.MESSAGE, *where)
    row = session.execute(mine).first()
    return None if row is None else TextRow(*row)
