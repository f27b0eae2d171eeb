"""Keys of a schedule that contradict each other: a table of conditions, each with a sentence and a way out."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from campaigns.definition.document import Document, KeyPath
from campaigns.definition.models import Definition
from campaigns.problems import Problem
from campaigns.timing.schedule_rules import ScheduleRules


@dataclass(frozen=True, slots=True)
class Rule:
    """A combination that makes no sense: its condition, what to say after the key at `path`, and what to do."""

    path: KeyPath
    applies: Callable[[ScheduleRules], bool]
    problem: str
    hint: str


RULES: Final = (
    Rule(
        ("variants",),
        lambda case: case.has_contact_list and case.has_variants,
        "cannot be used with a contact list: the gateway sends one text to all of it",
        "write one text under `message`, or use a file as audience",
    ),
    Rule(
        ("holdout",),
        lambda case: case.has_contact_list and case.has_holdout,
        "cannot be used with a contact list: the gateway does not reveal its numbers and sends to all of them",
        "remove it, or use a file as audience",
    ),
    Rule(
        ("encoding",),
        lambda case: case.has_contact_list and not case.is_as_written,
        "cannot be used with a contact list: its text is sent as it is written",
        "remove it, and write plain quotes and hyphens yourself",
    ),
    Rule(
        ("steps",),
        lambda case: case.has_contact_list and case.has_steps,
        "cannot be used with a contact list: nobody knows its numbers, nor what became of each person",
        "remove them, or use a file as audience",
    ),
    Rule(
        ("mobile_only",),
        lambda case: case.has_contact_list and case.is_mobile_only,
        "cannot be used with a contact list: the gateway does not reveal its numbers and sends to all of them",
        "remove it, or use a file as audience",
    ),
    Rule(
        ("exclude",),
        lambda case: case.has_contact_list and case.has_exclusions,
        "cannot be used with a contact list: the gateway does not reveal its numbers and sends to all of them",
        "remove it, or unsubscribe them from the list",
    ),
    Rule(
        ("frequency_cap",),
        lambda case: case.has_contact_list and case.has_cap,
        "cannot be used with a contact list: the gateway does not reveal its numbers and sends to all of them",
        "remove it, or use a file as audience",
    ),
    Rule(
        ("schedule", "by"),
        lambda case: case.is_kept_by_gateway and case.start is None,
        "needs a start: the gateway needs to know when to send",
        "add a start in the future, or write by: service",
    ),
    Rule(
        ("schedule", "window"),
        lambda case: case.is_kept_by_gateway and case.hours is not None,
        "cannot be used with by: gateway, which knows one moment and no sending hours",
        "remove it and write a start within them, or write by: service",
    ),
    Rule(
        ("schedule", "spread"),
        lambda case: case.is_kept_by_gateway and case.schedule.spread is not None,
        "cannot be used with by: gateway, which gets one moment for everybody",
        "remove it, or write by: service",
    ),
    Rule(
        ("schedule", "local_time"),
        lambda case: case.is_kept_by_gateway and case.is_local,
        "cannot be recipient with by: gateway, which gets one moment for everybody",
        "write campaign, or by: service",
    ),
    Rule(
        ("schedule", "repeat"),
        lambda case: case.is_kept_by_gateway and case.recurrence is not None,
        (
            "cannot be used with by: gateway: each run is planned only minutes before it starts, and "
            "nothing is handed over in advance"
        ),
        "remove it, or write by: service",
    ),
    Rule(
        ("schedule", "remind"),
        lambda case: case.is_kept_by_gateway and case.remind is not None,
        "cannot be used with by: gateway: a reminder that was handed over cannot follow an appointment that is moved",
        "remove it, or write by: service",
    ),
    Rule(
        ("frequency_cap",),
        lambda case: case.is_kept_by_gateway and case.has_cap,
        "cannot be used with by: gateway: it is checked when a text is handed over, not when it is sent",
        "remove it, or write by: service",
    ),
    Rule(
        ("schedule", "window"),
        ScheduleRules.never_opens,
        "never opens in the next 400 days: all of its days are closed by `except`",
        "name more days, or shorten `except`",
    ),
    Rule(
        ("variants",),
        lambda case: case.remind is not None and case.has_variants,
        "cannot be used with `remind`: people are added one by one, and their shares would change with every table",
        "write one text under `message`",
    ),
    Rule(
        ("holdout",),
        lambda case: case.remind is not None and case.has_holdout,
        "cannot be used with `remind`: people are added one by one, and a share of them would change with every table",
        "remove it",
    ),
    Rule(
        ("steps",),
        lambda case: case.remind is not None and case.has_steps,
        "cannot be used with `remind`: every person has several texts there, each at its own time",
        "remove them; to send after a date, write schedule.remind.after",
    ),
    Rule(
        ("approval",),
        lambda case: case.remind is not None and case.needs_approval,
        "cannot be used with `remind`: every new table changes the plan that somebody has approved",
        "remove it; look at the first table with `campaigns plan`",
    ),
    Rule(
        ("schedule", "remind"),
        lambda case: case.remind is not None and case.recurrence is not None,
        "cannot be used with `repeat`: it has a moment for every person already",
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
        ScheduleRules.has_equal_offsets,
        "names the same time twice: 24h and 1d are the same",
        "name each time once: everybody gets one text for each",
    ),
    Rule(
        ("schedule", "spread"),
        lambda case: case.remind is not None and case.schedule.spread is not None,
        "cannot be used with `remind`: everybody has their own moment, so there is nothing to spread out",
        "remove `spread`",
    ),
    Rule(
        ("schedule", "spread"),
        lambda case: case.has_contact_list and case.schedule.spread is not None,
        "cannot be used with a contact list: the gateway sends to all of it with one request",
        "remove `spread`, or use a file as audience",
    ),
    Rule(
        ("schedule", "spread"),
        ScheduleRules.spreads_beyond_window,
        "is longer than the window ever stays open",
        "shorten it, or write throughput.daily to share the campaign out over several days",
    ),
    Rule(
        ("schedule", "spread"),
        ScheduleRules.spreads_into_next_run,
        "is longer than the time between two runs: the next would begin before the last one is finished",
        "shorten it, or repeat less often",
    ),
    Rule(
        ("schedule", "local_time"),
        lambda case: case.is_local and case.has_contact_list,
        "cannot be recipient for a contact list: the gateway does not reveal its numbers and sends to all at once",
        "write campaign, or use a file as audience",
    ),
    Rule(
        ("schedule", "local_time"),
        lambda case: case.is_local and case.start is None and not (case.hours or case.remind or case.recurrence),
        "has no effect: the campaign has neither a start nor a window",
        "add a start or a window, or remove it",
    ),
    Rule(
        ("schedule", "start"),
        ScheduleRules.has_one_start_for_all,
        "has an offset and so is the same moment everywhere: local_time: recipient has no effect",
        "leave the offset out, as in 2026-12-01 09:00, or write local_time: campaign",
    ),
    Rule(
        ("schedule", "repeat", "cron"),
        ScheduleRules.piles_up,
        "has several runs that would wait for the same opening of the window: everybody would get all of them at once",
        "repeat only while the window is open, or skip texts that wait too long: if_late: {within: 1h}",
    ),
    Rule(
        ("throughput", "daily"),
        ScheduleRules.has_idle_budget,
        "is more than `monthly` allows in a whole month",
        "lower it, or raise monthly",
    ),
    Rule(
        ("throughput", "budget"),
        lambda case: case.budget is not None and case.has_contact_list,
        "cannot be used with a contact list: only the gateway knows how many people that is",
        "remove it, or use a file as audience",
    ),
    Rule(
        ("throughput", "budget"),
        lambda case: case.budget is not None and case.budget.total is None and case.budget.daily is None,
        "names no amount",
        "add total: 500 EUR, or daily: 40 EUR",
    ),
    Rule(
        ("throughput", "budget", "daily"),
        ScheduleRules.has_mixed_currencies,
        "has another currency than `total`",
        "write both in the currency of the prices",
    ),
    Rule(
        ("throughput", "budget", "daily"),
        ScheduleRules.has_idle_money,
        "is more than `total` allows in all",
        "lower it, or raise total",
    ),
    Rule(
        ("devices", "stick"),
        lambda case: case.sticks_to_nothing,
        "has no phones to choose from: `use` names none",
        "name the phones in `use`, or remove it: everything goes by the gateway's primary phone",
    ),
    Rule(
        ("schedule", "repeat", "until"),
        lambda case: case.until is not None and case.start is not None and case.until < case.start,
        "is before the start",
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
        ScheduleRules.always_late,
        "ends before the window opens: nothing would ever be sent",
        "start inside the window, or allow more time",
    ),
)


def contradictions(definition: Definition, document: Document, now: datetime) -> Iterator[Problem]:
    """Yield every rule that a campaign breaks at `now` (aware), as a problem at the place of its key.

    `definition` was read from `document`. A `repeat` whose start has passed breaks no rule: the past is not made up
    for. Values that are wrong by themselves (a limit of 0, a length of 0 s, 31 February) are refused when read.
    """
    case = ScheduleRules(definition, now)
    for rule in RULES:
        if rule.applies(case):
            yield document.value_place(rule.path).problem(rule.path, rule.problem, rule.hint)
