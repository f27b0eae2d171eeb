"""Campaigns that remind: each table is compared with what was planned before, and each day has its run."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from itertools import islice
from typing import Final
from zoneinfo import ZoneInfo

from sqlmodel import Session

from campaigns.access import Actor
from campaigns.audience import AudienceProblem
from campaigns.audience.earlier import EarlierCampaigns
from campaigns.codes import RunType
from campaigns.definition import Definition
from campaigns.lifecycle import RecipientState
from campaigns.planning.batching import BatchLimits, into_batches
from campaigns.planning.opened import read_through
from campaigns.planning.planned import PlannedRecipient
from campaigns.planning.planner import Plan
from campaigns.planning.reminders import plan_reminders
from campaigns.planning.replanning import Changes, compare_reminders
from campaigns.problems import CampaignFileError, Problem
from campaigns.take_up import NO_DATE, PLAN, decide
from scheduler.intake.earlier import earlier_in
from scheduler.intake.outcome import Intake, accepted, note_submitted, run_of
from scheduler.intake.planning import suppressed_in
from worker.limits.planned_limits import limits_of
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.bulk import in_parts
from worker.store.locks import lock_run
from worker.store.runs import plans, reminders, repetitions, versions
from worker.store.runs.held import reopen_run
from worker.store.sending import grants

AT_ONCE: Final = 2_000
"""How many reminders are compared at once: everything planned before for each of these people is in memory."""

WRITTEN_AT_ONCE: Final = 20_000
"""How many new or changed reminders are written at once: people with the same moment share a request only if written
together."""


def take_up_reminders(runtime: Runtime, definition: Definition, *, source: str, by: Actor) -> Intake:
    """Plan what is new in the tables of a campaign that reminds, and withdraw what is void. Sends nothing twice.

    Raises `EditRefused`, or `CampaignFileError` while planning; nothing has changed then.
    """
    with earlier_in(runtime.store, definition, rehearsal=runtime.rehearsal) as earlier:
        return _take_up(runtime, definition, earlier, source=source, by=by)


def _take_up(runtime: Runtime, definition: Definition, earlier: EarlierCampaigns, *, source: str, by: Actor) -> Intake:
    now = runtime.clock.now()
    plan = plan_reminders(definition, now, suppressed=suppressed_in(runtime.store, definition.kind), earlier=earlier)
    try:
        read_through(definition, earlier)
    except AudienceProblem as error:
        raise _refused(source, str(error)) from error
    with runtime.store.write("remind_register") as session:
        version = versions.register(session, definition, rehearsal=runtime.rehearsal, source=source, now=now)
        campaign_id, definition_id = version.campaign_id, version.definition_id
        known = repetitions.find_repeating(session, campaign_id)
        is_ended = known is not None and known.is_ended
        stays = None if is_ended else repetitions.replace_runs(session, campaign_id, by=RunType.REMINDER_DAY)
        decision = accepted(decide(stays, definition, source=source, has_sent=stays is not None, is_ended=is_ended))
        if decision != PLAN:
            return Intake(run_of(session, campaign_id, NO_DATE), decision.taken)
        repetitions.keep_repeating(session, campaign_id, definition_id=definition_id, since=now)
        for run_id in reminders.adopt_version(
            session,
            campaign_id,
            definition_id=definition_id,
            follow_seconds=definition.follow.until.total_seconds(),
            kind=definition.kind,
        ):
            grants.wake_run(session, run_id, now=now)
    limits = limits_of(definition, runtime.settings)
    done = _Planner(runtime, definition, campaign_id, definition_id, limits.request, now).carry_out(
        plan, partial(note_submitted, by=by, definition=definition, run_id=None, taken=decision.taken, source=source)
    )
    if problem := limits.too_dear(plan.longest_text):
        raise _refused(source, problem)
    with runtime.store.read() as session:
        return Intake(run_of(session, campaign_id, NO_DATE), decision.taken, done.new, done.in_doubt)


@dataclass(slots=True)
class _Done:
    """What a table changed."""

    new: int = 0
    withdrawn: int = 0
    replaced: int = 0
    in_doubt: int = 0
    days: set[int] = field(default_factory=set)  # runs that got something new


class _Planner:
    """Carries out one plan of one campaign, one part per transaction: the next plan does what was cut short."""

    def __init__(
        self,
        runtime: Runtime,
        definition: Definition,
        campaign_id: int,
        definition_id: int,
        limits: BatchLimits,
        now: datetime,
    ) -> None:
        self._runtime = runtime
        self._definition = definition
        self._campaign_id = campaign_id
        self._definition_id = definition_id
        self._now = now
        self._zone: ZoneInfo = definition.schedule.zone
        self._limits = limits
        self._done = _Done()

    def carry_out(self, plan: Plan, note: Callable[..., None]) -> _Done:
        rows, changed = iter(plan), list[PlannedRecipient]()
        while chunk := list(islice(rows, AT_ONCE)):
            # Most rows of a table that comes every night are known: only the others take a transaction.
            with self._runtime.store.read() as session:
                numbers = self._compare(session, chunk).numbers
            changed += [row for row in chunk if row.number in numbers]
            if len(changed) >= WRITTEN_AT_ONCE:
                self._write(changed)
                changed = []
        if changed:
            self._write(changed)
        self._finish(plan, note)
        done = self._done
        get_logger().info(
            "reminders.planned",
            campaign=self._definition.campaign,
            rows=plan.summary.audience,
            new=done.new,
            withdrawn=done.withdrawn,
            replaced=done.replaced,
        )
        return done

    def _compare(self, session: Session, rows: Sequence[PlannedRecipient]) -> Changes:
        changes = Changes()
        for some in in_parts(rows, AT_ONCE):
            known = reminders.known_of(session, self._campaign_id, {row.number for row in some})
            changes.add(compare_reminders(some, known, zone=self._zone, now=self._now))
        return changes

    def _write(self, rows: Sequence[PlannedRecipient]) -> None:
        done = self._done
        with self._runtime.store.write("remind_chunk") as session:
            reminders.lock_campaign(session, self._campaign_id)
            changes = self._compare(session, rows)
            # Lock every run before any of its rows, in one order, as an intent does.
            for run_id in sorted(set(_runs_of(changes))):
                lock_run(session, run_id)
            done.withdrawn += reminders.withdraw(session, changes.withdrawn)
            # Also for a day that is over, if the rows were held: its report has changed.
            reminders.show_again(session, {row.run_id for rows in changes.withdrawn.values() for row in rows})
            gone = reminders.take_back(session, [known for known, _ in changes.replaced])
            again = [row for known, row in changes.replaced if known.id in gone]
            for day, of_day in sorted(self._by_day([*changes.new, *again]).items()):
                self._insert(session, day, of_day)
            done.new += len(changes.new)
            done.replaced += len(again)
            done.in_doubt += changes.in_doubt

    def _by_day(self, rows: Sequence[PlannedRecipient]) -> dict[date, list[PlannedRecipient]]:
        """Group the rows by the day they leave; a row that never leaves, by the day on which that was found out."""
        days: dict[date, list[PlannedRecipient]] = defaultdict(list)
        for row in rows:
            at = row.departure.at if row.departure else self._now
            days[at.astimezone(self._zone).date()].append(row)
        return days

    def _insert(self, session: Session, day: date, rows: Sequence[PlannedRecipient]) -> None:
        found = reminders.find_day(session, self._campaign_id, day) or self._new_day(session, day)
        for placed in into_batches(rows, self._limits, chunk_rows=len(rows)):
            shifted = [(row, None if batch is None else found.first_ordinal + batch) for row, batch in placed]
            plans.insert_chunk(session, found.id, shifted, limits=self._limits)
        self._done.days.add(found.id)
        if any(row.state in {RecipientState.PENDING, RecipientState.HELD} for row in rows):
            reopen_run(session, found.id, self._now)
        reminders.show_again(session, [found.id])

    def _new_day(self, session: Session, day: date) -> reminders.DayRun:
        return reminders.new_day(
            session,
            self._campaign_id,
            day,
            account_id=self._runtime.account_id,
            definition_id=self._definition_id,
            follow_seconds=self._definition.follow.until.total_seconds(),
            kind=self._definition.kind,
            now=self._now,
        )

    def _finish(self, plan: Plan, note: Callable[..., None]) -> None:
        """Mark the days as fully planned, including those that an interrupted process began; note who submitted."""
        with self._runtime.store.read() as session:
            unplanned = reminders.unplanned_days(session, self._campaign_id)
        touched = sorted(self._done.days | set(unplanned))
        with self._runtime.store.write("remind_finish") as session:
            for run_id in touched:
                reminders.finish_day(
                    session, run_id, plan_hash=plan.hash, warnings=plan.summary.warnings, now=self._now
                )
            note(session, plan_hash=plan.hash, now=self._now)


def _runs_of(changes: Changes) -> Iterator[int]:
    for rows in changes.withdrawn.values():
        yield from (row.run_id for row in rows)
    yield from (known.run_id for known, _ in changes.replaced)


def _refused(source: str, problem: str) -> CampaignFileError:
    return CampaignFileError([Problem(source, 1, 1, "audience", problem)])
