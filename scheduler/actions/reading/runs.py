"""How far campaigns are, and which of their runs are meant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final
from zoneinfo import ZoneInfo

from sqlmodel import Session

from campaigns.codes import RunType
from campaigns.lifecycle import RunState
from campaigns.money.amounts import MoneyAmount
from scheduler.actions.naming import latest_run
from scheduler.actions.reading.pages import Page
from scheduler.intake.approving import awaited
from scheduler.report.course import Pace, SeenCourse, pace, reason, seen_course
from scheduler.report.limits import slowed_devices
from scheduler.report.summary import RunProgress
from worker.definitions import Definitions
from worker.store.engine import Store
from worker.store.following.devices import stuck_devices
from worker.store.people.unsubscriptions import reached_all_the_same
from worker.store.reports import courses
from worker.store.reports.counts import (
    books_of,
    count_replies,
    failures,
    kept,
    sent_after_all,
    states,
    together,
    whole_books,
)
from worker.store.reports.lists import campaigns_after
from worker.store.reports.variants import GroupOutcome, group_outcomes, whole_outcome
from worker.store.reports.waiting import outlooks
from worker.store.runs.approvals import approval_of
from worker.store.runs.reminders import every_day
from worker.store.runs.resends import resends_of
from worker.store.runs.runs import RunView, campaign_runs, list_runs, run_view, runs_of_campaigns
from worker.store.steps.planned import paused_steps, steps_of

AT_WORK: Final = tuple(set(RunState) - {RunState.COMPLETED, RunState.CANCELLED, RunState.FAILED})

OTHERS: Final = 10
"""How many runs of a campaign that repeats are listed beside the one that is shown."""


def state_of(store: Store, campaign: str) -> RunState:
    """Return the state of a campaign's latest run. Raises `Refused` for an unknown campaign."""
    with store.read() as session:
        return latest_run(session, campaign).state


def read_runs(store: Store, campaign: str | None, number: int | None = None, *, now: datetime) -> list[RunProgress]:
    """Return how far one campaign is, or one run of it, or all campaigns, the oldest first.

    A campaign that repeats has its unfinished runs and the last finished one. One that reminds is one entry, with the
    books of all its days. Raises `Refused` for an unknown campaign.
    """
    definitions = Definitions(store)
    with store.read() as session:
        runs = _current(list_runs(session)) if campaign is None else [latest_run(session, campaign, number)]
        return _progress(session, definitions, runs, campaign, number, now=now)


def read_at_work(store: Store, *, now: datetime) -> list[RunProgress]:
    """Return how far the runs are that have not ended, as `read_runs` does, the oldest first."""
    definitions = Definitions(store)
    with store.read() as session:
        runs = _current(list_runs(session, AT_WORK))
        return _progress(session, definitions, runs, None, None, now=now)


def read_campaigns(store: Store, *, after: int, limit: int, now: datetime) -> Page[RunProgress]:
    """Return how far campaigns are, the oldest first, as `read_runs` does: at most `limit` campaigns."""
    definitions = Definitions(store)
    with store.read() as session:
        ids, place = campaigns_after(session, after=after, limit=limit)
        runs = _current(runs_of_campaigns(session, ids))
        return Page(_progress(session, definitions, runs, None, None, now=now), place)


def read_course(store: Store, seen: RunProgress, *, now: datetime) -> SeenCourse:
    """Return the course of a run up to now, or to its end. What changed since it was last written down is added."""
    run = seen.run
    with store.read() as session:
        course, known = courses.load_course(session, run.id)
        counts = courses.stages(states(kept(session, [run.id])[run.id]))
    grown = [count - before for count, before in zip(counts, course.totals, strict=True)]
    if any(grown) and course.added:
        course.add((run.finished_at or now).timestamp(), *grown)
    lines = tuple(course.line(kind) for kind in range(course.kinds))
    return seen_course(seen, run, lines, known, now)


@dataclass(frozen=True, slots=True)
class RunLine:
    """A run on a list: why it is not further (empty: nothing is in its way), and how it keeps its forecast."""

    seen: RunProgress
    reason: str
    pace: Pace


def run_lines(store: Store, rows: Sequence[RunProgress], zone: ZoneInfo, *, now: datetime) -> list[RunLine]:
    """Return runs as lines of a list."""
    with store.read() as session:
        bottlenecks = courses.last_bottlenecks(
            session, [seen.run.id for seen in rows if seen.run.state is RunState.RUNNING]
        )
    return [RunLine(seen, reason(seen, bottlenecks.get(seen.run.id), zone), pace(seen, now)) for seen in rows]


def read_now(store: Store, zone: ZoneInfo, *, now: datetime) -> list[RunLine]:
    """Return the runs that have not ended, the oldest first."""
    return run_lines(store, read_at_work(store, now=now), zone, now=now)


def read_line(store: Store, campaign: str, zone: ZoneInfo, *, number: int | None = None, now: datetime) -> RunLine:
    """Return one run, as `read_runs` finds it. Raises `Refused`."""
    return run_lines(store, read_runs(store, campaign, number, now=now)[:1], zone, now=now)[0]


def read_comparison(store: Store, campaigns: Sequence[str], *, now: datetime) -> Sequence[GroupOutcome]:
    """Return the groups of one campaign, or each of several as a whole: of its latest run and what was
    sent again. Raises `Refused`.
    """
    seen = [read_runs(store, campaign, now=now)[0] for campaign in campaigns]
    if len(seen) == 1:
        return seen[0].groups
    with store.read() as session:
        return [
            whole_outcome(session, each.run, each.outcome.by_state, [run.id for run, _ in each.again]) for each in seen
        ]


def _progress(
    session: Session,
    definitions: Definitions,
    runs: Sequence[RunView],
    campaign: str | None,
    number: int | None,
    *,
    now: datetime,
) -> list[RunProgress]:
    in_detail = campaign is not None
    days = {run.id: every_day(session, run.campaign_id) for run in runs if number is None and run.day}
    others: tuple[RunView, ...] = ()
    if campaign is not None and runs[0].type is not RunType.ONCE:
        made = campaign_runs(session, campaign)
        others = tuple(run for run in made if run.id != runs[0].id and run.is_own)[-OTHERS:]
    again = {run.id: resends_of(session, run.id) for run in runs if in_detail}
    later = {run.id: steps_of(session, run.id) for run in runs if in_detail}
    at_work = {run.account_id for run in runs if run.finished_at is None}
    goes_on = [run.id for run in runs if run.finished_at is None and run.state is not RunState.PAUSED]
    paused = paused_steps(session, goes_on)
    slowed = {account: tuple(slowed_devices(session, account, now)) for account in at_work}
    stuck = {account: tuple(stuck_devices(session, account)) for account in at_work}
    resent = {run.id: books_of(session, ids) if (ids := again.get(run.id)) else {} for run in runs}
    steps = {id_: books_of(session, ids) if ids else {} for id_, ids in later.items()}
    counted = books_of(session, {id_ for run in runs for id_ in days.get(run.id, [run.id])})
    reached = reached_all_the_same(session, [run.id for run in runs])
    ahead = outlooks(session, kept(session, [run.id for run in runs]))
    return [
        RunProgress(
            run,
            together(counted[id_] for id_ in days.get(run.id, [run.id])),
            ahead[run.id],
            slowed.get(run.account_id, ()),
            others,
            group_outcomes(session, run, again[run.id]) if in_detail else (),
            awaited(run, definitions.get(run.definition_id)) if run.started_at is None else "",
            tuple(failures(session, run.id)) if in_detail else (),
            stuck.get(run.account_id, ()),
            count_replies(session, *days.get(run.id, [run.id]), *again[run.id]) if in_detail else {},
            reached[run.id],
            tuple((run_view(session, id_), of_run) for id_, of_run in resent[run.id].items()),
            sent_after_all(session, resent[run.id]),
            approval_of(session, run) if in_detail else None,
            _total_budget(run, definitions),
            tuple((run_view(session, id_), of_step) for id_, of_step in steps.get(run.id, {}).items()),
            whole_books(session, run.id) if later.get(run.id) else None,
            tuple(step for step in paused if step.root_id == run.id),
        )
        for run in runs
    ]


def _total_budget(run: RunView, definitions: Definitions) -> MoneyAmount | None:
    """Return what a campaign of one run may cost in all; None: nothing limits that, or it shares it with other runs."""
    if run.type is not RunType.ONCE or not run.plan_summary.get("cost"):
        return None
    definition = definitions.find(run.definition_id)
    return None if definition is None or definition.throughput.budget is None else definition.throughput.budget.total


def _current(runs: Sequence[RunView]) -> list[RunView]:
    """Return the runs to show: no tests, and no finished run that a later run of its campaign has followed.

    Of the days of reminders, only the next one is shown, or the last one if all are over. Steps are shown with their
    run, and alone where that is not.
    """
    own = {run.id for run in runs if run.is_own}
    again = [run for run in runs if not run.is_own and run.finished_at is None]
    again = [run for run in again if run.parent_id is not None or run.root_id not in own]
    runs = [run for run in runs if run.type is not RunType.TEST and run.is_own]
    last_over = {run.campaign_id: run.id for run in runs if run.finished_at is not None}
    of_days = sorted((run for run in runs if run.day), key=attrgetter("day"))
    days = {run.campaign_id: run.id for run in of_days if run.finished_at is not None}
    days |= {run.campaign_id: run.id for run in reversed(of_days) if run.finished_at is None}
    shown = [
        run
        for run in runs
        if days.get(run.campaign_id, run.id) == run.id
        and (run.campaign_id in days or run.finished_at is None or last_over[run.campaign_id] == run.id)
    ]
    return sorted([*shown, *again], key=attrgetter("id"))
