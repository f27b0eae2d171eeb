"""Which limits a batch must keep on each route that it can take, and how much one request may hold under them."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.calendar.periods import PeopleBudget, PeriodBudget, month_of
from campaigns.definition import Definition, DeviceMode, Rate
from campaigns.forecast import Gate
from campaigns.money.budgets import MoneyBudget, Within, budgets_of
from worker.limits.limits_in_force import Ceilings
from worker.limits.planned_limits import LimitScope, allowances
from worker.store.people.device_people import ANY_DEVICE as ANY_DEVICE
from worker.store.people.device_people import device_key
from worker.throttle import Budget, Limit, RateLimit

PRIMARY_DEVICE: Final = "primary"
"""The level of requests that name no device: the gateway uses its primary one."""


@dataclass(frozen=True, slots=True)
class Route:
    """One way to send a batch: the devices named in the request, and the level that limits them."""

    targets: tuple[str, ...]
    level_key: str


def gates(
    ceilings: Ceilings, zone: ZoneInfo, definition: Definition, used: Mapping[str, int], now: datetime
) -> tuple[Gate, list[Gate]]:
    """Return what a forecast needs: the limits on all requests of a campaign, and those on each of its routes.

    `zone` is as in `Limits`. `used`: the people of this month by phone (`device_key`).
    """
    ways, budgets = routes(definition, first=0), list(allowances(ceilings, zone, definition))
    most = ceilings.device_people_monthly
    people = None if most is None else PeopleBudget(most, zone)
    of_money = budgets_of(definition, ceilings.money_daily, ceilings.money_monthly, zone)
    money = tuple(budget for budget in of_money if budget.within is not Within.ALL)

    def limits(
        route: Route, *scopes: LimitScope
    ) -> tuple[tuple[Rate, ...], tuple[PeriodBudget, ...], tuple[MoneyBudget, ...]]:
        return (
            tuple(rate for scope, rate in rates(ceilings, definition, route) if scope in scopes),
            tuple(allowance for scope, allowance in budgets if scope in scopes),
            money if LimitScope.ACCOUNT in scopes else (),
        )

    until = month_of(now, zone)[1]
    return Gate(*limits(ways[0], LimitScope.ACCOUNT, LimitScope.RUN)), [
        Gate(*limits(route, LimitScope.DEVICE), route.level_key, people, used.get(device_key(route.targets), 0), until)
        for route in ways
    ]


def routes(
    definition: Definition, *, first: int, stuck: Collection[int] = (), avoid: int | None = None, only: str = ""
) -> list[Route]:
    """Return the routes for a batch of this campaign, the preferred one first: devices take turns, from number `first`.

    `stuck` devices are left out as long as there is another one; of those left, so is the one to `avoid`. `only`: the
    one device or SIM of this batch, unless it is one of these.

    With `mode: specified` every batch goes to one device or SIM, so that we can keep its limit. `random` and the modes
    over all devices leave the choice to the gateway: those requests share one level, as if they had one device.
    """
    if only and int(only.partition("|")[0]) not in {*stuck, avoid}:
        return [Route((only,), only)]
    devices = definition.devices
    usable = [target for target in devices.use if target.device not in stuck] or devices.use
    targets = [str(target) for target in usable if target.device != avoid] or [str(target) for target in usable]
    if devices.random or devices.mode is not DeviceMode.SPECIFIED:
        return [Route(tuple(str(target) for target in devices.use), ANY_DEVICE)]
    if not targets:
        return [Route((), PRIMARY_DEVICE)]
    turn = first % len(targets)
    return [Route((target,), target) for target in targets[turn:] + targets[:turn]]


def rates(ceilings: Ceilings, definition: Definition, route: Route) -> Iterator[tuple[LimitScope, Rate]]:
    """Yield the rates that apply to a campaign on this route."""
    for scope, rate in (
        (LimitScope.ACCOUNT, ceilings.account_rate),
        (LimitScope.RUN, ceilings.campaign_rates.get(definition.campaign, definition.throughput.rate)),
        (LimitScope.DEVICE, ceilings.device_rates.get(route.level_key, ceilings.device_rate)),
    ):
        if rate is not None:
            yield scope, rate


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one account. `zone`: its days and months count for all campaigns together."""

    account_key: str
    zone: ZoneInfo

    def of(
        self, ceilings: Ceilings, definition: Definition, run_id: int, route: Route, *, now: datetime
    ) -> list[Limit]:
        """Return the limits that a batch of the run takes its segments from on this route."""
        keys = {
            LimitScope.ACCOUNT: f"{LimitScope.ACCOUNT}:{self.account_key}",
            LimitScope.RUN: f"{LimitScope.RUN}:{run_id}",
            LimitScope.DEVICE: f"{LimitScope.DEVICE}:{self.account_key}:{route.level_key}",
        }
        levels = [RateLimit(keys[scope], rate.count, rate.per) for scope, rate in rates(ceilings, definition, route)]
        budgets = [
            Budget(keys[scope], allowance.segments, *allowance.period_of(now, allowance.zone))
            for scope, allowance in allowances(ceilings, self.zone, definition)
        ]
        return [*levels, *budgets]
