"""By what the texts of a request are charged, and which budgets of money must have room for them."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from campaigns.money.budgets import MoneyBudget
from campaigns.money.prices import ANY, Prices
from worker.store.money.spending import Bill, SpendingLimit, account_scope, campaign_scope


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
