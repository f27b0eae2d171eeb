"""The questions that the rules about a schedule ask of one campaign at one moment."""

from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice, pairwise
from typing import Final

from campaigns.calendar.hours import Hours
from campaigns.definition.models import Definition, TextEncoding
from campaigns.definition.schedule import Keeper, LocalTime, Remind, Schedule
from campaigns.money.amounts import MoneyAmount
from campaigns.timing.recurrence import Recurrence, recurrence_of

SAMPLE: Final = 60
"""How many future runs or openings are checked: two months of a daily campaign, with every weekday in it."""


class ScheduleRules:
    """One campaign at one moment, with the answers to the rules' questions."""

    def __init__(self, definition: Definition, now: datetime) -> None:
        self.schedule: Schedule = definition.schedule
        self.throughput = definition.throughput
        self.budget = definition.throughput.budget
        self.now = now
        self.start = self.schedule.start_at()
        self.begins = max(now, self.start or now)
        self.recurrence: Recurrence | None = recurrence_of(self.schedule)
        self.has_contact_list = definition.contact_list is not None
        self.is_mobile_only = definition.mobile_only
        self.has_exclusions = bool(definition.exclude)
        self.has_cap = definition.frequency_cap is not None
        self.is_kept_by_gateway = definition.schedule.by is Keeper.GATEWAY
        self.is_as_written = definition.encoding is TextEncoding.AS_IS
        self.has_variants = bool(definition.variants)
        self.has_holdout = bool(definition.holdout)
        self.has_steps = bool(definition.steps)
        self.needs_approval = definition.approval
        self.sticks_to_nothing = definition.devices.stick is not None and not definition.devices.use
        self.is_local = self.schedule.local_time is LocalTime.RECIPIENT

    @property
    def hours(self) -> Hours | None:
        return self.schedule.window.hours(self.schedule.zone) if self.schedule.window else None

    @property
    def remind(self) -> Remind | None:
        return self.schedule.remind

    @property
    def until(self) -> datetime | None:
        return self.recurrence.until if self.recurrence else None

    @cached_property
    def runs(self) -> tuple[datetime, ...]:
        """The moments of the next runs, all that are checked."""
        if self.recurrence is None:
            return (self.start or self.now,)
        before = self.now if self.start is None or self.start <= self.now else self.start - timedelta(seconds=1)
        horizon = before + timedelta(days=366 * 9)
        return tuple(islice(self.recurrence.between(before, horizon), SAMPLE))

    def never_opens(self) -> bool:
        return self.hours is not None and self.hours.next_open(self.begins) is None

    def always_late(self) -> bool:
        """Return whether every run meets a closed window for longer than `if_late` allows."""
        late, hours = self.schedule.if_late, self.hours
        if late is None or hours is None or self.remind is not None or not self.runs:
            return False
        openings = [(run, hours.next_open(run)) for run in self.runs]
        return all(opens is not None and opens - run > late.within for run, opens in openings)

    def spreads_beyond_window(self) -> bool:
        spread, hours, moment = self.schedule.spread, self.hours, self.begins
        if spread is None or hours is None or self.never_opens():
            return False
        for _ in range(SAMPLE):
            opens = hours.next_open(moment)
            closes = opens and hours.closes_at(opens)
            if opens is None or closes is None:
                return opens is None
            if closes - opens >= spread.over:
                return False
            moment = closes
        return True

    def spreads_into_next_run(self) -> bool:
        spread = self.schedule.spread
        if spread is None or self.recurrence is None:
            return False
        return any(after - before < spread.over for before, after in pairwise(self.runs))

    def piles_up(self) -> bool:
        """Return whether several runs wait for the same opening of the window, and none of them for too long."""
        hours, late = self.hours, self.schedule.if_late
        if self.recurrence is None or hours is None:
            return False
        openings = [(run, hours.next_open(run)) for run in self.runs]
        sent = [opens for run, opens in openings if opens and not (late and opens - run > late.within)]
        return len(set(sent)) < len(sent)

    def has_one_start_for_all(self) -> bool:
        """Return whether the start is one moment everywhere, and nothing else depends on a person's own zone."""
        start = self.schedule.start
        goes_by_clocks = self.hours or self.remind or self.recurrence
        return self.is_local and start is not None and start.tzinfo is not None and not goes_by_clocks

    def has_idle_budget(self) -> bool:
        daily, monthly = self.throughput.daily, self.throughput.monthly
        return daily is not None and monthly is not None and daily > monthly

    def has_mixed_currencies(self) -> bool:
        daily, total = self._amounts
        return daily is not None and total is not None and daily.currency != total.currency

    def has_idle_money(self) -> bool:
        daily, total = self._amounts
        is_more = daily is not None and total is not None and daily.millionths > total.millionths
        return is_more and not self.has_mixed_currencies()

    @property
    def _amounts(self) -> tuple[MoneyAmount | None, MoneyAmount | None]:
        return (self.budget.daily, self.budget.total) if self.budget else (None, None)

    def has_equal_offsets(self) -> bool:
        return self.remind is not None and any(
            len(set(offsets)) < len(offsets) for offsets in (self.remind.before, self.remind.after)
        )
