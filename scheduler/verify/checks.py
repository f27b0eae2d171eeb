"""What is checked, what can be wrong, and where both are counted."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from campaigns.display import shown_time


class Check(StrEnum):
    """One promise."""

    BOOKS = "books"
    REQUESTS = "requests"
    MESSAGES = "messages"
    DOUBLES = "doubles"
    LOSSES = "losses"
    NEVER_SENT = "never_sent"
    RATES = "rates"
    HOURS = "hours"
    CAPS = "caps"
    MONEY = "money"
    PEOPLE = "people"
    OPT_OUTS = "opt_outs"
    STEPS = "steps"
    AUDIT = "audit"


ABOUT: Final[Mapping[Check, tuple[str, str]]] = {
    Check.BOOKS: ("row", "every row of the audience is in one state, and the kept counts say the same"),
    Check.REQUESTS: ("request", "each request had the people and texts that were promised before it"),
    Check.MESSAGES: ("message", "each message has the number and the text of its row"),
    Check.DOUBLES: ("row", "nobody has two messages"),
    Check.LOSSES: ("row", "each text that was handed over has its message"),
    Check.NEVER_SENT: ("row", "who was left out has no message"),
    Check.RATES: ("request", "no period of a limit has more segments than it allows"),
    Check.HOURS: ("request", "none left outside its hours, before its moment, or too late"),
    Check.CAPS: ("text", "nobody got more texts than the frequency cap allows"),
    Check.MONEY: ("charge", "charges follow from the requests, and keep the budgets"),
    Check.PEOPLE: ("person/people", "no phone texted more people in a month than it may"),
    Check.OPT_OUTS: ("opt-out", "nobody was texted after they had opted out"),
    Check.STEPS: ("row", "later texts went to whom they are for, in time, and to nobody else"),
    Check.AUDIT: ("entry/entries", "the audit is whole, and has what people decided"),
}
"""What one thing is that a check counts (and several, if not with an s), and what it says of them."""


class Breach(StrEnum):
    """What can be wrong."""

    COUNTS_DIFFER = "counts_differ"
    AUDIENCE_DIFFERS = "audience_differs"
    UNSETTLED = "unsettled"
    BATCHES_DIFFER = "batches_differ"
    NO_REQUEST = "no_request"
    OTHER_PEOPLE = "other_people"
    OTHER_SEGMENTS = "other_segments"
    ORPHAN_REQUEST = "orphan_request"
    OTHER_NUMBER = "other_number"
    OTHER_TEXT = "other_text"
    UNACCOUNTED = "unaccounted"
    SHARED_MESSAGE = "shared_message"
    SECOND_MESSAGE = "second_message"
    SECOND_ROW = "second_row"
    RESENT_THOUGH_SENT = "resent_though_sent"
    NO_ID = "no_id"
    MISSING = "missing"
    LEFT_OUT_SENT = "left_out_sent"
    LEFT_OUT_HAS_MESSAGE = "left_out_has_message"
    OVER_RATE = "over_rate"
    OVER_SEGMENTS = "over_segments"
    OUTSIDE_WINDOW = "outside_window"
    OUTSIDE_HOURS = "outside_hours"
    TOO_EARLY = "too_early"
    TOO_LATE = "too_late"
    OTHER_ZONE = "other_zone"
    OVER_CAP = "over_cap"
    OVER_BUDGET = "over_budget"
    SPENT_DIFFERS = "spent_differs"
    COSTS_DIFFER = "costs_differ"
    NOT_CHARGED = "not_charged"
    CHARGED_TWICE = "charged_twice"
    CHARGED_OTHERWISE = "charged_otherwise"
    CHARGED_UNSENT = "charged_unsent"
    OVER_PEOPLE = "over_people"
    AFTER_OPT_OUT = "after_opt_out"
    STEP_BEFORE_TEXT = "step_before_text"
    STEP_TOO_SOON = "step_too_soon"
    STEP_UNLESS = "step_unless"
    STEP_ONLY_IF = "step_only_if"
    STEP_LEFT_OUT = "step_left_out"
    CHAIN_BROKEN = "chain_broken"
    NOT_AUDITED = "not_audited"


BREACHES: Final[Mapping[Breach, tuple[Check, str]]] = {
    Breach.COUNTS_DIFFER: (Check.BOOKS, "the kept count of {figure} is {kept}, and the rows are {rows}"),
    Breach.AUDIENCE_DIFFERS: (Check.BOOKS, "the plan had {planned} rows, and there are {rows}"),
    Breach.UNSETTLED: (Check.BOOKS, "the run is over, and it is {state}"),
    Breach.BATCHES_DIFFER: (Check.BOOKS, "is in batch {batch}, which is not one of its run"),
    Breach.NO_REQUEST: (Check.REQUESTS, "was accepted at {at}, and no request was under way that could be it"),
    Breach.OTHER_PEOPLE: (Check.REQUESTS, "request {request} was promised to other people or texts than its rows have"),
    Breach.OTHER_SEGMENTS: (
        Check.REQUESTS,
        "request {request} counts as {counted} segments, and its rows have {segments}",
    ),
    Breach.ORPHAN_REQUEST: (Check.REQUESTS, "request {request} belongs to no batch of its run"),
    Breach.OTHER_NUMBER: (Check.MESSAGES, "message {message} went to {to}"),
    Breach.OTHER_TEXT: (Check.MESSAGES, "message {message} has another text than its row"),
    Breach.UNACCOUNTED: (Check.MESSAGES, "message {message} came from a request of the campaign, and no row knows it"),
    Breach.SHARED_MESSAGE: (Check.DOUBLES, "has message {message}, as {other} does"),
    Breach.SECOND_MESSAGE: (Check.DOUBLES, "got the same text again, as message {message}"),
    Breach.SECOND_ROW: (Check.DOUBLES, "this row of the table is a repetition, and has message {message}"),
    Breach.RESENT_THOUGH_SENT: (
        Check.DOUBLES,
        "got message {message}, although message {earlier} had not failed",
    ),
    Breach.NO_ID: (Check.LOSSES, "is {state}, and no message is known that it could be"),
    Breach.MISSING: (Check.LOSSES, "is {state} as message {message}, which the gateway does not have"),
    Breach.LEFT_OUT_SENT: (Check.NEVER_SENT, "is {state}, and was sent as message {message}"),
    Breach.LEFT_OUT_HAS_MESSAGE: (Check.NEVER_SENT, "is {state}, and the gateway has message {message} to it"),
    Breach.OVER_RATE: (
        Check.RATES,
        "{segments} segments within {seconds} s up to {at}, where {limit} are allowed ({where})",
    ),
    Breach.OVER_SEGMENTS: (
        Check.RATES,
        "{segments} segments in the {period} of {at}, where {limit} are allowed ({where})",
    ),
    Breach.OUTSIDE_WINDOW: (Check.HOURS, "request {request} was made at {at}, outside the window of {zone}"),
    Breach.OUTSIDE_HOURS: (Check.HOURS, "request {request} was made at {at}, outside CAMPAIGNS_HOURS in {zone}"),
    Breach.TOO_EARLY: (Check.HOURS, "request {request} was made at {at}, before its moment, {moment}"),
    Breach.TOO_LATE: (Check.HOURS, "request {request} was made at {at}, later than {latest}"),
    Breach.OTHER_ZONE: (Check.HOURS, "was sent by the clocks of {zones}, and the number belongs to {its}"),
    Breach.OVER_CAP: (
        Check.CAPS,
        "got {texts} texts of {kind} campaigns within {seconds} s up to {at}; {limit} may be",
    ),
    Breach.OVER_BUDGET: (
        Check.MONEY,
        "{spent} was spent in the {period} from {at}, where {limit} are allowed ({where})",
    ),
    Breach.SPENT_DIFFERS: (Check.MONEY, "{kept} is kept as spent of the budget from {at}, and the charges are {spent}"),
    Breach.COSTS_DIFFER: (Check.MONEY, "the kept {figure} is {kept}, and the charges are {rows}"),
    Breach.NOT_CHARGED: (Check.MONEY, "was sent by request {request}, and not charged"),
    Breach.CHARGED_TWICE: (Check.MONEY, "has {texts}, and {charges}"),
    Breach.CHARGED_OTHERWISE: (Check.MONEY, "was charged {charged} segments by request {request}, and has {segments}"),
    Breach.CHARGED_UNSENT: (Check.MONEY, "is charged for request {request}, which was not sent"),
    Breach.OVER_PEOPLE: (
        Check.PEOPLE,
        "phone {device} texted more than {limit} people in the month from {at}",
    ),
    Breach.AFTER_OPT_OUT: (Check.OPT_OUTS, "was texted by request {request} at {at}, and had opted out at {since}"),
    Breach.STEP_BEFORE_TEXT: (Check.STEPS, "got a step at {at}, and not the text before it"),
    Breach.STEP_TOO_SOON: (Check.STEPS, "got a step at {at}, which was due at {due}"),
    Breach.STEP_UNLESS: (Check.STEPS, "got a step at {at} that is not for who has {condition}"),
    Breach.STEP_ONLY_IF: (Check.STEPS, "got a step at {at} that is only for who has {condition}"),
    Breach.STEP_LEFT_OUT: (Check.STEPS, "was left out of a step by {condition}, which is not so"),
    Breach.CHAIN_BROKEN: (Check.AUDIT, "entry {entry} of the audit was {how}"),
    Breach.NOT_AUDITED: (Check.AUDIT, "{what} at {at}, and the audit has no entry of it"),
}
"""The check that each breach belongs to, and what is said of it: after whom it is about, if it is about a person."""

MOST_SHOWN: Final = 20
"""Findings of a check that are named; all are counted. They are in memory at once."""


@dataclass(frozen=True, slots=True)
class FoundBreach:
    """Something that is wrong: with which run, and which row and person (`who` is masked), if with one.

    `place`: the row as people know it, `row 5 of customers.csv`; empty until it was looked up.
    """

    breach: Breach
    run: int | None = None
    row: int | None = None
    who: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)
    place: str = ""

    @property
    def check(self) -> Check:
        return BREACHES[self.breach][0]

    def __str__(self) -> str:
        whose = " ".join(filter(None, (self.who, f"({self.place})" if self.place else "")))
        said = BREACHES[self.breach][1].format(**self.detail)
        return f"{whose} {said}" if whose else said


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found: over how many things, how many breaches, the first of them, and what could not be checked."""

    check: Check
    examined: int
    wrong: int
    findings: tuple[FoundBreach, ...]
    notes: tuple[str, ...]


class Reckoning:
    """Counts what was examined and what is wrong, by check. Its memory does not grow with the campaign.

    `zone`: in whose time moments are shown.
    """

    def __init__(self, zone: str) -> None:
        self._zone = ZoneInfo(zone)
        self._examined: Counter[Check] = Counter()
        self._wrong: Counter[Check] = Counter()
        self._found: defaultdict[Check, list[FoundBreach]] = defaultdict(list)
        self._notes: defaultdict[Check, Counter[str]] = defaultdict(Counter)

    def examined(self, check: Check, amount: int = 1) -> None:
        """Count what a check has looked at."""
        self._examined[check] += amount

    def wrong(
        self, breach: Breach, *, run: int | None = None, row: int | None = None, who: str = "", **detail: Any
    ) -> None:
        """Keep a breach. `who` is masked."""
        detail = {
            name: shown_time(value, self._zone, seconds=True) if isinstance(value, datetime) else value
            for name, value in detail.items()
        }
        finding = FoundBreach(breach, run, row, who, detail)
        self._wrong[finding.check] += 1
        if len(self._found[finding.check]) < MOST_SHOWN:
            self._found[finding.check].append(finding)

    def is_full(self, check: Check) -> bool:
        """Return whether as many breaches of a check are kept as are shown."""
        return len(self._found[check]) >= MOST_SHOWN

    def noted(self, check: Check, note: str, amount: int = 1) -> None:
        """Keep what a check could not look at, and how much of it; `{}` in the note stands for how much."""
        self._notes[check][note] += amount

    def place(self, where: Callable[[Collection[int]], Mapping[int, str]]) -> None:
        """Name the rows of what was found. `where`: the places of rows by their IDs."""
        named = (
            row for found in self._found.values() for each in found for row in (each.row, each.detail.get("other"))
        )
        places = where({row for row in named if row is not None})
        for found in self._found.values():
            for index, each in enumerate(found):
                other = each.detail.get("other")
                detail = each.detail if other is None else {**each.detail, "other": places.get(other, "another row")}
                found[index] = replace(each, detail=detail, place=places.get(each.row, "") if each.row else "")

    def results(self) -> list[CheckResult]:
        """Return what every check found, in their order."""
        return [
            CheckResult(
                check,
                self._examined[check],
                self._wrong[check],
                tuple(self._found[check]),
                tuple(note.format(f"{amount:,}") for note, amount in self._notes[check].items()),
            )
            for check in Check
        ]
