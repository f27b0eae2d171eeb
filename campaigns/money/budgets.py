"""Budgets of money: what may be spent on a campaign, or on all of them, within a day or a month, or in all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from campaigns.calendar.periods import Period, day_of, month_of
from campaigns.definition import Definition
from campaigns.money.amounts import MoneyAmount


class Within(StrEnum):
    """The time in which a budget holds."""

    DAY = "day"
    MONTH = "month"
    ALL = "all"


ALWAYS: Final[Period] = datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
"""The period of a budget for all that a campaign spends."""


class Objection(NamedTuple):
    """Why a plan could never be sent, in a sentence. `path`: the key of the file that it is about; '': none."""

    path: str
    problem: str


@dataclass(frozen=True, slots=True)
class MoneyBudget:
    """At most this amount in each day or month of `zone`, or in all. `of_campaign`: by one campaign, else by all."""

    amount: MoneyAmount
    within: Within
    zone: ZoneInfo
    of_campaign: bool

    def period_of(self, now: datetime) -> Period:
        """Return the period at `now` (aware)."""
        if self.within is Within.ALL:
            return ALWAYS
        return (day_of if self.within is Within.DAY else month_of)(now, self.zone)

    def __str__(self) -> str:
        return f"{self.amount} {'in all' if self.within is Within.ALL else f'a {self.within}'}"

    @property
    def path(self) -> str:
        """The key of the campaign file, dotted; '' for one that a setting names."""
        return self.whose if self.of_campaign else ""

    @property
    def whose(self) -> str:
        """What it holds for, and where it is set, in words."""
        match self.of_campaign, self.within:
            case True, Within.ALL:
                return "throughput.budget.total"
            case True, _:
                return "throughput.budget.daily"
            case _, Within.DAY:
                return "CAMPAIGNS_BUDGET_DAILY"
            case _:
                return "CAMPAIGNS_BUDGET_MONTHLY"


def budgets_of(
    definition: Definition, daily: MoneyAmount | None, monthly: MoneyAmount | None, zone: ZoneInfo
) -> Iterator[MoneyBudget]:
    """Yield the budgets that hold for a campaign. Those of the account (`daily`, `monthly`) go by days of `zone`."""
    own = definition.throughput.budget
    for amount, within, of_zone, of_campaign in (
        (daily, Within.DAY, zone, False),
        (monthly, Within.MONTH, zone, False),
        (own.daily if own else None, Within.DAY, definition.schedule.zone, True),
        (own.total if own else None, Within.ALL, definition.schedule.zone, True),
    ):
        if amount is not None:
            yield MoneyBudget(amount, within, of_zone, of_campaign)


def mixed_currencies(budgets: Sequence[MoneyBudget], currency: str) -> Objection | None:
    """Return the problem if a budget is in another currency than the prices."""
    for budget in budgets:
        if budget.amount.currency != currency:
            return Objection(
                budget.path,
                f"{budget.whose} is in {budget.amount.currency}, but the prices (CAMPAIGNS_PRICES) are in {currency}; "
                "use one currency",
            )
    return None
