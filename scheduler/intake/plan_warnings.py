"""What a person should know about a plan: the same in a preview, on the command line and in the inbox."""

from collections.abc import Sequence

from campaigns.definition import Definition
from campaigns.money.budgets import MoneyBudget
from campaigns.planning.figures import PlanSummary
from campaigns.steps.figures import money_warnings
from campaigns.steps.following import unfollowed_steps
from scheduler.intake.month_so_far import MonthSoFar
from worker.limits.limits_in_force import PricesInForce
from worker.limits.money import no_budget_can_be_kept


def plan_warnings(
    definition: Definition,
    summary: PlanSummary,
    budgets: Sequence[MoneyBudget],
    so_far: MonthSoFar,
) -> tuple[str, ...]:
    """Return the warnings that stay true of a plan: of its tables, its cost, its phones and its steps."""
    return (
        *summary.warnings,
        *money_warnings(summary.cost, summary.steps, budgets),
        *so_far.warnings(definition),
        *(f"step {definition.steps[place].name} {says}" for place, says in unfollowed_steps(definition)),
    )


def unpriced(prices: PricesInForce, budgets: Sequence[MoneyBudget], definition: Definition) -> list[str]:
    """Return why prices cannot be read now, or why nothing can be sent under a budget without them."""
    return list(filter(None, [no_budget_can_be_kept(prices, budgets, definition) or prices.problem()]))
