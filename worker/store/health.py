"""The state of the database itself, and the work that waits in it. Nothing here writes."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import WaitsFor
from campaigns.lifecycle import BatchState, RunState
from worker.store.connections.revisions import revision_of, revisions
from worker.store.engine import Store
from worker.store.tables import GROUP_ID, accounts, attempts, batches, recipients, runs


@dataclass(frozen=True, slots=True)
class Schema:
    """The revision of a database (None: it has no schema), and the one that this version works with."""

    current: str | None
    head: str
    is_known: bool


@dataclass(frozen=True, slots=True)
class Backlog:
    """Batches whose job is in the queue, and those that are due and not in it, with the longest waiting of each.

    `due_since` leaves out campaigns whose next slot is yet to come: the rest of one waits for that, and for nobody.
    `served_at` is when the last request through the account began.
    """

    queued: int
    queued_since: datetime | None
    due: int
    due_since: datetime | None
    served_at: datetime | None


@dataclass(frozen=True, slots=True)
class KnownMessage:
    """A message that the gateway certainly has, and its request, if that was the only one of its batch.

    `id_floor`: the highest gateway ID seen before that request; None if several requests were made.
    """

    gateway_id: int
    group_id: str | None
    number: str
    accepted_at: datetime
    id_floor: int | None


def durability(store: Store) -> dict[str, str]:
    """Return what decides whether a commit survives a power cut, on a connection like those that write intents."""
    with store.engine.connect() as connection:
        if store.is_sqlite:
            questions = {name: f"PRAGMA {name}" for name in ("journal_mode", "synchronous")}
        else:
            questions = {name: f"SHOW {name}" for name in ("synchronous_commit", "fsync", "full_page_writes")}
        return {name: str(connection.exec_driver_sql(question).scalar()) for name, question in questions.items()}


def schema(store: Store) -> Schema:
    """Return which revision the schema is at."""
    known = revisions()
    with store.engine.connect() as connection:
        current = revision_of(connection)
    return Schema(current, known[-1], current is None or current in known)


def server_time(session: Session) -> datetime:
    """Return the time on the clock of a PostgreSQL server."""
    now: datetime = session.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    return now


def find_account(session: Session, key: str) -> int | None:
    """Return the id of the account with this fingerprint; None if nothing was ever planned for it."""
    return session.scalars(sa.select(accounts.c.id).where(accounts.c.key == key)).first()


def backlog(session: Session, account_id: int, run_ids: list[int], *, now: datetime) -> Backlog:
    """Return what waits to be sent: jobs of the whole account in the queue, and batches of these runs that are due."""
    queued = session.execute(
        sa.select(sa.func.count(), sa.func.min(batches.c.queued_at))
        .join(runs, runs.c.id == batches.c.run_id)
        .where(runs.c.account_id == account_id, batches.c.state == BatchState.QUEUED)
    ).one()
    planned = batches.c.run_id.in_(run_ids), batches.c.state == BatchState.PLANNED
    asleep = sa.select(batches.c.run_id).where(
        *planned, batches.c.waits_for == WaitsFor.THROTTLE, batches.c.not_before > now
    )
    due_at = sa.case((batches.c.run_id.not_in(asleep), batches.c.not_before))
    due = session.execute(
        sa.select(sa.func.count(), sa.func.min(due_at)).where(*planned, batches.c.not_before <= now)
    ).one()
    served_at = session.scalars(
        sa.select(attempts.c.started_at)
        .join(runs, runs.c.id == attempts.c.run_id)
        .where(runs.c.account_id == account_id)
        .order_by(attempts.c.id.desc())
        .limit(1)
    ).first()
    return Backlog(queued[0], queued[1], due[0], due[1], served_at)


def unsent_texts(session: Session, account_id: int) -> int:
    """Return how many texts of planned and running campaigns are still to be sent through the account, at most."""
    counted = session.scalars(
        sa.select(sa.func.coalesce(sa.func.sum(batches.c.recipients), 0))
        .join(runs, runs.c.id == batches.c.run_id)
        .where(
            runs.c.account_id == account_id,
            runs.c.state.in_([RunState.SCHEDULED, RunState.AWAITING_APPROVAL, RunState.RUNNING, RunState.PAUSED]),
            batches.c.state.in_([BatchState.PLANNED, BatchState.QUEUED]),
        )
    ).one()
    return int(counted)


def known_messages(session: Session, account_id: int, *, since: datetime, most: int) -> list[KnownMessage]:
    """Return the messages that the gateway accepted last, not before `since`, the newest first."""
    query = (
        sa.select(
            recipients.c.gateway_id,
            GROUP_ID,
            recipients.c.number,
            recipients.c.accepted_at,
            sa.case((batches.c.attempt == 1, attempts.c.id_floor)),
        )
        .join(runs, runs.c.id == recipients.c.run_id)
        .outerjoin(batches, batches.c.id == recipients.c.batch_id)
        .outerjoin(attempts, sa.and_(attempts.c.batch_id == batches.c.id, attempts.c.number == 1))
        .where(
            runs.c.account_id == account_id,
            recipients.c.gateway_id > 0,  # negative ones are of a gateway that is gone
            recipients.c.accepted_at >= since,
        )
        .order_by(recipients.c.gateway_id.desc())
        .limit(most)
    )
    return [KnownMessage(*row) for row in session.execute(query)]
