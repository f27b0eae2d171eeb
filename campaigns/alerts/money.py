"""Budgets of money as alerts see them: little is left, or nothing."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from campaigns.money.amounts import MoneyAmount, decimal_of

MONEY_LOW_PERCENT: Final = 80
MONEY_SPENT_PERCENT: Final = 99
"""From there on a budget of money counts as spent: what is left may be less than a text costs."""

NEVER: Final = 10**9


@dataclass(frozen=True, slots=True)
class MoneySpent:
    """What is spent of a budget of money, in millionths of its currency.

    `whose`: where it is set; `campaign`: what it holds for, empty: all of them.
    """

    spent: int
    budget: MoneyAmount
    whose: str
    campaign: str = ""

    @property
    def percent(self) -> int:
        """The whole percent of it."""
        return 100 * self.spent // self.budget.millionths


def _found(spent: Mapping[str, MoneySpent], least: int, below: int) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, money in spent.items():
        if least <= money.percent < below:
            yield (
                name,
                {
                    "percent": money.percent,
                    "spent": decimal_of(money.spent),
                    "budget": str(money.budget),
                    "whose": money.whose,
                    "who": f"{money.campaign} has" if money.campaign else "all campaigns together have",
                },
            )


def money_low(spent: Mapping[str, MoneySpent]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Budgets of money of which little is left."""
    yield from _found(spent, MONEY_LOW_PERCENT, MONEY_SPENT_PERCENT)


def money_spent(spent: Mapping[str, MoneySpent]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Budgets of money of which nothing is left, or less than one part in a hundred."""
    yield from _found(spent, MONEY_SPENT_PERCENT, NEVER)
