"""The phones of a forecast: what limits each of them, and how many people it texts."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from campaigns.calendar.periods import PeopleBudget, PeriodBudget, month_of
from campaigns.definition import Rate
from campaigns.display import utc
from campaigns.forecast.agenda import from_us, to_us
from campaigns.money.budgets import MoneyBudget

NO_END: Final = 2**31
"""More people than any request has."""


@dataclass(frozen=True, slots=True)
class Gate:
    """The rates and budgets, in segments, that every request, or every request by one phone, has to pass.

    `money`: budgets of money for days and months. What a campaign may cost in all stops it, and delays nothing. Of one
    phone also its `name` in `devices.use`, its budget of `people`, and how many of it are `used` until then.
    """

    rates: tuple[Rate, ...] = ()
    budgets: tuple[PeriodBudget, ...] = ()
    money: tuple[MoneyBudget, ...] = ()
    name: str = ""
    people: PeopleBudget | None = None
    used: int = 0
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class PhoneShare:
    """What a phone does of a plan: all its `texts`, and how many `people` are new to it in the month of the first one.

    `used` of its `most` people were so before. `exhausted_at`: when it may text nobody new in a month for the first
    time. `most` and `exhausted_at` are None without a budget.
    """

    name: str
    texts: int
    people: int
    used: int
    most: int | None
    exhausted_at: datetime | None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON; times are ISO 8601 in UTC."""
        return {
            "device": self.name,
            "texts": self.texts,
            "people": self.people,
            "people_before": self.used,
            "people_monthly": self.most,
            "exhausted_at": utc(self.exhausted_at),
        }


class PeopleGate:
    """The people of a phone: this many new ones in each month. `texts`: all that it sends, `people`: the new ones of
    the first month. Without a budget it only counts texts.
    """

    def __init__(self, phone: Gate) -> None:
        self.name = phone.name
        self.limit: Rate | PeriodBudget | PeopleBudget | None = phone.people
        self._budget = phone.people
        self._used = phone.used
        self._ends_us = to_us(phone.until) if phone.until else 0
        self.known_until_us = self._ends_us
        self.texts = 0
        self.people = 0
        self.used_before = phone.used
        self._first_ends_us = 0
        self._exhausted_at_us: int | None = None

    def room(self, at_us: int) -> int:
        """Return how many new people it may text then."""
        if self._budget is None:
            return NO_END
        if at_us >= self._ends_us:
            return self._budget.people
        self._note(at_us)
        return max(0, self._budget.people - self._used)

    def ends_us(self, at_us: int) -> int:
        """Return when the month of this moment ends."""
        return self._ends_us if self._budget is None or at_us < self._ends_us else self._end_of(at_us)

    def take(self, texts: int, new: int, at_us: int) -> None:
        """Let texts pass, `new` of them to people whom the phone has not texted in the month."""
        self.texts += texts
        if self._budget is None:
            return
        if at_us >= self._ends_us:
            self._ends_us, self._used = self._end_of(at_us), 0
        self._first_ends_us = self._first_ends_us or self._ends_us
        self._used += new
        self.people += new if at_us < self._first_ends_us else 0
        self._note(at_us)

    def _note(self, at_us: int) -> None:
        if self._budget is not None and self._used >= self._budget.people and self._exhausted_at_us is None:
            self._exhausted_at_us = at_us

    def _end_of(self, at_us: int) -> int:
        return to_us(month_of(from_us(at_us), self._budget.zone)[1]) if self._budget else at_us

    def share(self, begins_us: int) -> PhoneShare:
        """Return what it did of a plan that begins then."""
        at = self._exhausted_at_us
        most = None if self._budget is None else self._budget.people
        return PhoneShare(
            self.name,
            self.texts,
            self.people,
            self.used_before,
            most,
            None if at is None else from_us(max(at, begins_us)),
        )
