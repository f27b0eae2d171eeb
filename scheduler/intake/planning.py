"""The plan of a run: who gets which text when, stored in chunks."""

import json
from collections import deque
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from campaigns.access import Actor
from campaigns.audience import AudienceProblem
from campaigns.audience.earlier import EarlierCampaigns
from campaigns.definition import Definition, Kind
from campaigns.definition.schedule import LocalTime
from campaigns.forecast import Agenda, forecast
from campaigns.lifecycle import RecipientState
from campaigns.message.refusals import TemplateProblem
from campaigns.message.segments import segmentation
from campaigns.money.budgets import Objection
from campaigns.money.costs import Pricing
from campaigns.planning.approval import Approvable, is_needed, to_approve
from campaigns.planning.batching import CHUNK_ROWS, BatchLimits, into_batches
from campaigns.planning.figures import summary_json
from campaigns.planning.planner import Plan, Suppressed, plan_recipients
from campaigns.planning.repeats import WITHIN, AlreadyTold, ToldBefore, literal_as_seen
from campaigns.problems import CampaignFileError, Problem
from campaigns.steps.figures import placed as placed_steps
from campaigns.take_up import Taken
from campaigns.timing.placing import Placer
from scheduler.intake.earlier import earlier_in
from scheduler.intake.month_so_far import month_so_far
from scheduler.intake.objections import objections, too_late_to_hand_over
from scheduler.intake.outcome import QuotaSpent, count_people, note_submitted
from scheduler.intake.plan_warnings import plan_warnings
from worker import tracing
from worker.limits.batch_limits import gates
from worker.limits.bills import pricing_of
from worker.limits.limits_in_force import Ceilings
from worker.limits.money import money_budgets
from worker.limits.planned_limits import limits_of
from worker.logs import get_logger
from worker.memory import give_back
from worker.runtime import Runtime
from worker.store.engine import Store
from worker.store.people import suppressions
from worker.store.runs import approvals, plans, runs, versions
from worker.store.sending import same_texts
from worker.store.steps import planned as planned_steps

LARGE: Final = 10_000
"""A plan with this many people changes the statistics that the database needs about its tables."""


def plan_run(
    runtime: Runtime,
    run_id: int,
    definition: Definition,
    source: str,
    *,
    firing: datetime | None = None,
    submitted: "Submission | None" = None,
) -> None:
    """Plan an unplanned run from the current tables. Raises `CampaignFileError`, `QuotaSpent`; the run has then failed.

    `firing` is the moment of a run that repeats. `submitted`: who asked for this plan, unless the service itself did.
    """
    with (
        tracing.span("plan", campaign=definition.campaign, run=run_id) as note,
        earlier_in(runtime.store, definition, rehearsal=runtime.rehearsal) as earlier,
    ):
        note(recipients=_plan_run(runtime, run_id, definition, source, earlier, firing, submitted))


@dataclass(frozen=True, slots=True)
class Submission:
    """Who submitted a file, and to how many people of it they are already counted to send today."""

    by: Actor
    counted: int = 0


def people_of(runtime: Runtime, definition: Definition) -> int | None:
    """Return how many people a plan would send to now; None for a contact list. Stores nothing.

    It is 0 if the plan cannot be made: `plan_run` says why.
    """
    if definition.contact_list:
        return None
    with earlier_in(runtime.store, definition, rehearsal=runtime.rehearsal) as earlier:
        pricing = pricing_now(runtime, definition, runtime.ceilings.current())
        plan = _plan(runtime, definition, Placer(definition.schedule, runtime.clock.now()), earlier, pricing)
        try:
            deque(plan, maxlen=0)
        except (AudienceProblem, TemplateProblem):
            return 0
    return plan.summary.counts.get(RecipientState.PENDING, 0)


def _plan(
    runtime: Runtime, definition: Definition, placer: Placer, earlier: EarlierCampaigns, pricing: Pricing | None
) -> Plan:
    return plan_recipients(
        definition,
        placer=placer,
        suppressed=suppressed_in(runtime.store, definition.kind),
        already_told=already_told_in(runtime.store, definition, runtime.account_id, runtime.clock.now()),
        earlier=earlier,
        pricing=pricing,
    )


def pricing_now(runtime: Runtime, definition: Definition, ceilings: Ceilings) -> Pricing | None:
    """Return the prices by which a campaign is planned now; None: there are none."""
    return pricing_of(runtime.prices.current(), ceilings, runtime.settings.zone, definition, runtime.clock.now())


def _plan_run(
    runtime: Runtime,
    run_id: int,
    definition: Definition,
    source: str,
    earlier: EarlierCampaigns,
    firing: datetime | None,
    submitted: Submission | None,
) -> int:
    """Return the size of the audience."""
    now = runtime.clock.now()
    if problem := too_late_to_hand_over(definition.schedule, now):  # before a large table is read
        raise _failed(runtime, run_id, definition, Problem(source, 1, 1, "schedule.start", problem), submitted)
    for path, problem, hint in runtime.settings.policy.broken_by(definition):  # rules newer than what was stored
        raise _failed(
            runtime, run_id, definition, Problem(source, 1, 1, ".".join(map(str, path)), problem, hint), submitted
        )
    placer = Placer(definition.schedule, now, firing=firing)
    # Looked at once: what is planned, forecast and refused has the same limits and prices.
    ceilings, zone = runtime.ceilings.current(), runtime.settings.zone
    pricing = pricing_now(runtime, definition, ceilings)
    try:
        plan = _plan(runtime, definition, placer, earlier, pricing)
    except TemplateProblem as error:  # an earlier version of this program accepted it
        raise _failed(
            runtime, run_id, definition, Problem(source, 1, 1, "message", error.problem, error.hint), submitted
        ) from error
    limits = limits_of(definition, runtime.settings)
    so_far = month_so_far(runtime.store, runtime.account_id, ceilings, zone, now=now)
    agenda = so_far.agenda(definition, pricing)
    try:
        store_plan(runtime.store, run_id, definition, plan, agenda, limits=limits.request, placer=placer, now=now)
        problem = "" if plan.summary.audience or definition.contact_list else "the audience is empty"
    except AudienceProblem as error:
        problem = str(error)
    summary, budgets = plan.summary, money_budgets(ceilings, zone, definition)
    found = objections(definition, limits, budgets, runtime.prices.current(), plan=plan, now=now)
    if objection := Objection("audience", problem) if problem else next(found, None):
        raise _failed(runtime, run_id, definition, Problem(source, 1, 1, *objection), submitted)
    summary = replace(summary, warnings=plan_warnings(definition, summary, budgets, so_far))
    if summary.audience >= LARGE:
        runtime.store.renew_statistics()
    shared, phones = gates(ceilings, zone, definition, so_far.used, now)
    expected = forecast(agenda, shared, phones)
    summary = replace(summary, steps=placed_steps(summary.steps, definition, expected))
    figures = summary_json(summary, expected)
    try:
        _finish(runtime, run_id, definition, source, plan, figures, submitted)
    except QuotaSpent as spent:
        _failed(runtime, run_id, definition, Problem(source, 1, 1, "", str(spent)), None)
        raise
    get_logger().info("run.planned", campaign=definition.campaign, run=run_id, audience=summary.audience)
    if summary.audience >= LARGE:
        del plan, agenda
        give_back()
    return summary.audience


def _finish(
    runtime: Runtime,
    run_id: int,
    definition: Definition,
    source: str,
    plan: Plan,
    figures: dict[str, Any],
    submitted: Submission | None,
) -> None:
    summary, now = plan.summary, runtime.clock.now()
    with runtime.store.write("plan_finished") as session:
        if submitted is not None:
            by = submitted.by
            people = summary.counts.get(RecipientState.PENDING, 0)  # more than were counted: a table changed meanwhile
            count_people(session, by, max(0, people - submitted.counted), now=now)
            note_submitted(session, by, definition, run_id, Taken.PLANNED, plan_hash=plan.hash, source=source, now=now)
        if definition.schedule.local_time is LocalTime.RECIPIENT:
            plans.start_with_first(session, run_id)
        plans.finish_plan(session, run_id, plan_hash=plan.hash, summary=figures, now=now)
        planned_steps.finish_steps(session, run_id, figures=figures.get("steps", ()), now=now)
        if is_needed(definition, summary.to_look_at):
            counts = {"audience": summary.audience} | figures["counts"]
            plan_now = Approvable(to_approve(definition, plan.hash), definition.content_hash, counts)
            approvals.await_approval(session, run_id, plan_now, now)


def _failed(
    runtime: Runtime, run_id: int, definition: Definition, found: Problem, submitted: Submission | None
) -> CampaignFileError:
    """Fail the run for this reason; return the error for the caller to raise."""
    reason = f"{found.path}: {found.problem} ({found.hint})" if found.hint else found.problem
    now, source = runtime.clock.now(), found.file
    with runtime.store.write("plan_failed") as session:
        runs.fail_run(session, run_id, reason, now)
        if submitted is not None:
            note_submitted(
                session, submitted.by, definition, run_id, Taken.PLANNED, plan_hash="", source=source, now=now
            )
    return CampaignFileError([found])


def suppressed_in(store: Store, kind: Kind) -> Suppressed | None:
    """Return who gets no text of this kind; None if the list is empty. Each request checks for later entries."""
    with store.read() as session:
        if not suppressions.any_in_force(session):
            return None

    def among(numbers: Sequence[str]) -> Set[str]:
        with store.read() as session:
            return suppressions.suppressed_among(session, numbers, kind)

    return among


def already_told_in(store: Store, definition: Definition, account_id: int, now: datetime) -> AlreadyTold | None:
    """Return who recently got this very text from another campaign; None if no other campaign has such a text.

    Transactional texts are never checked: one person may well get the same one twice a day.
    """
    since, messages = now - WITHIN, set(map(literal_as_seen, definition.messages.values()))
    if definition.kind is Kind.TRANSACTIONAL:
        return None
    with store.read() as session:
        recent = same_texts.recent_runs(session, account_id, definition.campaign, since=since)
        bodies = versions.definition_bodies(session, set(recent.values())) if recent else {}
    alike = {id_ for id_, body in bodies.items() if not messages.isdisjoint(map(literal_as_seen, texts_of(body)))}
    run_ids = [run_id for run_id, id_ in recent.items() if id_ in alike]
    if not run_ids:
        return None

    def among(people: Sequence[tuple[str, str]]) -> Sequence[ToldBefore]:
        with store.read() as session:
            return same_texts.told_in(session, run_ids, people, since=since)

    return among


def texts_of(body: str) -> set[str]:
    """Return the messages of a stored version without validating it: fifty of them are read for each plan."""
    stored = json.loads(body)
    return {stored.get("message") or "", *(variant["message"] for variant in stored.get("variants") or ())} - {""}


def store_plan(
    store: Store,
    run_id: int,
    definition: Definition,
    plan: Plan,
    agenda: Agenda,
    *,
    limits: BatchLimits,
    placer: Placer,
    now: datetime,
) -> None:
    """Write the plan, one transaction per chunk; add to the agenda what is to be sent when.

    A plan that was cut short is cleared and made again at the next intake.
    """
    steps: list[int] = []
    if definition.steps:
        with store.write("plan_steps") as session:
            steps = planned_steps.create_steps(session, run_id, definition, now=now)
    for chunk in into_batches(plan, limits, chunk_rows=CHUNK_ROWS // (1 + len(steps))):  # no more rows than without
        agenda.add(chunk)
        with store.write("plan_chunk") as session:
            plans.insert_chunk(session, run_id, chunk, limits=limits)
            planned_steps.store_texts(session, steps, [row for row, _ in chunk])
    if (list_id := definition.contact_list) is not None:
        segments = segmentation(definition.message).segments
        placed = placer.everybody()
        made = plans.list_batch(list_id, segments, placed, now=now)
        if placed.departure is not None and placed.state is RecipientState.PENDING:
            agenda.add_batch(0, placed.departure, 0, segments)
        with store.write("plan_list") as session:
            plans.insert_batches(session, run_id, [made])
