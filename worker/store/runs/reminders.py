"""Campaigns that remind: a run for each day on which texts are due, planned again whenever a table arrives."""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Session

from campaigns.codes import DAYS, PausedBy, RunType
from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.planning.replanning import EarlierRow
from worker.store.bulk import in_parts
from worker.store.locks import lock_run
from worker.store.people import erased
from worker.store.runs.plans import finish_plan, next_ordinal
from worker.store.runs.runs import create_run, pause_run
from worker.store.tables import attempts, batches, campaigns, inbox_files, recipients, runs
from worker.store.transitions import changed, move_batch, move_recipients

_IS_DAY = runs.c.type.in_(DAYS)

_numbers = sa.bindparam("b_numbers", type_=sa.Text)


def lock_campaign(session: Session, campaign_id: int) -> None:
    """Let one transaction at a time plan a campaign: it looks for a reminder in all runs before it writes it to one."""
    session.scalars(
        sa.select(campaigns.c.id).where(campaigns.c.id == campaign_id).with_for_update(key_share=True)
    ).one()


_has_to_be_looked_up = sa.exists().where(attempts.c.batch_id == recipients.c.batch_id, attempts.c.outcome != "not_sent")
"""A request of its batch may have arrived. For people who are held, this is the question that a person must answer."""

_unsent = sa.case(
    (recipients.c.state == RecipientState.PENDING, sa.true()),
    (
        recipients.c.state == RecipientState.HELD,
        sa.or_(recipients.c.attempts == 0, sa.and_(recipients.c.batch_id.is_not(None), ~_has_to_be_looked_up)),
    ),
    else_=sa.false(),
)
"""Pending, or held for being late: known not to have been sent."""


def _wanted(dialect: str) -> sa.TableValuedAlias:
    if dialect == "sqlite":
        return sa.func.json_each(_numbers).table_valued("value", name="wanted")
    return sa.func.jsonb_array_elements_text(sa.cast(_numbers, JSONB)).table_valued("value", name="wanted")


def _known(dialect: str) -> sa.Select[Any]:
    wanted = _wanted(dialect)
    pending = recipients.c.state == RecipientState.PENDING
    return (
        sa.select(
            recipients.c.id,
            recipients.c.run_id,
            recipients.c.batch_id,
            recipients.c.number,
            recipients.c.slot,
            recipients.c.occurrence,
            recipients.c.state,
            recipients.c.gateway_id.is_not(None),
            _unsent,
            recipients.c.attempts,
            sa.case((pending, recipients.c.text), else_=""),
            batches.c.zones,
            batches.c.moment,
            batches.c.latest,
        )
        # One person after the other, by their index; otherwise SQLite would search every run for every number.
        .select_from(wanted.join(recipients, recipients.c.number == wanted.c.value))
        .join(runs, runs.c.id == recipients.c.run_id)
        .outerjoin(batches, sa.and_(batches.c.id == recipients.c.batch_id, pending))
        .where(sa.func.coalesce(runs.c.campaign_id, 0) == sa.bindparam("b_campaign"))  # prevents the use of its index
        .order_by(recipients.c.id)
    )


_KNOWN: Final = {dialect: _known(dialect) for dialect in ("sqlite", "postgresql")}


def known_of(session: Session, campaign_id: int, numbers: Collection[str]) -> list[EarlierRow]:
    """Return every row of a campaign with one of these numbers, in all of its runs, the oldest first.

    Those of people who were erased have the number again.
    """
    connection = session.connection()
    hashed = erased.hashes(session, numbers)
    values = {"b_numbers": json.dumps(sorted({*numbers, *hashed})), "b_campaign": campaign_id}
    rows = (EarlierRow(*row) for row in connection.execute(_KNOWN[connection.dialect.name], values))
    return [row._replace(number=hashed[row.number]) if row.number in hashed else row for row in rows]


def known_in(session: Session, run_id: int, numbers: Collection[str]) -> list[EarlierRow]:
    """Return every row of one run with one of these numbers."""
    campaign_id = session.scalars(sa.select(runs.c.campaign_id).where(runs.c.id == run_id)).one()
    return [row for row in known_of(session, campaign_id, numbers) if row.run_id == run_id]


@dataclass(frozen=True, slots=True)
class DayRun:
    """The run of one day. `first_ordinal`: the ordinal of its next batch."""

    id: int
    state: RunState
    first_ordinal: int


def find_day(session: Session, campaign_id: int, day: date) -> DayRun | None:
    """Return the campaign's run for this day, locked: nothing in it begins or ends before this transaction does."""
    query = sa.select(runs.c.id).where(runs.c.campaign_id == campaign_id, runs.c.moment == day.isoformat())
    run_id = session.scalars(query).first()
    if run_id is None:
        return None
    lock_run(session, run_id)
    state = session.scalars(sa.select(runs.c.state).where(runs.c.id == run_id)).one()
    return DayRun(run_id, RunState(state), next_ordinal(session, run_id))


def new_day(
    session: Session,
    campaign_id: int,
    day: date,
    *,
    account_id: int,
    definition_id: int,
    follow_seconds: float,
    kind: str,
    now: datetime,
    type: RunType = RunType.REMINDER_DAY,
) -> DayRun:
    """Make a run for this day, without a plan yet; paused if somebody has paused the campaign."""
    is_paused = _is_paused_by_hand(session, campaign_id)
    run_id = create_run(
        session,
        campaign_id=campaign_id,
        account_id=account_id,
        definition_id=definition_id,
        starts_at=now,
        follow_seconds=follow_seconds,
        kind=kind,
        now=now,
        type=type,
        moment=day.isoformat(),
    )
    if is_paused:
        pause_run(session, run_id, PausedBy.PERSON, now=now)
    return DayRun(run_id, RunState.SCHEDULED, 0)


def _is_paused_by_hand(session: Session, campaign_id: int) -> bool:
    paused = (runs.c.campaign_id == campaign_id, runs.c.paused_by == PausedBy.PERSON)
    return session.scalars(sa.select(runs.c.id).where(*paused).limit(1)).first() is not None


def unfinished_days(session: Session, campaign_id: int) -> list[int]:
    """Return the runs of a campaign's days that are not over, in the order of the days."""
    mine = (runs.c.campaign_id == campaign_id, _IS_DAY, runs.c.finished_at.is_(None))
    return list(session.scalars(sa.select(runs.c.id).where(*mine).order_by(runs.c.moment)))


def adopt_version(
    session: Session, campaign_id: int, *, definition_id: int, follow_seconds: float, kind: str
) -> list[int]:
    """Apply another version of the file to all days that are not over; return the runs that had a different one."""
    mine = (runs.c.campaign_id == campaign_id, _IS_DAY, runs.c.finished_at.is_(None))
    others = list(session.scalars(sa.select(runs.c.id).where(*mine, runs.c.definition_id != definition_id)))
    if others:
        values = {"definition_id": definition_id, "follow_seconds": follow_seconds, "kind": kind}
        session.execute(sa.update(runs).where(runs.c.id.in_(others)).values(**values))
    return others


def every_day(session: Session, campaign_id: int) -> list[int]:
    """Return the runs of a campaign's days."""
    mine = sa.select(runs.c.id).where(runs.c.campaign_id == campaign_id, _IS_DAY)
    return list(session.scalars(mine.order_by(runs.c.moment)))


def unplanned_days(session: Session, campaign_id: int) -> list[int]:
    """Return days whose plan was interrupted."""
    mine = (runs.c.campaign_id == campaign_id, _IS_DAY, runs.c.planned_at.is_(None))
    return list(session.scalars(sa.select(runs.c.id).where(*mine).order_by(runs.c.id)))


def finish_day(session: Session, run_id: int, *, plan_hash: str, warnings: Sequence[str], now: datetime) -> None:
    """Finish the plan of a day as far as it is known: it starts with the first of its texts."""
    first = sa.select(sa.func.min(batches.c.moment)).where(
        batches.c.run_id == run_id, batches.c.state != BatchState.CANCELLED
    )
    starts_at = sa.case(
        (runs.c.started_at.is_(None), sa.func.coalesce(first.scalar_subquery(), runs.c.starts_at)),
        else_=runs.c.starts_at,
    )
    session.execute(sa.update(runs).where(runs.c.id == run_id).values(starts_at=starts_at))
    finish_plan(session, run_id, plan_hash=plan_hash, summary={"warnings": list(warnings)}, now=now)


def withdraw(session: Session, reasons: Mapping[str, Sequence[EarlierRow]]) -> int:
    """Never send these rows, as far as they are still unsent; return how many. `reasons`: why -> the rows."""
    count = 0
    for reason, rows in reasons.items():
        for some in in_parts(rows):
            unsent = (recipients.c.id.in_([row.id for row in some]), _unsent)
            count += changed(session, move_recipients(RecipientState.CANCELLED, *unsent, reason=reason))
    trim_batches(session, {row.batch_id for rows in reasons.values() for row in rows if row.batch_id is not None})
    return count


def take_back(session: Session, rows: Sequence[EarlierRow]) -> set[int]:
    """Delete rows that are planned again, as far as nobody has tried to send them meanwhile; return which."""
    gone: set[int] = set()
    for some in in_parts(rows):
        untried = (recipients.c.state == RecipientState.PENDING, recipients.c.attempts == 0)
        delete = sa.delete(recipients).where(recipients.c.id.in_([row.id for row in some]), *untried)
        gone |= set(session.scalars(delete.returning(recipients.c.id)))
    trim_batches(session, {row.batch_id for row in rows if row.id in gone and row.batch_id is not None})
    return gone


def trim_batches(session: Session, batch_ids: Collection[int]) -> None:
    """Count who is left in batches that wait or are held; those with nobody left end."""
    waiting = batches.c.state.in_([BatchState.PLANNED, BatchState.QUEUED, BatchState.HELD])
    waits = sa.case((batches.c.state == BatchState.HELD, RecipientState.HELD), else_=RecipientState.PENDING)
    left = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(recipients.c.segments), 0)).where(
        recipients.c.batch_id == batches.c.id, recipients.c.state == waits
    )
    count, segments = left.with_only_columns(left.selected_columns[0]), left.with_only_columns(left.selected_columns[1])
    for some in in_parts(sorted(batch_ids)):
        these = batches.c.id.in_(some)
        totals = {"recipients": count.scalar_subquery(), "segments": segments.scalar_subquery()}
        session.execute(sa.update(batches).where(these, waiting).values(**totals))
        nobody = (these, waiting, batches.c.recipients == 0, batches.c.list_id.is_(None))
        session.execute(move_batch(BatchState.CANCELLED, *nobody, reason="nobody is left in it"))


def show_again(session: Session, run_ids: Collection[int]) -> None:
    """Have the files beside the files of these runs written once more."""
    files = sa.update(inbox_files).where(inbox_files.c.run_id.in_(run_ids))
    session.execute(files.values(reported=False, status_text=""))
