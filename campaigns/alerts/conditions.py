"""Alerts: conditions that somebody has to know about. One table holds them all; figures alone decide.

deploy/monitoring/rules.yml has the same conditions for Prometheus, and deploy/ALERTS.md a chapter for each.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

from campaigns.alerts import figures as looks
from campaigns.alerts.figures import AlertName
from campaigns.alerts.money import money_low, money_spent

MOST_SUBJECTS: Final = 20
"""The most subjects that one condition is reported for at a time: a thousand stuck phones are one problem."""

LONGEST_SUBJECT: Final = 90

GONE_SECONDS: Final = 60.0
"""How long a condition must be over before its alert is cleared, so that one that comes and goes is reported once."""


class Severity(StrEnum):
    """How soon somebody has to act."""

    PAGE = "page"  # now: texts are not sent, or something happened that must never happen
    WARN = "warn"  # in working hours


@dataclass(frozen=True, slots=True)
class Condition:
    """One row of the table: reported once it has held for `holds`. `says` is its sentence, with places for figures."""

    name: AlertName
    severity: Severity
    holds: timedelta
    says: str
    look: looks.Look

    def sentence(self, subject: str, detail: Mapping[str, Any]) -> str:
        """Return the sentence for people. Figures that an older version did not store are question marks."""
        figures = {name: f"{value:,}" if isinstance(value, int) else value for name, value in detail.items()}
        return self.says.format_map(defaultdict(lambda: "?", figures, subject=subject))


_AT_ONCE: Final = timedelta(0)
_MINUTE: Final = timedelta(minutes=1)
_FIVE: Final = timedelta(minutes=5)
_PAGE, _WARN = Severity.PAGE, Severity.WARN
_N = AlertName

CONDITIONS: Final[Mapping[AlertName, Condition]] = {
    condition.name: condition
    for condition in (
        Condition(
            _N.BOOKS,
            _PAGE,
            _AT_ONCE,
            "the counts of {subject} do not add up (people missing or stranded: {people})",
            looks.wrong_books,
        ),
        Condition(
            _N.LATE_ARRIVAL,
            _PAGE,
            _AT_ONCE,
            "requests given up as lost have arrived after all ({requests}); people may have got a text twice",
            looks.late_arrival,
        ),
        Condition(_N.ACCOUNT_PAUSED, _PAGE, _FIVE, "nothing is sent: {because}", looks.paused),
        Condition(
            _N.NO_TICK, _PAGE, _AT_ONCE, "the tick `{subject}` has not worked for {minutes} minutes", looks.no_tick
        ),
        Condition(
            _N.NO_LEASE_HOLDER,
            _PAGE,
            _MINUTE,
            "no process runs the clock: no campaign starts, and no text is followed",
            looks.no_holder,
        ),
        Condition(_N.DATABASE_AWAY, _PAGE, _MINUTE, "{because}", looks.trouble(_N.DATABASE_AWAY)),
        Condition(_N.REDIS_AWAY, _PAGE, _MINUTE, "{because}", looks.trouble(_N.REDIS_AWAY)),
        Condition(
            _N.IN_DOUBT,
            _PAGE,
            _AT_ONCE,
            "a request has been in doubt for {minutes} minutes, and cannot be looked up",
            looks.in_doubt,
        ),
        Condition(_N.HELD, _WARN, _AT_ONCE, "people have been waiting for a decision for {hours} h", looks.held),
        Condition(
            _N.PHONE_STUCK,
            _WARN,
            _AT_ONCE,
            "phone {subject} sends nothing (texts waiting: {waiting})",
            looks.stuck,
        ),
        Condition(
            _N.PHONE_FAILS,
            _WARN,
            _FIVE,
            "phone {subject} failed to send {failed} of its {texts} texts of the last hour",
            looks.phone_fails,
        ),
        Condition(
            _N.PEOPLE_LOW,
            _WARN,
            _AT_ONCE,
            "phone {subject} has texted {people} of the {most} different people whom it may text this month",
            looks.people_low,
        ),
        Condition(
            _N.PEOPLE_USED_UP,
            _WARN,
            _AT_ONCE,
            "phone {subject} may text {most} different people this month, and has texted {people}",
            looks.people_used_up,
        ),
        Condition(
            _N.OPT_OUTS, _WARN, _AT_ONCE, "{people} of {texts} people answered STOP to {subject}", looks.many_opt_outs
        ),
        Condition(
            _N.BUDGET,
            _WARN,
            _FIVE,
            "the budget of {subject} will run out: {left} segments are left, and {wanted} are waiting",
            looks.budget,
        ),
        Condition(
            _N.CREDITS,
            _WARN,
            _FIVE,
            "the credits will run out: {left} are left, and {wanted} texts are waiting",
            looks.credits_,
        ),
        Condition(
            _N.MONEY_LOW,
            _WARN,
            _AT_ONCE,
            "{who} spent {percent} % of {whose}: {spent} of {budget}",
            lambda figures: money_low(figures.money),
        ),
        Condition(
            _N.MONEY_SPENT,
            _WARN,
            _AT_ONCE,
            "{who} spent {whose}, {spent} of {budget}: what is left may be less than a text costs",
            lambda figures: money_spent(figures.money),
        ),
        Condition(_N.PRICES, _WARN, _AT_ONCE, "the prices cannot be used: {because}", looks.prices),
        Condition(
            _N.CALLS_OUT,
            _WARN,
            _AT_ONCE,
            "{subject} does not accept notifications (waiting: {waiting})",
            looks.calls_out,
        ),
        Condition(
            _N.LATE_FAST,
            _PAGE,
            _AT_ONCE,
            "{late} of {requests} requests of the last hour were late",
            looks.late(looks.FAST),
        ),
        Condition(
            _N.LATE_SLOWLY,
            _WARN,
            _AT_ONCE,
            "{late} of {requests} requests of the last six hours were late",
            looks.late(looks.SLOW),
        ),
    )
}
"""Every alert, in the order in which they are checked."""

REPLACED_BY: Final[Mapping[AlertName, AlertName]] = {
    _N.PEOPLE_LOW: _N.PEOPLE_USED_UP,
    _N.MONEY_LOW: _N.MONEY_SPENT,
}
"""Warnings that are cleared without delay when what they warn of is raised: nobody has to read both."""

Key = tuple[AlertName, str]
"""Name and subject: at most one alert of each is raised at a time."""


def found(figures: looks.Figures, *, unknown: Collection[AlertName] = ()) -> dict[Key, dict[str, Any]]:
    """Return what holds now. `unknown`: alerts that could not be checked."""
    return {
        (name, subject[:LONGEST_SUBJECT]): detail
        for name, condition in CONDITIONS.items()
        if name not in unknown
        for subject, detail in condition.look(figures)
    }


@dataclass(slots=True)
class Watch:
    """Since when conditions have held or been over, in monotonic seconds. It lives in the memory of one process."""

    since_seconds: dict[Key, float] = field(default_factory=dict)
    over_seconds: dict[Key, float] = field(default_factory=dict)

    def look(
        self,
        holds: Mapping[Key, dict[str, Any]],
        raised: Collection[Key],
        at_seconds: float,
        *,
        unknown: Collection[AlertName] = (),
    ) -> tuple[list[Key], list[Key]]:
        """Return what to raise and what to clear. `raised`: those that are open; `unknown` ones stay as they are."""
        self.since_seconds = {key: self.since_seconds.get(key, at_seconds) for key in holds}
        over = [key for key in raised if key not in holds and key[0] not in unknown]
        self.over_seconds = {key: self.over_seconds.get(key, at_seconds) for key in over}
        room = {name: MOST_SUBJECTS - sum(key[0] is name for key in raised) for name in CONDITIONS}
        new = []
        for key, since in sorted(self.since_seconds.items(), key=lambda each: (each[1], each[0])):
            holds_seconds = CONDITIONS[key[0]].holds.total_seconds()
            if key not in raised and at_seconds - since >= holds_seconds and room[key[0]] > 0:
                room[key[0]] -= 1
                new.append(key)
        open_ = {*new, *(key for key in raised if key in holds)}
        gone = [
            key
            for key, since in self.over_seconds.items()
            if at_seconds - since >= GONE_SECONDS or (REPLACED_BY.get(key[0]), key[1]) in open_
        ]
        return new, gone
