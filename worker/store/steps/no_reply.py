"""The same text once more to people who have it and did not reply: a step that no campaign file names.

Its rows are copied in one statement and get their batches as those of other steps do, with nothing to wait for. Every
intent reads its condition again.
"""

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import RunType, step_moment
from campaigns.definition.steps import StepCondition
from campaigns.lifecycle import RecipientState
from campaigns.phone_numbers.pseudonyms import ERASED_TEXT
from campaigns.protocol.bulk_actions import Cause, ResendOnly
from worker.store.events import EventName, record_event
from worker.store.following.standing import may_have_text
from worker.store.locks import lock_run
from worker.store.people.step_conditions import has_replied
from worker.store.runs import plans
from worker.store.runs.runs import RunView, create_run, run_views
from worker.store.steps.planned import steps_of
from worker.store.tables import inbox_files, recipients, runs, suppressions

ONLY: Final = ResendOnly.NO_REPLY.value
"""Whom such a run is for, in the summary of its plan (`only`), and the beginning of its name, before its number."""

HAS_IT: Final = (RecipientState.ACCEPTED, RecipientState.SENT, RecipientState.DELIVERED, RecipientState.EXPIRED)
"""States of a text that was handed over and, as far as anybody knows, did not fail."""

_COPIED: Final = tuple(
    recipients.c[name] for name in ("number", "occurrence", "slot", "source_id", "line", "variant", "text", "segments")
)


def no_reply_runs(session: Session, root_id: int) -> list[RunView]:
    """Return the runs that sent a run's text again to who did not reply, in order."""
    steps = steps_of(session, root_id)
    seen = run_views(session, steps)
    return [seen[id_] for id_ in steps if seen[id_].plan_summary.get("only") == ONLY]


def unfinished(session: Session, root_id: int) -> list[int]:
    """Return those of them that are not over."""
    return [run.id for run in no_reply_runs(session, root_id) if run.finished_at is None]


def count_no_reply(session: Session, root: RunView) -> dict[Cause, int]:
    """Count those who have a run's text, or had it sent again: `DONE` are those who get it once more, the others those
    who do not, if any."""
    cause = sa.case(
        (recipients.c.text == ERASED_TEXT, Cause.ERASED.value),
        (has_replied(root.id), Cause.REPLIED.value),
        (_has_later_text(root.id), Cause.LATER_TEXT.value),
        (_has_opted_out(root.kind), Cause.OPTED_OUT.value),
        else_=Cause.DONE.value,
    )
    counted = sa.select(cause.label("cause")).where(*_has_it(root.id)).subquery()
    rows = session.execute(sa.select(counted.c.cause, sa.func.count()).group_by(counted.c.cause))
    found = {Cause(name): int(people) for name, people in rows}
    return {Cause.DONE: 0, **{cause: found[cause] for cause in Cause if cause in found}}


def create_no_reply(session: Session, root: RunView, *, account_id: int, now: datetime) -> int | None:
    """Make a planned run with everybody who has the text of `root`, did not reply and has no later one; None if there
    is nobody.

    This is one transaction, under the root's lock: another call at the same time finds that these people wait for a
    later text.
    """
    lock_run(session, root.id)
    chosen = (
        *_has_it(root.id),
        recipients.c.text != ERASED_TEXT,
        ~has_replied(root.id),
        ~_has_later_text(root.id),
        ~_has_opted_out(root.kind),
    )
    if session.scalars(sa.select(recipients.c.id).where(*chosen).limit(1)).first() is None:
        return None
    name = f"{ONLY}:{len(no_reply_runs(session, root.id)) + 1}"
    run_id = create_run(
        session,
        campaign_id=root.campaign_id,
        account_id=account_id,
        definition_id=root.definition_id,
        starts_at=now,
        follow_seconds=root.follow_seconds,
        kind=root.kind,
        now=now,
        type=RunType.STEP,
        moment=step_moment(root.moment, name),
        root_id=root.id,
        previous_id=root.id,
        unless=StepCondition.REPLIED.value,
        only_if=None,
    )
    given: dict[str, Any] = {
        "run_id": run_id, "state": RecipientState.PENDING, "reason": "", "attempts": 0, "gateway_retries": 0,
        "resent_count": 0,
    }  # fmt: skip
    values = [sa.literal(value, recipients.c[key].type).label(key) for key, value in given.items()]
    rows = sa.select(*_COPIED, *values).where(*chosen).order_by(recipients.c.id)
    names = [column.name for column in _COPIED] + list(given)
    people = session.connection().execute(sa.insert(recipients).from_select(names, rows)).rowcount
    counts = {RecipientState.PENDING.value: people}
    summary = {"only": ONLY, "audience": people, "counts": counts}
    plans.finish_plan(session, run_id, plan_hash=root.plan_hash, summary=summary, now=now)
    approved = sa.select(runs.c.approved_hash, runs.c.approved_at).where(runs.c.id == root.id)
    # Whoever asks for it need not approve it as well: it is the same text to people of the approved plan.
    by, at = session.execute(approved).one()
    session.execute(sa.update(runs).where(runs.c.id == run_id).values(approved_hash=by, approved_at=at))
    detail = {"root": root.id, "people": people}
    record_event(session, EventName.NO_REPLY_RESENT, now, run_id=run_id, detail=detail)
    # The files beside the campaign's file are written once more when this one is over.
    session.execute(
        sa.update(inbox_files).where(inbox_files.c.run_id == root.id).values(reported=False, status_text="")
    )
    return run_id


def _has_it(root_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    chain = sa.select(runs.c.id).where(sa.or_(runs.c.id == root_id, runs.c.parent_id == root_id))
    return (
        recipients.c.run_id.in_(chain),
        recipients.c.state.in_(HAS_IT),
        recipients.c.accepted_at.is_not(None),
    )


def _has_opted_out(kind: str) -> sa.ColumnElement[bool]:
    return sa.exists().where(
        suppressions.c.number == recipients.c.number,
        suppressions.c.ended_at.is_(None),
        suppressions.c.kind.in_(["", kind]),
    )


def _has_later_text(root_id: int) -> sa.ColumnElement[bool]:
    """Match rows of people to whom a later text of the campaign went, or may go."""
    later, of_later = recipients.alias("later"), runs.alias("of_later")
    return sa.exists().where(
        later.c.number == recipients.c.number,
        later.c.slot == recipients.c.slot,
        later.c.run_id == of_later.c.id,
        of_later.c.id > recipients.c.run_id,
        sa.or_(of_later.c.root_id == root_id, of_later.c.parent_id == root_id),
        may_have_text(later),
    )
