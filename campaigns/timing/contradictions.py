"""What the keys of a schedule cannot mean together: a table of conditions, each with a sentence and a way out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import islice, pairwise
from typing import Final

from campaigns.definition.document import Document, KeyPath
from campaigns.definition.hours import Hours
from campaigns.definition.models import Definition
from campaigns.definition.schedule import Keeper, LocalTime, Remind, Schedule
from campaigns.definition.sources import ContactListSource
from campaigns.problems import Problem
from campaigns.timing.recurrence import Recurrence, recurrence_of

SAMPLE: Final = 60
"""So many runs or openings to come are looked at: two months of a daily campaign, with every weekday in it."""


class Case:
    """One campaign at one moment, and what its rules ask about it."""

    def __init__(self, definition: Definition, now: datetime) -> None:
        self.schedule: Schedule = definition.schedule
        self.throughput = definition.throughput
        self.now = now
        self.start = self.schedule.start_at()
        self.begins = max(now, self.start or now)
        self.recurrence: Recurrence | None = recurrence_of(self.schedule)
        self.has_contact_list = any(isinstance(source, ContactListSource) for source in definition.audience)
        self.has_exclusions = bool(definition.exclude)
        self.has_cap = definition.frequency_cap is not None
        self.is_kept_by_gateway = definition.schedule.by is Keeper.GATEWAY
        self.has_variants = bool(definition.variants)
        self.has_holdout = bool(definition.holdout)
        self.needs_approval = definition.approval
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
        """The moments of the next runs: of all of them that are looked at."""
        if self.recurrence is None:
            return (self.start or self.now,)
        before = self.now if self.start is None or self.start <= self.now else self.start - timedelta(seconds=1)
        horizon = before + timedelta(days=366 * 9)
        return tuple(islice(self.recurrence.between(before, horizon), SAMPLE))

    def never_opens(self) -> bool:
        return self.hours is not None and self.hours.next_open(self.begins) is None

    def always_late(self) -> bool:
        """Whether every run meets a closed window for longer than `if_late` allows."""
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
        """Whether several runs wait for the same opening of the window, and none of them for too long."""
        hours, late = self.hours, self.schedule.if_late
        if self.recurrence is None or hours is None:
            return False
        openings = [(run, hours.next_open(run)) for run in self.runs]
        sent = [opens for run, opens in openings if opens and not (late and opens - run > late.within)]
        return len(set(sent)) < len(sent)

    def has_one_start_for_all(self) -> bool:
        """Whether the start is one moment everywhere, and nothing else goes by anybody's own clocks."""
        start = self.schedule.start
        goes_by_clocks = self.hours or self.remind or self.recurrence
        return self.is_local and start is not None and start.tzinfo is not None and not goes_by_clocks

    def has_idle_budget(self) -> bool:
        daily, monthly = self.throughput.daily, self.throughput.monthly
        return daily is not None and monthly is not None and daily > monthly

    def has_equal_offsets(self) -> bool:
        return self.remind is not None and any(
            len(set(offsets)) < len(offsets) for offsets in (self.remind.before, self.remind.after)
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """A combination that makes no sense: when it is given, what to say after the key at `path`, and what to do."""

    path: KeyPath
    applies: Callable[[Case], bool]
    problem: str
    hint: str


RULES: Final = (
    Rule(
        ("variants",),
        lambda case: case.has_contact_list and case.has_variants,
        "cannot go with a contact list: the gateway sends one text to all of it",
        "write one text under `message`, or use a file as audience",
    ),
    Rule(
        ("holdout",),
        lambda case: case.has_contact_list and case.has_holdout,
        "cannot go with a contact list: the gateway keeps its numbers to itself and sends to all of them",
        "remove it, or use a file as audience",
    ),
    Rule(
        ("exclude",),
        lambda case: case.has_contact_list and case.has_exclusions,
        "cannot go with a contact list: the gateway keeps its numbers to itself and sends to all of them",
        "remove it, or unsubscribe them from the list",
    ),
    Rule(
        ("frequency_cap",),
        lambda case: case.has_contact_list and case.has_cap,
        "cannot go with a contact list: the gateway keeps its numbers to itself and sends to all of them",
        "remove it, or use a file as audience",
    ),
    Rule(
        ("schedule", "by"),
        lambda case: case.is_kept_by_gateway and case.start is None,
        "needs a start: the gateway is told when to send",
        "add a start that lies ahead, or write by: service",
    ),
    Rule(
        ("schedule", "window"),
        lambda case: case.is_kept_by_gateway and case.hours is not None,
        "cannot go with by: gateway, which knows one moment and no sending hours",
        "remove it and write a start inside of them, or write by: service",
    ),
    Rule(
        ("schedule", "spread"),
        lambda case: case.is_kept_by_gateway and case.schedule.spread is not None,
        "cannot go with by: gateway, which is told one moment for all",
        "remove it, or write by: service",
    ),
    Rule(
        ("schedule", "local_time"),
        lambda case: case.is_kept_by_gateway and case.is_local,
        "cannot be recipient with by: gateway, which is told one moment for all",
        "write campaign, or by: service",
    ),
    Rule(
        ("schedule", "repeat"),
        lambda case: case.is_kept_by_gateway and case.recurrence is not None,
        "cannot go with by: gateway: each run is planned minutes before it goes, and nothing is handed over ahead",
        "remove it, or write by: service",
    ),
    Rule(
        ("schedule", "remind"),
        lambda case: case.is_kept_by_gateway and case.remind is not None,
        "cannot go with by: gateway: a reminder that was handed over cannot follow an appointment that moves",
        "remove it, or write by: service",
    ),
    Rule(
        ("frequency_cap",),
        lambda case: case.is_kept_by_gateway and case.has_cap,
        "cannot go with by: gateway: it is asked when a text is handed over, and not when it is sent",
        "remove it, or write by: service",
    ),
    Rule(
        ("schedule", "window"),
        Case.never_opens,
        "never opens in the next 400 days: all of its days are closed by `except`",
        "name more days, or shorten `except`",
    ),
    Rule(
        ("variants",),
        lambda case: case.remind is not None and case.has_variants,
        "cannot go with `remind`: people come in one by one, and shares of them would change with every table",
        "write one text under `message`",
    ),
    Rule(
        ("holdout",),
        lambda case: case.remind is not None and case.has_holdout,
        "cannot go with `remind`: people come in one by one, and a share of them would change with every table",
        "remove it",
    ),
    Rule(
        ("approval",),
        lambda case: case.remind is not None and case.needs_approval,
        "cannot go with `remind`: every table that comes changes the plan that somebody has approved",
        "remove it; look at the first table with `campaigns plan`",
    ),
    Rule(
        ("schedule", "remind"),
        lambda case: case.remind is not None and case.recurrence is not None,
        "cannot go with `repeat`: it has a moment for every person already",
        "remove one of the two",
    ),
    Rule(
        ("schedule", "remind"),
        lambda case: case.remind is not None and case.has_contact_list,
        "needs a column with dates, and a contact list has no columns",
        "use a file as audience",
    ),
    Rule(
        ("schedule", "remind"),
        lambda case: case.remind is not None and not (case.remind.before or case.remind.after),
        "does not say when",
        "add before: [24h], or after: [1d]",
    ),
    Rule(
        ("schedule", "remind"),
        Case.has_equal_offsets,
        "names the same time twice: 24h and 1d are the same",
        "name each time once: everybody gets one text for each",
    ),
    Rule(
        ("schedule", "spread"),
        lambda case: case.remind is not None and case.schedule.spread is not None,
        "cannot go with `remind`: everybody has a moment of their own, and nothing is left to even out",
        "remove `spread`",
    ),
    Rule(
        ("schedule", "spread"),
        lambda case: case.has_contact_list and case.schedule.spread is not None,
        "cannot go with a contact list: the gateway sends to all of it with one request",
        "remove `spread`, or use a file as audience",
    ),
    Rule(
        ("schedule", "spread"),
        Case.spreads_beyond_window,
        "is longer than the window ever stays open",
        "shorten it, or write throughput.daily to share the campaign out over several days",
    ),
    Rule(
        ("schedule", "spread"),
        Case.spreads_into_next_run,
        "is longer than the time between two runs: the next would begin before the last one is through",
        "shorten it, or repeat less often",
    ),
    Rule(
        ("schedule", "local_time"),
        lambda case: case.is_local and case.has_contact_list,
        "cannot be recipient for a contact list: the gateway keeps its numbers to itself and sends to all at once",
        "write campaign, or use a file as audience",
    ),
    Rule(
        ("schedule", "local_time"),
        lambda case: case.is_local and case.start is None and not (case.hours or case.remind or case.recurrence),
        "has nothing to go by: the campaign has neither a start nor a window",
        "add a start or a window, or remove it",
    ),
    Rule(
        ("schedule", "start"),
        Case.has_one_start_for_all,
        "has an offset and so is the same moment everywhere: local_time: recipient has nothing to go by",
        "leave the offset out, as in 2026-12-01 09:00, or write local_time: campaign",
    ),
    Rule(
        ("schedule", "repeat", "cron"),
        Case.piles_up,
        "has several runs that would wait for the same opening of the window: everybody would get all of them at once",
        "repeat only while the window is open, or skip what waits long: if_late: {within: 1h}",
    ),
    Rule(
        ("throughput", "daily"),
        Case.has_idle_budget,
        "is more than `monthly` allows in a whole month",
        "lower it, or raise monthly",
    ),
    Rule(
        ("schedule", "repeat", "until"),
        lambda case: case.until is not None and case.start is not None and case.until < case.start,
        "lies before the start",
        "move one of the two",
    ),
    Rule(
        ("schedule", "repeat", "until"),
        lambda case: case.until is not None and case.until < case.now and not (case.start and case.until < case.start),
        "has passed already: no run is left",
        "move it, or remove it to repeat without an end",
    ),
    Rule(
        ("schedule", "repeat", "cron"),
        lambda case: case.until is not None and case.until >= case.begins and not case.runs,
        "has no run between now, or the start, and `until`",
        "move `until`, or repeat more often",
    ),
    Rule(
        ("schedule", "if_late", "within"),
        Case.always_late,
        "ends before the window opens: nothing would ever be sent",
        "start inside the window, or allow more time",
    ),
)


def contradictions(definition: Definition, document: Document, now: datetime) -> Iterator[Problem]:
    """Every rule that a campaign breaks at `now` (aware), each as a problem at the place of its key.

    `document` is what `definition` was read from. A `repeat` whose start has passed is none: what is past is not made
    up for. Values that are wrong by themselves (a limit of 0, a length of 0 s, 31 February) are refused when read.
    """
    case = Case(definition, now)
    for rule in RULES:
        if rule.applies(case):
            yield document.value_place(rule.path).problem(rule.path, rule.problem, rule.hint)
