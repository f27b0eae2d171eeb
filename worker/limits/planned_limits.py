"""The limits by which a campaign is planned, as far as they can be known without the database."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.calendar.periods import PeriodBudget, day_of, month_of
from campaigns.definition import Definition, Rate
from campaigns.message.segments import segmentation
from campaigns.planning.batching import BatchLimits, batch_limits
from worker.limits.limits_in_force import Ceilings
from worker.settings.settings import Settings


class LimitScope(StrEnum):
    """What a limit applies to: the beginning of its key."""

    ACCOUNT = "account"  # account:FINGERPRINT
    RUN = "run"  # run:ID
    DEVICE = "device"  # device:FINGERPRINT:TARGET


@dataclass(frozen=True, slots=True)
class PlannedLimits:
    """The limits of a campaign at planning time, by its file and the settings. `request`: what one request may hold.

    `unkept`: why it can never be sent under them, or "".

    They leave out what a person sets while it runs: see `Ceilings`.
    """

    rates: tuple[Rate, ...]
    budgets: tuple[tuple[LimitScope, PeriodBudget], ...]
    request: BatchLimits
    unkept: str = ""

    @property
    def smallest(self) -> PeriodBudget | None:
        """The budget that a single text exceeds first; None: there is none."""
        return min((budget for _, budget in self.budgets), key=attrgetter("segments"), default=None)

    def too_dear(self, text: str, *, step: str = "") -> str:
        """Return the problem if this text costs more than a whole period's budget and could never go; otherwise ''.

        `step`: the step whose text it is.
        """
        cost = segmentation(text).segments if text else 0
        smallest = self.smallest
        if smallest is None or cost <= smallest.segments:
            return ""
        of_step = f" of step {step}" if step else ""
        return (
            f"the longest text{of_step} costs {cost} segments, but at most {smallest} may be sent: it could never go "
            "out; shorten the message, or raise throughput.daily, throughput.monthly or the ceiling in the settings"
        )


def limits_of(definition: Definition, settings: Settings) -> PlannedLimits:
    """Return the limits by which a campaign is planned."""
    given = (definition.throughput.rate, settings.rate, settings.device_rate)
    rates = tuple(rate for rate in given if rate is not None)
    budgets = tuple(allowances(Ceilings.from_settings(settings), settings.zone, definition))
    segments = [budget.segments for _, budget in budgets]
    is_unkept = definition.contact_list is not None and settings.device_people_monthly is not None
    request = batch_limits(rates, definition.throughput.batch_size, segments)
    return PlannedLimits(
        rates,
        budgets,
        replace(request, ranking=definition.devices.ranking),
        LIST_OF_UNKNOWN_PEOPLE if is_unkept else "",
    )


LIST_OF_UNKNOWN_PEOPLE: Final = (
    "CAMPAIGNS_DEVICE_PEOPLE_MONTHLY limits how many people each phone may text, and only the gateway knows who is on "
    "a contact list: name the people in a table"
)


def allowances(ceilings: Ceilings, zone: ZoneInfo, definition: Definition) -> Iterator[tuple[LimitScope, PeriodBudget]]:
    """Yield the budgets that apply to a campaign. Those over all campaigns are for days and months of `zone`."""
    own = definition.schedule.zone
    daily = ceilings.campaign_daily.get(definition.campaign, definition.throughput.daily)
    for scope, segments, period_of, of_zone in (
        (LimitScope.ACCOUNT, ceilings.account_daily, day_of, zone),
        (LimitScope.ACCOUNT, ceilings.account_monthly, month_of, zone),
        (LimitScope.RUN, daily, day_of, own),
        (LimitScope.RUN, definition.throughput.monthly, month_of, own),
        (LimitScope.DEVICE, ceilings.device_daily, day_of, zone),
        (LimitScope.DEVICE, ceilings.device_monthly, month_of, zone),
    ):
        if segments is not None:
            yield scope, PeriodBudget(segments, period_of, of_zone)
