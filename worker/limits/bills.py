"""By what texts are priced and charged, and which budgets of money must have room for them."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from campaigns.definition import Definition
from campaigns.money.budgets import MoneyBudget
from campaigns.money.costs import Pricing
from campaigns.money.prices import ANY, Prices
from worker.limits.batch_limits import routes
from worker.limits.limits_in_force import Ceilings
from worker.limits.money import money_budgets
from worker.store.money.spending import Bill, SpendingLimit, account_scope, campaign_scope


def targets_of(definition: Definition) -> list[str]:
    """Return the targets that requests of a campaign may have, as they are stored."""
    return [",".join(route.targets) for route in routes(definition, first=0)]


def pricing_of(
    prices: Prices | None, ceilings: Ceilings, zone: ZoneInfo, definition: Definition, now: datetime
) -> Pricing | None:
    """Return the prices by which a campaign is planned; None: there are none.

    A reminder is not refused for want of a price: it waits for one, because what is refused is never planned again.
    """
    if prices is None:
        return None
    needs_price = bool(money_budgets(ceilings, zone, definition)) and definition.schedule.remind is None
    return Pricing(prices, targets_of(definition), zone, now, needs_price)


def bill_of(
    prices: Prices | None,
    budgets: Sequence[MoneyBudget],
    zone: ZoneInfo,
    *,
    account_id: int,
    campaign_id: int,
    target: str,
    now: datetime,
) -> Bill | None:
    """Return by what a request's texts are charged; None: without prices, nothing is."""
    if prices is None:
        return None
    limits = (limit_of(budget, account_id, campaign_id, now) for budget in budgets)
    tariff = prices.tariff(target, now.astimezone(zone).date())
    return Bill(prices.currency, tariff, account_scope(account_id), campaign_scope(campaign_id), tuple(limits))


def list_bill(prices: Prices | None, zone: ZoneInfo, now: datetime) -> Bill | None:
    """Return by what the people of a contact list are charged whose request was looked up: by any phone."""
    return None if prices is None else Bill(prices.currency, prices.tariff(ANY, now.astimezone(zone).date()), "", "")


def limit_of(budget: MoneyBudget, account_id: int, campaign_id: int, now: datetime) -> SpendingLimit:
    """Return a budget in its period at `now`."""
    scope = campaign_scope(campaign_id) if budget.of_campaign else account_scope(account_id)
    return SpendingLimit(scope, *budget.period_of(now), budget.amount.millionths)
