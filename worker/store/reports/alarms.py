"""Figures for the alerts. Each reads the end of an index and at most a fixed number of rows, however much is stored."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.alerts.figures import Share
from campaigns.codes import MADE_BY_FILES, WaitsFor
from campaigns.lifecycle import BatchState, RecipientState
from campaigns.optout.results import Meaning
from campaigns.protocol.verdicts import Verdict
from worker.store.events import EventName
from worker.store.models import AttemptState
from worker.store.notifications.outbox import NEWS
from worker.store.tables import attempts, batches, campaigns, events, groups, notices, recipients, replies, runs

MOST_EVENTS: Final = 5_000
MOST_GROUPS: Final = 500
"""Requests whose texts are counted by phone: with 100 people each, 50,000 texts take 0.1 s."""

RUNS_BEFORE: Final = 10
MOST_REQUESTS: Final = 5_000
TRIES: Final = 3
"""A call out that failed so often: the target is away for minutes."""


_newest = sa.select(sa.func.coalesce(sa.func.max(events.c.id), 0)).scalar_subquery()
_LATE_ARRIVALS: Final = sa.select(sa.func.count()).where(
    events.c.id > _newest - MOST_EVENTS,
    events.c.name.in_([EventName.LATE_ACCEPTANCE, EventName.DUPLICATE_ACCEPTANCE]),
    events.c.at >= sa.bindparam("b_since"),
)


def late_arrivals(session: Session, *, since: datetime) -> int:
    """Return how many requests arrived since then that had counted as lost, or that the gateway has twice."""
    return int(session.connection().execute(_LATE_ARRIVALS, {"b_since": since}).scalar_one())


_mine = runs.c.account_id == sa.bindparam("b_account")
_was_sent = attempts.c.outcome != Verdict.MISSED.value

_last = (
    sa.select(groups.c.batch_id, groups.c.id)
    .join(runs, runs.c.id == groups.c.run_id)
    .where(_mine, groups.c.accepted_at >= sa.bindparam("b_since"), groups.c.accepted_at < sa.bindparam("b_until"))
    .order_by(groups.c.accepted_at.desc())
    .limit(MOST_GROUPS)
    .subquery()
)
_FAILED_BY_PHONE: Final = (
    sa.select(
        recipients.c.device,
        sa.func.count(),
        sa.func.count(sa.case((recipients.c.state == RecipientState.FAILED, 1))),
    )
    .select_from(
        _last.join(
            recipients,
            sa.and_(
                recipients.c.batch_id == _last.c.batch_id,
                recipients.c.message_group_id == _last.c.id,
            ),
        )
    )
    .where(
        recipients.c.state.in_([RecipientState.FAILED, RecipientState.SENT, RecipientState.DELIVERED]),
        recipients.c.device.is_not(None),
    )
    .group_by(recipients.c.device)
)


def failed_by_phone(session: Session, account_id: int, *, since: datetime, until: datetime) -> dict[int, Share]:
    """Return by phone how many of its texts failed, of those that came to an end: of the last requests in this time."""
    values = {"b_account": account_id, "b_since": since, "b_until": until}
    found = session.connection().execute(_FAILED_BY_PHONE, values)
    return {device: Share(all_, bad) for device, all_, bad in found}


_RUNS_BEFORE: Final = (
    sa.select(runs.c.id)
    .where(_mine, runs.c.type.in_(MADE_BY_FILES), runs.c.finished_at.is_not(None))
    .order_by(runs.c.id.desc())
    .limit(RUNS_BEFORE)
)


def runs_before(session: Session, account_id: int) -> list[int]:
    """Return the last runs of campaigns that are over."""
    return list(session.connection().execute(_RUNS_BEFORE, {"b_account": account_id}).scalars())


_stops = (
    sa.select(sa.func.count())
    .where(replies.c.run_id == runs.c.id, replies.c.meaning == Meaning.STOP)
    .correlate(runs)
    .scalar_subquery()
)
_texts = (
    sa.select(sa.func.coalesce(sa.func.sum(attempts.c.recipients), 0))
    .where(attempts.c.run_id == runs.c.id, attempts.c.state == AttemptState.CLOSED, _was_sent)
    .correlate(runs)
    .scalar_subquery()
)
_OPT_OUTS: Final = (
    sa.select(campaigns.c.slug, _texts, _stops)
    .join(runs, runs.c.campaign_id == campaigns.c.id)
    .where(runs.c.id.in_(sa.bindparam("b_runs", expanding=True)))
)


def opt_outs(session: Session, run_ids: Collection[int]) -> dict[str, Share]:
    """Return by campaign how many people answered STOP, of the texts that these runs sent."""
    found: dict[str, Share] = {}
    for slug, all_, bad in session.connection().execute(_OPT_OUTS, {"b_runs": list(run_ids)}):
        before = found.get(slug, Share())
        found[slug] = Share(before.all + int(all_), before.bad + bad)
    return found


_REQUESTS: Final = (
    sa.select(batches.c.moment, attempts.c.finished_at)
    .select_from(attempts.join(batches, batches.c.id == attempts.c.batch_id).join(runs, runs.c.id == attempts.c.run_id))
    .where(
        _mine,
        runs.c.kind.in_(sa.bindparam("b_kinds", expanding=True)),
        attempts.c.granted_at >= sa.bindparam("b_since"),
        attempts.c.state == AttemptState.CLOSED,
        _was_sent,
    )
    .order_by(attempts.c.granted_at.desc())
    .limit(MOST_REQUESTS)
)


def requests_in_time(
    session: Session, account_id: int, kinds: Collection[str], *, since: datetime
) -> list[tuple[datetime, datetime]]:
    """Return when the last requests of campaigns of these kinds were due, and when the gateway had them."""
    values = {"b_account": account_id, "b_kinds": sorted(kinds), "b_since": since}
    return [(due, done) for due, done in session.connection().execute(_REQUESTS, values) if done is not None]


def unsent(session: Session, run_ids: Collection[int], *, before: datetime) -> dict[int, tuple[int, int]]:
    """Return by run how many texts, and segments, are to be sent before then, or wait for a budget."""
    wait = batches.c.state.in_([BatchState.PLANNED, BatchState.QUEUED])
    is_due = sa.or_(batches.c.not_before < before, batches.c.waits_for == WaitsFor.BUDGET)
    query = (
        sa.select(batches.c.run_id, sa.func.sum(batches.c.recipients), sa.func.sum(batches.c.segments))
        .where(batches.c.run_id.in_(run_ids), wait, is_due)
        .group_by(batches.c.run_id)
    )
    return {run_id: (int(texts), int(segments)) for run_id, texts, segments in session.execute(query)}


def texts_granted(session: Session, account_id: int, *, since: datetime) -> int:
    """Return how many texts were handed to the gateway since then."""
    query = (
        sa.select(sa.func.coalesce(sa.func.sum(attempts.c.recipients), 0))
        .join(runs, runs.c.id == attempts.c.run_id)
        .where(runs.c.account_id == account_id, attempts.c.granted_at >= since, _was_sent)
    )
    return int(session.execute(query).scalar_one())


_FAILING_CALLS: Final = (
    sa.select(notices.c.channel, notices.c.target, sa.func.count())
    .where(notices.c.ended_at.is_(None), notices.c.channel != NEWS)
    .group_by(notices.c.channel, notices.c.target)
    .having(sa.func.max(notices.c.tries) >= TRIES)
)


def failing_calls(session: Session) -> list[tuple[str, str, int]]:
    """Return the targets that do not take what they are told, as (channel, target, notices that wait for it)."""
    return [(channel, target, waiting) for channel, target, waiting in session.connection().execute(_FAILING_CALLS)]
