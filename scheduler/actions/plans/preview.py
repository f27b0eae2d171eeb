"""What `campaigns plan` finds out: a plan that is made, counted and thrown away."""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

from campaigns.audience import AudienceProblem
from campaigns.calendar.periods import PeriodBudget
from campaigns.counting import amount
from campaigns.definition import Definition, Rate
from campaigns.definition.reading import at_keys
from campaigns.display import shown_time
from campaigns.forecast import Forecast, forecast
from campaigns.lifecycle import RecipientState
from campaigns.message.segments import segmentation
from campaigns.money.budgets import MoneyBudget, Objection
from campaigns.money.costs import Pricing
from campaigns.planning.batching import BatchLimits, into_batches
from campaigns.planning.figures import PlanSummary
from campaigns.planning.planner import Plan, plan_recipients
from campaigns.planning.reminders import plan_reminders
from campaigns.problems import CampaignFileError, Problem
from campaigns.steps.figures import placed as placed_steps
from campaigns.timing.placing import Placer
from campaigns.timing.recurrence import SEARCH, recurrence_of
from scheduler.actions.plans.known import KnownPeople, known_people
from scheduler.actions.plans.offsets import Offsets, ReminderOffset
from scheduler.intake.objections import objections
from scheduler.intake.plan_warnings import plan_warnings, unpriced
from scheduler.intake.taking import read_file
from worker.limits.batch_limits import gates, routes
from worker.limits.bills import pricing_of
from worker.limits.limits_in_force import Ceilings
from worker.limits.live_prices import LivePrices
from worker.limits.money import money_budgets
from worker.limits.planned_limits import LimitScope, limits_of
from worker.settings.settings import Settings

RUNS: Final = 3
"""How many of the next runs of a campaign that repeats are shown."""


REASONS: Final = 3
"""How many example rows are shown for each state that gets no text."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a campaign would do. `reasons` say why some people get nothing.

    `rates` and `budgets` are those of all its devices together. `runs` are the next moments of a campaign that repeats;
    everything else is about the first of them.
    """

    definition: Definition
    plan_hash: str
    summary: PlanSummary
    limits: BatchLimits
    requests: int
    rates: tuple[Rate, ...]
    budgets: tuple[PeriodBudget, ...]
    reasons: tuple[str, ...]
    runs: tuple[datetime, ...]
    forecast: Forecast | None
    over_cap: int | None = None
    reminders: tuple[ReminderOffset, ...] = ()
    money: tuple[MoneyBudget, ...] = ()


def plan(file: Path, settings: Settings, *, rehearsal: bool, now: datetime) -> Preview:
    """Return what the campaign in a file would do from `now` on, sending nothing; `rehearsal`: in the sandbox.

    Asks the database only for opt-outs, the counts of a frequency cap, and whether another database sent the campaign.
    Raises `CampaignFileError`, and `StoreError` for a database that cannot be read.
    """
    definition = read_file(file, settings, now=now)
    with known_people(file, definition, settings, rehearsal=rehearsal, now=now) as people, at_keys(file):
        return preview(definition, settings, source=str(file), now=now, people=people)


def preview(definition: Definition, settings: Settings, *, source: str, now: datetime, people: KnownPeople) -> Preview:
    """Plan the campaign as it would be planned now. Raises `CampaignFileError` for an unusable or empty audience."""
    recurrence = recurrence_of(definition.schedule)
    runs = tuple(islice(recurrence.between(now, now + SEARCH), RUNS)) if recurrence else ()
    placer = Placer(definition.schedule, now, firing=runs[0] if runs else None)
    prices, ceilings = LivePrices(settings.prices), Ceilings.from_settings(settings)
    pricing = pricing_of(prices.current(), ceilings, settings.zone, definition, now)
    plan = plan_of(definition, placer, people, pricing, now)
    offsets = Offsets()
    limits = limits_of(definition, settings)
    requests, reasons, agenda = 0, dict[RecipientState, list[str]](), people.so_far.agenda(definition, pricing)
    unshown = Counter[RecipientState]()
    capped = 0
    try:
        for chunk in into_batches(plan, limits.request):
            agenda.add(chunk)
            if people.over_cap is not None:
                capped += people.over_cap([row.number for row, _ in chunk if row.state is RecipientState.PENDING])
            for row, batch in chunk:
                offsets.add(row)
                if row.state is RecipientState.PENDING and batch is not None:
                    requests = max(requests, batch + 1)
                elif (words := f"{row.state.value}: {row.reason}") not in (known := reasons.setdefault(row.state, [])):
                    if len(known) < REASONS:
                        known.append(words)
                    else:
                        unshown[row.state] += 1
        for state, count in unshown.items():
            reasons[state].append(f"{state.value}: {amount(count, 'more row')}")
        problem = "" if plan.summary.audience or definition.contact_list else "the audience is empty"
    except AudienceProblem as error:
        problem = str(error)
    budgets = money_budgets(ceilings, settings.zone, definition)
    found = objections(definition, limits, budgets, prices.current(), plan=plan, now=now)
    if objection := Objection("audience", problem) if problem else next(found, None):
        raise CampaignFileError([Problem(source, 1, 1, *objection)])
    if definition.contact_list is not None:
        requests, placed = 1, placer.everybody()  # one request; only the gateway knows for how many
        if placed.departure is not None and placed.state is RecipientState.PENDING:
            agenda.add_batch(0, placed.departure, 0, segmentation(definition.message).segments)
    summary = replace(
        plan.summary,
        warnings=(
            *people.warnings,
            *plan_warnings(definition, plan.summary, budgets, people.so_far),
            *unpriced(prices, budgets, definition),
            *_missed_start(definition, now),
        ),
    )
    shared, phones = gates(ceilings, settings.zone, definition, people.so_far.used, now)
    expected = forecast(agenda, shared, phones)
    summary = replace(summary, steps=placed_steps(summary.steps, definition, expected))
    return Preview(
        definition,
        plan.hash,
        summary,
        limits.request,
        requests,
        _rates(definition, settings),
        _budgets(definition, settings),
        tuple(reason for state in RecipientState for reason in reasons.get(state, ())),
        runs,
        expected,
        capped if people.over_cap is not None else None,
        offsets.found,
        tuple(budgets),
    )


def plan_of(
    definition: Definition, placer: Placer, people: KnownPeople, pricing: Pricing | None, now: datetime
) -> Plan:
    """Return the plan, or the reminders, of a campaign as of `now`. Nothing is read before it is iterated."""
    if definition.schedule.remind is not None:
        return plan_reminders(definition, now, suppressed=people.suppressed, earlier=people.earlier, pricing=pricing)
    return plan_recipients(
        definition,
        placer=placer,
        suppressed=people.suppressed,
        already_told=people.already_told,
        earlier=people.earlier,
        pricing=pricing,
    )


def _missed_start(definition: Definition, now: datetime) -> list[str]:
    """Warn about a start in the past: it may be a typing error, and without `if_late` nothing holds the texts back."""
    schedule = definition.schedule
    start = schedule.start_at()
    if start is None or start > now or schedule.repeat or schedule.remind or schedule.if_late:
        return []
    passed = (
        f"the start, {shown_time(start, schedule.zone)}, has passed: texts are sent at once, or when the window opens"
    )
    return [f"{passed}; move it, or set schedule.if_late to how late they may leave"]


def _rates(definition: Definition, settings: Settings) -> tuple[Rate, ...]:
    """Return every rate that applies; devices that take turns each have the device rate."""
    if (rate := settings.device_rate) is not None:
        shared = Rate(rate.count * len(routes(definition, first=0)), rate.per)
        settings = settings.model_copy(update={"device_rate": shared})
    return limits_of(definition, settings).rates


def _budgets(definition: Definition, settings: Settings) -> tuple[PeriodBudget, ...]:
    """Return every budget that applies; devices that take turns each have their own."""
    devices = len(routes(definition, first=0))
    return tuple(
        replace(allowance, segments=allowance.segments * devices) if scope is LimitScope.DEVICE else allowance
        for scope, allowance in limits_of(definition, settings).budgets
    )
