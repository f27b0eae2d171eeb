"""The texts that no budget of money will ever pay for: a forecast counts only what a day and a month allow."""

from dataclasses import dataclass

from campaigns.definition import Definition
from campaigns.forecast import Forecast
from campaigns.money.amounts import MoneyAmount
from campaigns.money.budgets import MoneyBudget, Within
from worker.limits.limits_in_force import PricesInForce
from worker.limits.money import no_budget_can_be_kept


@dataclass(frozen=True, slots=True)
class Unpaid:
    """How many texts stay unsent, roughly where they cost differently, and why, in one sentence."""

    texts: int
    because: str


def texts_of(found: Forecast | None) -> int:
    """Return how many texts would leave within a year."""
    return sum(day.texts for day in found.days) if found else 0


def cost_of(found: Forecast) -> int:
    """Return what they cost, in millionths."""
    return sum(day.millionths for day in found.days)


def is_over_total(found: Forecast, definition: Definition) -> bool:
    """Return whether they cost more than the campaign may in all."""
    budget = definition.throughput.budget
    return budget is not None and budget.total is not None and cost_of(found) > budget.total.millionths


def unpaid(
    found: Forecast | None, definition: Definition, budgets: list[MoneyBudget], prices: PricesInForce
) -> Unpaid | None:
    """Return what stays unsent for want of money or of prices; None: nothing does."""
    texts = texts_of(found)
    if found is None or not texts:
        return None
    if problem := no_budget_can_be_kept(prices, budgets, definition):
        return Unpaid(texts, problem)
    cost = cost_of(found)
    for budget in budgets:
        if budget.within is Within.ALL and cost > budget.amount.millionths:
            costs = MoneyAmount(cost, budget.amount.currency)
            sentence = f"{budget.whose} is {budget.amount}, and all {texts:,} cost {costs}"
            return Unpaid(texts - texts * budget.amount.millionths // cost, sentence)
    return None
