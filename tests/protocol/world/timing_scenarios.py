"""Random campaigns: zones, days on which clocks change, windows, spreads, rates, budgets, people."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from campaigns.definition import Rate
from campaigns.money.amounts import MoneyAmount

ZONES: Final = (
    "Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "America/Santiago",
    "Pacific/Chatham", "Asia/Tokyo",
)  # fmt: skip

DAYS: Final = (
    date(2026, 3, 7), date(2026, 3, 28), date(2026, 4, 4), date(2026, 9, 5), date(2026, 9, 26), date(2026, 10, 3),
    date(2026, 10, 24), date(2026, 10, 31), date(2026, 2, 14), date(2026, 3, 21), date(2026, 6, 10),
)  # fmt: skip
"""Days before a clock change in one of the zones, and one on which nothing happens."""

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MINUTE: Final = timedelta(minutes=1)
CENT: Final = 10_000
"""In millionths of a euro."""

LONG: Final = "x" * 170
"""A text of two segments."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A window by the clock; it spans midnight if `to` is not after `since`."""

    days: tuple[int, ...]
    since: time
    to: time

    def is_open(self, wall: datetime) -> bool:
        """Return whether clocks that show `wall` (naive) allow sending."""
        at, today = wall.time(), wall.weekday()
        if self.since < self.to:
            return today in self.days and self.since <= at < self.to
        return (today in self.days and at >= self.since) or ((today - 1) % 7 in self.days and at < self.to)

    def __str__(self) -> str:
        days = ",".join(WEEKDAYS[day] for day in self.days)
        return f"{{days: '{days}', from: '{self.since:%H:%M}', to: '{self.to:%H:%M}'}}"


@dataclass(frozen=True, slots=True)
class Person:
    """A row of the table: `number` places; `zone` is in its column."""

    number: int
    zone: str
    is_long: bool

    @property
    def phone(self) -> str:
        return f"+39333{self.number:07}"

    @property
    def segments(self) -> int:
        return 2 if self.is_long else 1


@dataclass(frozen=True, slots=True)
class Scenario:
    """One campaign, dropped at `now`. `rate` is a count and its period in seconds; `start` is naive.

    It names `phones` phones, 0: none; each has `phone_rate` (a minute) and `phone_daily`, by UTC days, and texts
    `people_monthly` different people by UTC months. A segment costs 5 cents: at most `money_daily` cents a day for the
    campaign, and `all_money_daily` for all.
    """

    now: datetime
    zone: str
    is_local: bool
    start: datetime | None
    window: Opening | None
    spread: timedelta | None
    within: timedelta | None
    holds: bool
    rate: tuple[int, int] | None
    daily: int | None
    batch_size: int
    people: tuple[Person, ...]
    phones: int = 0
    phone_rate: int | None = None
    phone_daily: int | None = None
    people_monthly: int | None = None
    sticks: bool = False
    money_daily: int | None = None
    all_money_daily: int | None = None
    forgets: bool = False  # who was texted, after every step: it is counted anew from the requests

    @property
    def settings(self) -> dict[str, Any]:
        """What the settings say about phones."""
        rate = None if self.phone_rate is None else Rate(self.phone_rate, MINUTE)
        return {
            "device_rate": rate,
            "device_daily": self.phone_daily,
            "device_people_monthly": self.people_monthly,
            "budget_daily": None if self.all_money_daily is None else MoneyAmount(self.all_money_daily * CENT, "EUR"),
        }

    def zone_of(self, person: Person) -> ZoneInfo:
        """The zone whose clocks count for a person."""
        return ZoneInfo(person.zone if self.is_local else self.zone)

    @property
    def table(self) -> str:
        """The audience as CSV, with one row twice and one without a number."""
        rows = [f"{person.phone},{person.zone},{LONG if person.is_long else 'x'}" for person in self.people]
        return "\n".join(["number,timezone,text", *rows, rows[0], f"12,{self.zone},x"]) + "\n"

    @property
    def file(self) -> str:
        """The campaign file; the audience is in `sale.csv`."""
        schedule = [f"timezone: {self.zone}", f"local_time: {'recipient' if self.is_local else 'campaign'}"]
        if self.start is not None:
            schedule.append(f"start: {self.start:%Y-%m-%d %H:%M}")
        if self.window is not None:
            schedule.append(f"window: {self.window}")
        if self.spread is not None:
            schedule.append(f"spread: {self.spread // timedelta(minutes=1)}m")
        if self.within is not None:
            otherwise = "hold" if self.holds else "skip"
            schedule.append(f"if_late: {{within: {self.within // timedelta(minutes=1)}m, otherwise: {otherwise}}}")
        limits = [f"batch_size: {self.batch_size}"]
        if self.rate is not None:
            limits.append(f"rate: {self.rate[0]}/{'minute' if self.rate[1] == 60 else 'hour'}")
        if self.daily is not None:
            limits.append(f"daily: {self.daily}")
        if self.money_daily is not None:
            limits.append(f"budget: {{daily: {self.money_daily / 100:.2f} EUR}}")
        return (
            "campaign: sale\nmessage: '{{ text }}'\naudience: {file: sale.csv}\n"
            f"schedule: {{{', '.join(schedule)}}}\nthroughput: {{{', '.join(limits)}}}\n"
            f"devices: {{use: {list(range(1, self.phones + 1))}{', stick: recipient' if self.sticks else ''}}}\n"
        )


quarters = st.integers(0, 95).map(lambda quarter: time(quarter // 4, quarter % 4 * 15))
openings = st.builds(
    lambda days, hours: Opening(tuple(sorted(days)), *hours),
    st.frozensets(st.integers(0, 6), min_size=2),
    st.tuples(quarters, quarters).filter(lambda hours: hours[0] != hours[1]),
)
people = st.lists(st.tuples(st.sampled_from(ZONES), st.booleans()), min_size=1, max_size=14).map(
    lambda rows: tuple(Person(number, *row) for number, row in enumerate(rows))
)


@st.composite
def scenarios(draw: st.DrawFn, *, with_phones: bool = False, with_money: bool = False) -> Scenario:
    """Random campaigns; `with_phones`: by several phones with limits of their own, too; `with_money`: with budgets."""
    cents = st.none() | st.integers(10, 60) if with_money else st.none()
    phones, phone_rate, phone_daily, people_monthly, sticks, forgets = 0, None, None, None, False, False
    if with_phones:
        phones = draw(st.sampled_from([0, 2, 3]))
        phone_rate = draw(st.none() | st.sampled_from([2, 6, 30]))
        phone_daily = draw(st.none() | st.integers(2, 6))
        people_monthly = draw(st.none() | st.integers(2, 8))
        sticks, forgets = draw(st.booleans()), draw(st.booleans())
    day = draw(st.sampled_from(DAYS))
    now = datetime.combine(day, draw(quarters), UTC)
    ahead = draw(st.none() | st.integers(-4, 3 * 96))
    start = None if ahead is None else now.replace(tzinfo=None) + ahead * 15 * MINUTE
    return Scenario(
        now=now,
        zone=draw(st.sampled_from(ZONES)),
        is_local=draw(st.booleans()),
        start=start,
        window=draw(st.none() | openings),
        spread=draw(st.none() | st.sampled_from([10 * MINUTE, 60 * MINUTE, 180 * MINUTE])),
        within=draw(st.none() | st.sampled_from([30 * MINUTE, 120 * MINUTE, 24 * 60 * MINUTE])),
        holds=draw(st.booleans()),
        rate=draw(st.none() | st.sampled_from([(2, 60), (10, 60), (5, 3600), (20, 3600)])),
        daily=draw(st.none() | st.integers(2, 12)),
        batch_size=draw(st.sampled_from([1, 2, 5])),
        people=draw(people),
        phones=phones,
        phone_rate=phone_rate,
        phone_daily=phone_daily,
        people_monthly=people_monthly,
        sticks=sticks,
        forgets=forgets,
        money_daily=draw(cents),
        all_money_daily=draw(cents),
    )
