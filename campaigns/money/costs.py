"""What a plan costs: by the price of each text on the day for which it is planned."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from campaigns.counting import amount
from campaigns.money.amounts import MoneyAmount, decimal_of
from campaigns.money.budgets import MoneyBudget, Objection, Within
from campaigns.money.prices import Prices, Tariff

NO_PRICE: Final = "there is no price for its number (CAMPAIGNS_PRICES), and a budget is in force"
"""The reason of a person whose text nobody can count: where a budget is in force, they get none."""

PREFIXES: Final = 20
"""How many prefixes of a plan are told apart, the dearest first."""


@dataclass(frozen=True, slots=True)
class PrefixCost:
    """What the texts to numbers with one prefix of the prices cost at most, in millionths."""

    prefix: str
    recipients: int
    segments: int
    millionths: int


@dataclass(frozen=True, slots=True)
class PlanCost:
    """What a plan costs, in millionths: `least`, or `most` if the dearer ones of its phones send everything.

    `dearest_text`: what one text costs at most. `unpriced`: people without a price, who are not in it. `on_dearest`:
    people for whom only single phones have a price, while the gateway chooses the phone: the dearest counts. `prefixes`
    have the dearest first.
    """

    currency: str
    least: int
    most: int
    dearest_text: int
    unpriced: int
    on_dearest: int
    prefixes: tuple[PrefixCost, ...]

    def __str__(self) -> str:
        most = str(MoneyAmount(self.most, self.currency))
        said = most if self.least == self.most else f"{decimal_of(self.least)} to {most}, depending on the phones"
        return said + (f", and {amount(self.unpriced, 'person', 'people')} without a price" if self.unpriced else "")

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON; amounts are decimals, as texts."""
        return {
            "currency": self.currency,
            "least": decimal_of(self.least),
            "most": decimal_of(self.most),
            "unpriced": self.unpriced,
            "prefixes": [
                {
                    "prefix": f"+{each.prefix}",
                    "recipients": each.recipients,
                    "segments": each.segments,
                    "cost": decimal_of(each.millionths),
                }
                for each in self.prefixes
            ],
        }


@dataclass(frozen=True)
class Pricing:
    """The prices of one campaign: `targets` are those of the requests that it can make.

    `needs_price`: a budget is in force, so that nobody without a price gets a text. `now`: the day of texts that are
    not placed in time.
    """

    prices: Prices
    targets: Sequence[str]
    zone: ZoneInfo
    now: datetime
    needs_price: bool

    def tariffs(self, at: datetime | None) -> list[Tariff]:
        """Return the prices of each way to send, on the day of a moment."""
        on = (at or self.now).astimezone(self.zone).date()
        return [self.prices.tariff(target, on) for target in self.targets]


@dataclass(slots=True)
class CostTally:
    """What a plan costs, while its rows are made."""

    pricing: Pricing
    least: int = 0
    most: int = 0
    dearest_text: int = 0
    unpriced: int = 0
    on_dearest: int = 0
    _prefixes: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0, 0]))
    _tariffs: dict[datetime | None, list[Tariff]] = field(default_factory=dict)

    def cost_of(self, number: str, segments: int, at: datetime | None) -> int | None:
        """Return what a text costs at most, in millionths; None: nobody knows. Adds nothing."""
        prices = [tariff.price_of(number) for tariff in self._at(at)]
        known = [price.millionths for price in prices if price is not None]
        return max(known) * segments if len(known) == len(prices) else None

    def add(self, number: str, segments: int, at: datetime | None) -> None:
        """Add a text that is to be sent."""
        found = [price for tariff in self._at(at) if (price := tariff.price_of(number)) is not None]
        if len(found) < len(self.pricing.targets):
            self.unpriced += 1
            return
        dearest = max(found)
        self.least += min(found).millionths * segments
        self.most += dearest.millionths * segments
        self.dearest_text = max(self.dearest_text, dearest.millionths * segments)
        self.on_dearest += dearest.is_dearest
        counted = self._prefixes[dearest.prefix]
        counted[0] += 1
        counted[1] += segments
        counted[2] += dearest.millionths * segments

    def _at(self, at: datetime | None) -> list[Tariff]:
        if (known := self._tariffs.get(at)) is None:
            if len(self._tariffs) > _MOST_MOMENTS:
                self._tariffs.clear()
            known = self._tariffs[at] = self.pricing.tariffs(at)
        return known

    def found(self) -> PlanCost:
        """Return the cost of the texts so far."""
        ordered = sorted(self._prefixes.items(), key=lambda each: (-each[1][2], each[0]))
        prefixes = tuple(PrefixCost(prefix, *figures) for prefix, figures in ordered[:PREFIXES])
        return PlanCost(
            self.pricing.prices.currency,
            self.least,
            self.most,
            self.dearest_text,
            self.unpriced,
            self.on_dearest,
            prefixes,
        )


def unaffordable(cost: PlanCost, budgets: Iterable[MoneyBudget], *, step: str = "") -> Objection | None:
    """Return the problem if one text costs more than a whole budget, and so could never go; `step` has it."""
    smallest = min(budgets, key=lambda budget: budget.amount.millionths, default=None)
    if smallest is None or cost.dearest_text <= smallest.amount.millionths:
        return None
    costs, of_step = MoneyAmount(cost.dearest_text, cost.currency), f" of step {step}" if step else ""
    return Objection(
        smallest.path,
        f"the dearest text{of_step} costs {costs}, but {smallest.whose} is {smallest}: it could never go out; shorten "
        "the message, or raise the budget",
    )


def cost_warnings(cost: PlanCost | None, budgets: Iterable[MoneyBudget]) -> Iterator[str]:
    """Yield what somebody should know about the cost of a plan before it is sent."""
    if cost is None:
        return
    if cost.on_dearest:
        yield (
            f"for {amount(cost.on_dearest, 'person', 'people')} only single phones have a price, and the gateway "
            "chooses the phone: the dearest is counted"
        )
    for budget in budgets:
        if budget.within is Within.ALL and cost.most > budget.amount.millionths:
            costs = MoneyAmount(cost.most, cost.currency)
            yield (
                f"it costs {costs}, but {budget.whose} is {budget.amount}: when that is spent, the campaign is paused"
            )


_MOST_MOMENTS: Final = 1_000
"""With a spread, everybody has a moment of their own."""
