"""Budgets of money and prices, as far as they can be known without the database."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from campaigns.definition import Definition
from campaigns.money.budgets import MoneyBudget, Objection, budgets_of, mixed_currencies
from campaigns.money.costs import PlanCost, unaffordable
from campaigns.money.prices import Prices
from campaigns.steps.figures import StepSummary
from worker.limits.limits_in_force import Ceilings, PricesInForce


def money_budgets(ceilings: Ceilings, zone: ZoneInfo, definition: Definition) -> list[MoneyBudget]:
    """Return the budgets of money that hold for a campaign. Those over all campaigns go by days of `zone`."""
    return list(budgets_of(definition, ceilings.money_daily, ceilings.money_monthly, zone))


def no_budget_can_be_kept(prices: PricesInForce, budgets: Sequence[MoneyBudget], definition: Definition) -> str:
    """Return why nothing may be sent under these budgets, as one sentence; empty: they can be kept."""
    if not budgets:
        return ""
    found = prices.current()
    if found is None:
        if problem := prices.problem():
            return f"nothing is sent, because {budgets[0].whose} is set and there are no usable prices: {problem}"
        return (
            f"{budgets[0].whose} is set, but no prices are: nothing is sent; name a file of prices in CAMPAIGNS_PRICES"
        )
    if definition.contact_list is not None:
        return contact_list_problem(budgets[0])
    mixed = mixed_currencies(budgets, found.currency)
    return mixed.problem if mixed else ""


def plan_problem(
    prices: Prices | None,
    budgets: Sequence[MoneyBudget],
    definition: Definition,
    cost: PlanCost | None,
    steps: Sequence[StepSummary] = (),
) -> Objection | None:
    """Return why a plan and its `steps` could never be sent under these budgets. `cost` None: it is not known.

    Prices that cannot be read now are no reason: sending waits for them.
    """
    if budgets and definition.contact_list is not None:
        return Objection("audience", contact_list_problem(budgets[0]))
    mixed = mixed_currencies(budgets, prices.currency) if prices is not None else None
    if mixed:
        return mixed
    costs = [("", cost), *((step.name, step.cost) for step in steps)]
    found = (unaffordable(each, budgets, step=step) for step, each in costs if each is not None)
    return next(filter(None, found), None)


def contact_list_problem(budget: MoneyBudget) -> str:
    """Return why nothing can be sent to a contact list under a budget."""
    return f"{budget.whose} cannot be kept: only the gateway knows how many people a contact list has; use a file"
