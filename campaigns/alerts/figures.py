"""The figures that alerts are decided from, and how each condition decides."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from campaigns.alerts.money import MoneySpent

LATE_ARRIVAL_FOR: Final = timedelta(hours=1)
"""How long a late arrival is reported. The account stays paused until somebody resumes it."""

HELD_SECONDS: Final = 3600.0
SETTLING_TIMES: Final = 2
"""A request still in doubt after this many settling times: the gateway probably cannot be read."""

TIMES_THE_BASELINE: Final = 3.0
PHONE_AT_LEAST: Final = 10
PHONE_SHARE: Final = 0.05
"""A phone fails if this share of its last hour's texts failed, and three times as much as before: at least 10."""

PEOPLE_SHARE: Final = 0.8
"""The share of its people of a month from which a phone is reported."""

OPT_OUTS_AT_LEAST: Final = 20
OPT_OUT_SHARE: Final = 0.01
"""The same for people who answered STOP to a campaign. Carriers do not react to less than one in a hundred."""

OBJECTIVE: Final = 0.995
"""The share of requests of reminders and transactional campaigns that must reach the gateway in time."""

ON_TIME_SECONDS: Final = 60.0
LATE_AT_LEAST: Final = 10

TICK_STALLED_SECONDS: Final = 300.0
"""Planning a million recipients may take the inbox minutes."""

SPENT_AT_LEAST: Final = 20
"""Segments or texts in the last half hour. Fewer say nothing about the rest of the day."""


class AlertName(StrEnum):
    """What is stored, and what programs see."""

    BOOKS = "books_do_not_add_up"
    LATE_ARRIVAL = "late_arrival"
    ACCOUNT_PAUSED = "account_paused"
    NO_TICK = "no_tick"
    NO_LEASE_HOLDER = "no_lease_holder"
    DATABASE_AWAY = "database_away"
    REDIS_AWAY = "redis_away"
    IN_DOUBT = "in_doubt_too_long"
    HELD = "held_too_long"
    PHONE_STUCK = "phone_stuck"
    PHONE_FAILS = "phone_fails"
    PEOPLE_LOW = "phone_people_low"
    PEOPLE_USED_UP = "phone_people_used_up"
    OPT_OUTS = "many_opt_outs"
    BUDGET = "budget_will_not_last"
    CREDITS = "credits_will_not_last"
    MONEY_LOW = "money_runs_low"
    MONEY_SPENT = "money_spent"
    PRICES = "prices_unusable"
    CALLS_OUT = "calls_out_fail"
    LATE_FAST = "late_texts"
    LATE_SLOWLY = "late_texts_slowly"


@dataclass(frozen=True, slots=True)
class Share:
    """How many of `all` were of the kind that is counted."""

    all: int = 0
    bad: int = 0

    @property
    def ratio(self) -> float:
        """From 0 to 1; 0 of nothing."""
        return self.bad / self.all if self.all else 0.0


@dataclass(frozen=True, slots=True)
class Supply:
    """What is left of a budget (segments) or of the credits (texts), and what is needed before `until_seconds`.

    `spent_lately`: within the last `lately_seconds`.
    """

    name: str
    left: int
    wanted: int
    spent_lately: int
    lately_seconds: float
    until_seconds: float


@dataclass(frozen=True, slots=True)
class BurnRate:
    """The allowance is used up `times` as fast as planned, both over a long time and over a short one."""

    times: float
    long: timedelta
    short: timedelta


FAST: Final = BurnRate(14.4, timedelta(hours=1), timedelta(minutes=5))
SLOW: Final = BurnRate(6.0, timedelta(hours=6), timedelta(minutes=30))
"""An hour at the first rate uses 2 % of a month's allowance, six hours at the second 5 % (Google's SRE workbook)."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What the conditions are decided from. Ages are in seconds; None: there is nothing of the kind."""

    settle_seconds: float
    wrong_books: Mapping[str, int] = field(default_factory=dict)  # by campaign: people
    late_arrivals: int = 0  # within `LATE_ARRIVAL_FOR`
    paused_because: str | None = None
    ticks: Mapping[str, float] = field(default_factory=dict)  # by tick: since it last worked
    nobody_leads: bool = False
    troubles: Mapping[AlertName, str] = field(default_factory=dict)  # of servers: a sentence
    in_doubt_seconds: float | None = None
    held_seconds: float | None = None
    stuck: Mapping[str, int] = field(default_factory=dict)  # by phone: texts that wait
    people: Mapping[str, Share] = field(default_factory=dict)  # by phone: texted this month (`bad`) of those it may
    phones: Mapping[str, tuple[Share, Share]] = field(default_factory=dict)  # failed: lately, and before
    opt_outs: Mapping[str, Share] = field(default_factory=dict)  # by campaign
    opt_outs_before: Share = Share()  # of campaigns that are over
    budgets: Sequence[Supply] = ()
    credits: Supply | None = None
    money: Mapping[str, MoneySpent] = field(default_factory=dict)  # by budget
    prices_problem: str = ""
    calls_out: Mapping[str, int] = field(default_factory=dict)  # by target: notices that wait for it
    late: Mapping[timedelta, Share] = field(default_factory=dict)  # requests over each span


Found = tuple[str, dict[str, Any]]
"""A subject (empty: the installation), and the figures for the sentence."""

Look = Callable[[Figures], Iterable[Found]]


def wrong_books(figures: Figures) -> Iterator[Found]:
    """Campaigns whose books do not add up."""
    yield from ((campaign, {"people": people}) for campaign, people in figures.wrong_books.items())


def late_arrival(figures: Figures) -> Iterator[Found]:
    """Requests that were given up as lost and arrived."""
    if figures.late_arrivals:
        yield "", {"requests": figures.late_arrivals}


def paused(figures: Figures) -> Iterator[Found]:
    """The account, if it is paused."""
    if figures.paused_because is not None:
        yield "", {"because": figures.paused_because}


def no_tick(figures: Figures) -> Iterator[Found]:
    """Ticks that have not worked for a while."""
    for name, seconds in figures.ticks.items():
        if seconds > TICK_STALLED_SECONDS:
            yield name, {"minutes": int(seconds // 60)}


def no_holder(figures: Figures) -> Iterator[Found]:
    """Nobody runs the clock."""
    if figures.nobody_leads:
        yield "", {}


def trouble(name: AlertName) -> Look:
    """Return the condition of a server in trouble."""

    def look(figures: Figures) -> Iterator[Found]:
        if name in figures.troubles:
            yield "", {"because": figures.troubles[name]}

    return look


def in_doubt(figures: Figures) -> Iterator[Found]:
    """Requests in doubt that could not be looked up in time."""
    if (figures.in_doubt_seconds or 0) > SETTLING_TIMES * figures.settle_seconds:
        yield "", {"minutes": int((figures.in_doubt_seconds or 0) // 60)}


def held(figures: Figures) -> Iterator[Found]:
    """People waiting for a decision."""
    if (figures.held_seconds or 0) > HELD_SECONDS:
        yield "", {"hours": int((figures.held_seconds or 0) // 3600)}


def stuck(figures: Figures) -> Iterator[Found]:
    """Phones that send nothing."""
    yield from ((phone, {"waiting": waiting}) for phone, waiting in figures.stuck.items())


def is_above(lately: Share, before: Share, *, at_least: int, share: float) -> bool:
    """Return whether a share is high, and three times what it was before. A few events decide nothing."""
    if lately.bad < at_least or lately.ratio <= share:
        return False
    return before.bad < at_least or lately.ratio > TIMES_THE_BASELINE * before.ratio


def phone_fails(figures: Figures) -> Iterator[Found]:
    """Phones that fail more often than they used to."""
    for phone, (lately, before) in figures.phones.items():
        if is_above(lately, before, at_least=PHONE_AT_LEAST, share=PHONE_SHARE):
            yield phone, {"failed": lately.bad, "texts": lately.all}


def people_low(figures: Figures) -> Iterator[Found]:
    """Phones that may soon text nobody new this month."""
    for phone, people in figures.people.items():
        if PEOPLE_SHARE <= people.ratio < 1:
            yield phone, {"people": people.bad, "most": people.all}


def people_used_up(figures: Figures) -> Iterator[Found]:
    """Phones that may text nobody new this month."""
    for phone, people in figures.people.items():
        if people.ratio >= 1:
            yield phone, {"people": people.bad, "most": people.all}


def many_opt_outs(figures: Figures) -> Iterator[Found]:
    """Campaigns that more people opted out of than is usual."""
    for campaign, share in figures.opt_outs.items():
        if is_above(share, figures.opt_outs_before, at_least=OPT_OUTS_AT_LEAST, share=OPT_OUT_SHARE):
            yield campaign, {"people": share.bad, "texts": share.all}


def will_not_last(supply: Supply) -> bool:
    """Return whether, at the pace of the last half hour, more will be needed than is left."""
    if supply.wanted <= max(0, supply.left):
        return False
    if supply.left <= 0:
        return True
    expected = supply.spent_lately / supply.lately_seconds * supply.until_seconds
    return supply.spent_lately >= SPENT_AT_LEAST and min(supply.wanted, expected) > supply.left


def _lack(supply: Supply) -> dict[str, Any]:
    return {"left": max(0, supply.left), "wanted": supply.wanted}


def budget(figures: Figures) -> Iterator[Found]:
    """Budgets that will run out."""
    yield from ((supply.name, _lack(supply)) for supply in figures.budgets if will_not_last(supply))


def credits_(figures: Figures) -> Iterator[Found]:
    """Credits that will run out."""
    if figures.credits is not None and will_not_last(figures.credits):
        yield "", _lack(figures.credits)


def prices(figures: Figures) -> Iterator[Found]:
    """A file of prices that cannot be used."""
    if figures.prices_problem:
        yield "", {"because": figures.prices_problem}


def calls_out(figures: Figures) -> Iterator[Found]:
    """Targets that do not accept notifications."""
    yield from ((target, {"waiting": waiting}) for target, waiting in figures.calls_out.items())


def late(rate: BurnRate) -> Look:
    """Return the condition that too many requests are late, at this rate."""

    def look(figures: Figures) -> Iterator[Found]:
        long, short = (figures.late.get(span, Share()) for span in (rate.long, rate.short))
        allowed = rate.times * (1 - OBJECTIVE)
        if long.bad >= LATE_AT_LEAST and long.ratio > allowed and short.ratio > allowed:
            yield "", {"late": long.bad, "requests": long.all}

    return look
