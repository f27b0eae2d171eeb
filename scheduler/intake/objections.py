"""Why a plan is refused: the same for `check`, `plan` and what sends."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from campaigns.definition import Definition
from campaigns.definition.schedule import Schedule
from campaigns.message.texts import MAX_SEGMENTS
from campaigns.money.budgets import MoneyBudget, Objection
from campaigns.money.prices import Prices
from campaigns.planning.planner import Plan
from worker.limits.money import plan_problem
from worker.limits.planned_limits import PlannedLimits


def objections(
    definition: Definition,
    limits: PlannedLimits,
    budgets: Sequence[MoneyBudget],
    prices: Prices | None,
    *,
    plan: Plan | None,
    now: datetime,
) -> Iterator[Objection]:
    """Yield why a plan could never be sent, the plainest reason first.

    `plan` None: it was not made, and what its texts decide is not said.
    """
    if problem := too_late_to_hand_over(definition.schedule, now):
        yield Objection("schedule.start", problem)
    if limits.unkept:
        yield Objection("audience", limits.unkept)
    summary = plan.summary if plan else None
    steps = summary.steps if summary else ()
    texts = [("", plan.longest_text if plan else ""), *((step.name, step.longest_text) for step in steps)]
    own = definition.throughput
    keys = {"throughput.daily": own.daily, "throughput.monthly": own.monthly}
    smallest = limits.smallest.segments if limits.smallest else 0
    for step, text in texts:
        if problem := limits.too_dear(text, step=step):
            text_key = "steps" if step else "message"
            yield Objection(next((key for key, most in keys.items() if most == smallest), text_key), problem)
    if found := plan_problem(prices, budgets, definition, summary.cost if summary else None, steps):
        yield found


def decided_by_texts(limits: PlannedLimits, budgets: Sequence[MoneyBudget], prices: Prices | None) -> bool:
    """Return whether a budget is so small that only a plan shows whether every text fits into it."""
    if limits.smallest is not None and limits.smallest.segments < MAX_SEGMENTS:
        return True
    dearest = max((row.millionths for row in prices.rows), default=0) * MAX_SEGMENTS if prices else 0
    return any(budget.amount.millionths < dearest for budget in budgets)


def too_late_to_hand_over(schedule: Schedule, now: datetime) -> str:
    """Return the problem if the gateway is to hold a start that has passed; else ''."""
    start = schedule.at_gateway
    if start is None or start > now:
        return ""
    return (
        "the start has passed, and the gateway can only be handed texts for the future; move it, or write by: service"
    )
