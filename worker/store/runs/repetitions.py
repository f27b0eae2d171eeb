"""Campaigns that make one run after another, and what is known of their runs."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.codes import RunType, as_moment, moment_of
from campaigns.lifecycle import RunState
from worker.store.models import Repetition
from worker.store.runs import plans
from worker.store.runs.runs import IS_OWN, RunView, has_sent, runs_of_another_kind
from worker.store.tables import (
    campaigns,
    definitions,
    inbox_files,
    repetitions,
    runs,
)
from worker.store.transitions import changed, move_run

OPEN: Final = frozenset(RunState) - {RunState.COMPLETED, RunState.CANCELLED}


@dataclass(frozen=True, slots=True)
class Repeating:
    """A campaign that repeats, and the version of its file that counts. Runs up to `since` do not belong to it."""

    campaign_id: int
    campaign: str
    definition_id: int
    source: str
    since: datetime
    is_ended: bool


@dataclass(frozen=True, slots=True)
class Firing:
    """One run of such a campaign: its moment, and how far it has come."""

    run_id: int
    moment: datetime
    state: RunState
    definition_id: int
    is_planned: bool


_IS_FIRING = runs.c.type == RunType.FIRING

_REPEATING = (
    sa.select(
        repetitions.c.campaign_id,
        campaigns.c.slug,
        repetitions.c.definition_id,
        definitions.c.source,
        repetitions.c.since,
        repetitions.c.is_ended,
    )
    .join(campaigns, campaigns.c.id == repetitions.c.campaign_id)
    .join(definitions, definitions.c.id == repetitions.c.definition_id)
)


_ALL: Final = _REPEATING.where(campaigns.c.rehearsal == sa.bindparam("b_rehearsal"), ~repetitions.c.is_ended).order_by(
    campaigns.c.id
)


def all_repeating(session: Session, *, rehearsal: bool) -> list[Repeating]:
    """Return the campaigns that make runs, in order."""
    return [Repeating(*row) for row in session.connection().execute(_ALL, {"b_rehearsal": rehearsal})]


def find_repeating(session: Session, campaign_id: int) -> Repeating | None:
    """Return the repetition of a campaign, ended or not."""
    row = session.execute(_REPEATING.where(repetitions.c.campaign_id == campaign_id)).first()
    return Repeating(*row) if row else None


def keep_repeating(session: Session, campaign_id: int, *, definition_id: int, since: datetime) -> None:
    """Let this version of its file make the campaign's runs from now on, those after `since`."""
    row = session.get(Repetition, campaign_id)
    if row is None:
        session.add(Repetition(campaign_id=campaign_id, definition_id=definition_id, since=since))
        session.flush()
        return
    new = sa.update(repetitions).where(repetitions.c.campaign_id == campaign_id)
    session.execute(new.values(definition_id=definition_id, since=since))


def end_repeating(session: Session, campaign_id: int) -> None:
    """End a repetition that somebody cancelled: it makes no more runs, whatever happens to its file."""
    session.execute(sa.update(repetitions).where(repetitions.c.campaign_id == campaign_id).values(is_ended=True))


def forget_repeating(session: Session, campaign_id: int) -> None:
    """Forget a repetition whose file is gone: it makes no run until the file is back."""
    session.execute(sa.delete(repetitions).where(repetitions.c.campaign_id == campaign_id))


def firings(session: Session, campaign_id: int, *, states: Collection[RunState] = tuple(RunState)) -> list[Firing]:
    """Return the runs of a campaign in these states, in the order of their moments."""
    columns: tuple[Any, ...] = (runs.c.id, runs.c.moment, runs.c.state, runs.c.definition_id, runs.c.planned_at)
    query = (
        sa.select(*columns)
        .where(runs.c.campaign_id == campaign_id, _IS_FIRING, runs.c.state.in_(list(states)))
        .order_by(runs.c.moment)
    )
    return [
        Firing(run_id, moment_of(name), state, definition_id, planned_at is not None)
        for run_id, name, state, definition_id, planned_at in session.execute(query)
    ]


def open_runs(session: Session, campaign_id: int) -> list[int]:
    """Return the runs of a campaign that are at work or waiting, in the order of their moments."""
    query = sa.select(runs.c.id).where(runs.c.campaign_id == campaign_id, IS_OWN, runs.c.state.in_(list(OPEN)))
    return list(session.scalars(query.order_by(runs.c.moment)))


def last_moment(session: Session, campaign_id: int) -> datetime | None:
    """Return the moment up to which a campaign has its runs."""
    query = sa.select(sa.func.max(runs.c.moment)).where(runs.c.campaign_id == campaign_id, _IS_FIRING)
    name = session.scalars(query).one()
    return moment_of(name) if name else None


def miss_firings(session: Session, run_id: int, *, last: datetime, reason: str, now: datetime) -> bool:
    """Let a run that was not planned in time stand for all that were missed up to `last`: it never sends.

    False: it is no longer waiting.
    """
    missed = move_run(
        RunState.CANCELLED,
        runs.c.id == run_id,
        runs.c.state == RunState.SCHEDULED,
        runs.c.planned_at.is_(None),
        moment=as_moment(last),
        starts_at=last,
        reason=reason,
        finished_at=now,
    )
    return bool(changed(session, missed))


def discard_run(session: Session, run_id: int) -> bool:
    """Delete a run from which nothing was sent, as if it had never been made. False: something was sent."""
    if _has_sent_for_good(session, run_id):
        return False
    session.execute(sa.update(inbox_files).where(inbox_files.c.run_id == run_id).values(run_id=None))
    plans.remove_steps(session, run_id)
    plans.remove_run(session, run_id)
    return True


def _has_sent_for_good(session: Session, run_id: int) -> bool:
    """Return whether something of a run was sent; the answer holds until this transaction ends."""
    session.scalars(sa.select(runs.c.id).where(runs.c.id == run_id).with_for_update()).one()
    return has_sent(session, run_id)


def replace_runs(session: Session, campaign_id: int, *, by: RunType) -> RunView | None:
    """Delete the runs that a campaign's file made before it made those of this type; None: done.

    Otherwise returns the first of them that has sent: then all of them stay.
    """
    others = runs_of_another_kind(session, campaign_id, by)
    stays = next((run for run in others if _has_sent_for_good(session, run.id)), None)
    if stays is None:
        for run in others:
            discard_run(session, run.id)
    return stays


def first_unfinished(session: Session, campaign_id: int, *, without: Collection[int] = ()) -> int | None:
    """Return the run that a campaign's file stands for: the first that is not over, or else the last one planned."""
    mine = sa.select(runs.c.id).where(runs.c.campaign_id == campaign_id, IS_OWN, runs.c.id.not_in(without))
    unfinished = session.scalars(mine.where(runs.c.finished_at.is_(None)).order_by(runs.c.moment).limit(1)).first()
    last = mine.order_by(runs.c.planned_at.is_(None), runs.c.moment.desc()).limit(1)
    return unfinished or session.scalars(last).first()


def point_files(session: Session, run_ids: Collection[int], *, to: int) -> None:
    """Make the files beside the files of these runs be about another run from now on."""
    files = sa.update(inbox_files).where(inbox_files.c.run_id.in_(run_ids))
    session.execute(files.values(run_id=to, reported=False, status_text=""))


def campaigns_of(session: Session, run_ids: Collection[int]) -> dict[int, int]:
    """Return run -> campaign."""
    query = sa.select(runs.c.id, runs.c.campaign_id).where(runs.c.id.in_(run_ids))
    return dict(session.execute(query).all())
