"""Every limit on sending that is in force now."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self

from campaigns.definition import Rate
from campaigns.money.amounts import MoneyAmount
from campaigns.money.prices import Prices
from worker.settings.settings import Settings


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Limits in SMS segments, people, or money for all campaigns; None: no limit. They leave out what a file says.

    `device_rates`: the devices (as in `devices.use`) that now have a rate of their own. `campaign_rates`,
    `campaign_daily` and `weights`: what was set for a campaign (by slug) while it runs, replacing its file's value;
    None in one of them: no limit. Ask with `.get(slug, definition.throughput.rate)`. `stuck`: devices that send
    nothing.
    """

    account_rate: Rate | None = None
    account_daily: int | None = None
    account_monthly: int | None = None
    device_rate: Rate | None = None
    device_daily: int | None = None
    device_monthly: int | None = None
    device_people_monthly: int | None = None
    money_daily: MoneyAmount | None = None
    money_monthly: MoneyAmount | None = None
    device_rates: Mapping[str, Rate | None] = field(default_factory=dict)
    campaign_rates: Mapping[str, Rate | None] = field(default_factory=dict)
    campaign_daily: Mapping[str, int | None] = field(default_factory=dict)
    weights: Mapping[str, int] = field(default_factory=dict)
    stuck: frozenset[int] = frozenset()

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the ceilings that the settings name."""
        return cls(
            account_rate=settings.rate,
            account_daily=settings.daily,
            account_monthly=settings.monthly,
            device_rate=settings.device_rate,
            device_daily=settings.device_daily,
            device_monthly=settings.device_monthly,
            device_people_monthly=settings.device_people_monthly,
            money_daily=settings.budget_daily,
            money_monthly=settings.budget_monthly,
        )


class CeilingsInForce(Protocol):
    """What a sender asks before each request."""

    def current(self) -> Ceilings:
        """Return the limits in force now; cheap enough for every request, at most half a second old."""
        ...


class PricesInForce(Protocol):
    """What texts cost now."""

    def current(self) -> Prices | None:
        """Return the prices, at most a second old; None: no prices are set, or none were ever usable."""
        ...

    def problem(self) -> str:
        """Return why the file of prices cannot be used, in one sentence; empty: it can, or none is set."""
        ...
