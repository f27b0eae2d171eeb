"""Prices and budgets of money: whether texts can be priced, and budgets kept."""

from collections.abc import Iterator
from datetime import datetime

from campaigns.money.price_file import PriceFileError
from scheduler.doctor.findings import Area, Finding, ok, problem
from worker.limits.live_prices import prices_in
from worker.settings.files import PREFIX
from worker.settings.settings import Settings


def check_money(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Look at the file of prices, and compare its currency with that of the budgets."""
    budgets = {"BUDGET_DAILY": settings.budget_daily, "BUDGET_MONTHLY": settings.budget_monthly}
    set_ = {f"{PREFIX}{name}": amount for name, amount in budgets.items() if amount is not None}
    if settings.prices is None:
        if set_:
            says = f"{next(iter(set_))} is set, but no prices are: nothing is sent"
            yield problem(Area.SETTINGS, says, f"name a file of prices in {PREFIX}PRICES, or remove the budget")
        return
    try:
        prices = prices_in(settings.prices)
    except PriceFileError as error:
        stops = "; nothing is sent, because a budget of money is set" if set_ else ""
        yield problem(Area.SETTINGS, f"the prices cannot be used: {error}{stops}", "correct the file")
        return
    for name, amount in set_.items():
        if amount.currency != prices.currency:
            says = f"{name} is in {amount.currency}, but the prices are in {prices.currency}: nothing is sent"
            yield problem(Area.SETTINGS, says, "use one currency")
    today = now.astimezone(settings.zone).date()
    begun = sum(row.since is None or row.since <= today for row in prices.rows)
    yield ok(Area.SETTINGS, f"the file of prices has {begun:,} in force today, in {prices.currency}")
