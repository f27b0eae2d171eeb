"""The changes of a campaign's file, and of the limits in the settings, that can make it end earlier."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count, islice
from typing import Any, Final

from campaigns.definition import Definition, DeviceMode, Rate, Target
from campaigns.definition.models import CampaignBudget
from campaigns.definition.schedule import Keeper
from campaigns.forecast import Forecast, forecast
from campaigns.forecast.trials import PeopleInOrder
from campaigns.money.amounts import MILLIONTHS, MoneyAmount
from campaigns.money.prices import Prices
from campaigns.values.durations import format_duration
from scheduler.intake.month_so_far import MonthSoFar
from worker.limits.batch_limits import gates
from worker.limits.bills import pricing_of
from worker.limits.limits_in_force import Ceilings
from worker.limits.money import money_budgets
from worker.limits.planned_limits import limits_of
from worker.settings.settings import PREFIX, Settings

MORE_PHONES: Final = 99
MINUTE: Final = timedelta(minutes=1)
QUARTER: Final = 15
"""Minutes: nobody opens a shop at 19:53."""

MOST_RATE: Final = 100_000
MOST_SEGMENTS: Final = 10_000_000
"""What a file or a setting may say at most."""

CENT: Final = MILLIONTHS // 100
MOST_CENTS: Final = 1_000_000_00
"""How much a budget of money is raised at most, in steps of a cent."""

Limit = Rate | int | MoneyAmount

LIMITS: Final = (
    "rate", "daily", "monthly", "device_rate", "device_daily", "device_monthly", "device_people_monthly",
    "budget_daily", "budget_monthly",
)  # fmt: skip
"""Of all campaigns, in the settings."""


@dataclass(frozen=True, slots=True)
class Setup:
    """A campaign as it would be sent: its file, settings, people and prices, and whom the phones texted this month."""

    definition: Definition
    settings: Settings
    people: PeopleInOrder
    so_far: MonthSoFar
    prices: Prices | None = None

    def scheduled(self, **values: Any) -> "Setup":
        return self.defined(schedule=self.definition.schedule.model_copy(update=values))

    def defined(self, **values: Any) -> "Setup":
        return replace(self, definition=self.definition.model_copy(update=values))

    def forecast(self, now: datetime, firing: datetime | None) -> Forecast | None:
        """Return when its texts would leave, whatever they cost in all; None: somebody would get none for want of a
        price, or no text would leave."""
        definition, ceilings = self.definition, Ceilings.from_settings(self.settings)
        limits = limits_of(definition, self.settings).request
        pricing = pricing_of(self.prices, ceilings, self.settings.zone, definition, now)
        if pricing is None and money_budgets(ceilings, self.settings.zone, definition):
            return None
        agenda = self.so_far.agenda(definition, pricing)
        self.people.fill(agenda, definition.schedule, limits, now, firing=firing)
        if pricing and pricing.needs_price and agenda.unpriced:
            return None
        return forecast(agenda, *gates(ceilings, self.settings.zone, definition, self.so_far.used, now))


Tried = tuple[Setup, str]
"""A setup, and what its key says then."""


@dataclass(frozen=True, slots=True)
class Option:
    """A key that can be changed in `most` steps: what it says now, and what it says after some of them.

    `is_limit`: more steps never make a campaign end later, so where the last one is no help, none is.
    """

    key: str
    now: str
    most: int
    after: Callable[[int], Tried]
    is_limit: bool = False


def options(base: Setup, now: datetime) -> Iterator[Option]:
    """Yield the keys and settings of a campaign that can be changed."""
    yield from _phones(base)
    yield from _start(base, now)
    yield from _window(base)
    yield from _spread(base)
    yield from _limits_in_file(base)
    yield from _budget_in_file(base)
    yield from _limits_in_settings(base)


def _phones(base: Setup) -> Iterator[Option]:
    """More of the same phones, which take turns."""
    devices = base.definition.devices
    if devices.random or devices.mode is not DeviceMode.SPECIFIED:
        return  # the gateway chooses, and all of them together have the rate of one
    use = devices.use or (Target(1),)
    taken = {target.device for target in use}
    spare = tuple(islice((Target(id_) for id_ in count(1) if id_ not in taken), MORE_PHONES))

    def after(more: int) -> Tried:
        changed = devices.model_copy(update={"use": (*use, *spare[:more])})
        return base.defined(devices=changed), f"{len(use) + more} phones or SIMs"

    now = "1 phone or SIM" if len(use) == 1 else f"{len(use)} phones or SIMs"
    yield Option("devices.use", now, MORE_PHONES, after, is_limit=True)


def _start(base: Setup, now: datetime) -> Iterator[Option]:
    """An earlier start, by minutes, and not before now."""
    schedule = base.definition.schedule
    start, begins = schedule.start, schedule.start_at()
    if start is None or begins is None or schedule.repeat is not None or schedule.by is Keeper.GATEWAY:
        return

    def after(minutes: int) -> Tried:
        moved = start - minutes * MINUTE
        return base.scheduled(start=moved), _written(moved)

    yield Option("schedule.start", _written(start), (begins - now) // MINUTE, after)


def _written(start: datetime) -> str:
    """Return a start as people write it: without seconds, unless it has some."""
    return start.isoformat(" ", "seconds" if start.second else "minutes")


def _window(base: Setup) -> Iterator[Option]:
    """A window that closes later, or opens earlier, by quarters of an hour within the operator's hours."""
    window = base.definition.schedule.window
    if window is None:
        return
    for side in ("later", "earlier"):

        def after(quarters: int, side: str = side) -> Tried:
            wider = window.widened(**{side: quarters * QUARTER})
            return base.scheduled(window=wider), str(wider)

        most = 0
        while most < 24 * 60 // QUARTER and _is_allowed(base.settings, after(most + 1)[0].definition):
            if after(most + 1)[1] == after(most)[1]:
                break
            most += 1
        yield Option("schedule.window", str(window), most, after)


def _spread(base: Setup) -> Iterator[Option]:
    """A spread over less time, by minutes; one that begins slowly has times of its own."""
    spread = base.definition.schedule.spread
    if spread is None or spread.ramp:
        return

    def after(minutes: int) -> Tried:
        shorter = spread.over - minutes * MINUTE
        changed = spread.model_copy(update={"over": shorter})
        return base.scheduled(spread=changed), format_duration(shorter)

    yield Option("schedule.spread", format_duration(spread.over), (spread.over - MINUTE) // MINUTE, after)


def _is_allowed(settings: Settings, definition: Definition) -> bool:
    broken = settings.policy.broken_by(definition)
    return not any(path[:2] == ("schedule", "window") for path, _, _ in broken)


def _limits_in_file(base: Setup) -> Iterator[Option]:
    throughput = base.definition.throughput
    for name in ("rate", "daily", "monthly"):
        limit: Rate | int | None = getattr(throughput, name)
        if limit is None:
            continue

        def after(more: int, name: str = name, limit: Rate | int = limit) -> Tried:
            raised = _raised(limit, more)
            changed = throughput.model_copy(update={name: raised})
            return base.defined(throughput=changed), str(raised)

        yield Option(f"throughput.{name}", str(limit), _room(limit), after, is_limit=True)


def _budget_in_file(base: Setup) -> Iterator[Option]:
    """What the campaign may cost a day, and in all."""
    throughput = base.definition.throughput
    budget = throughput.budget
    for name in ("daily", "total"):
        limit: MoneyAmount | None = getattr(budget, name, None)
        if budget is None or limit is None:
            continue

        def after(more: int, name: str = name, limit: MoneyAmount = limit, budget: CampaignBudget = budget) -> Tried:
            raised = _raised(limit, more)
            changed = throughput.model_copy(update={"budget": budget.model_copy(update={name: raised})})
            return base.defined(throughput=changed), str(raised)

        yield Option(f"throughput.budget.{name}", str(limit), _room(limit), after, is_limit=True)


def _limits_in_settings(base: Setup) -> Iterator[Option]:
    settings = base.settings
    for name in LIMITS:
        limit: Limit | None = getattr(settings, name)
        if limit is None:
            continue

        def after(more: int, name: str = name, limit: Limit = limit) -> Tried:
            raised = _raised(limit, more)
            return replace(base, settings=settings.model_copy(update={name: raised})), str(raised)

        yield Option(f"{PREFIX}{name.upper()}", str(limit), _room(limit), after, is_limit=True)


def _raised(limit: Limit, more: int) -> Limit:
    match limit:
        case Rate():
            return Rate(limit.count + more, limit.per)
        case MoneyAmount():
            return MoneyAmount(limit.millionths + more * CENT, limit.currency)
        case int():
            return limit + more


def _room(limit: Limit) -> int:
    match limit:
        case Rate():
            return MOST_RATE - limit.count
        case MoneyAmount():
            return MOST_CENTS
        case int():
            return MOST_SEGMENTS - limit
