"""Combinations that make no sense are reported, each at its place; those that make sense are not."""

from datetime import UTC, datetime
from typing import Any

import pytest

from campaigns.definition import Definition
from campaigns.definition.loader import parse_document
from campaigns.definition.models import FrequencyCap, Throughput
from campaigns.definition.schedule import IfLate
from campaigns.timing.contradictions import RULES, contradictions

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
FILE, LIST = "audience: {file: people.csv}", "audience: {contact_list: 12}"


def problems_of(schedule: str, audience: str = FILE) -> list[tuple[str, str]]:
    """Path and problem of everything that contradicts itself in a campaign with this schedule."""
    message = "" if "variants" in audience else "message: Hello"
    document = parse_document(f"campaign: sale\n{message}\n{audience}\nschedule: {{{schedule}}}\n", "sale.yaml")
    data: dict[str, Any] = {**document.data}
    data["schedule"] = {"timezone": "Europe/Rome", **data["schedule"]}
    found = list(contradictions(Definition.model_validate(data), document, NOW))
    assert all(problem.line >= 4 and problem.hint for problem in found)
    return [(problem.path.removeprefix("schedule."), problem.problem) for problem in found]


KEPT = "by: gateway, start: 2026-12-24 09:00"
CAP = "\nfrequency_cap: {messages: 1, per: 7d}"

CASES = [
    pytest.param("start: now", LIST + "\nexclude: {file: gone.csv}", "exclude", "sends to all of them", id="exclude"),
    pytest.param(
        "start: now",
        LIST + "\nsteps: [{name: nudge, after: 1d, message: Hello}]",
        "steps",
        "nobody knows its numbers",
        id="steps and a list",
    ),
    pytest.param(
        "remind: {column: at, before: 1d}",
        FILE + "\nsteps: [{name: nudge, after: 1d, message: Hello}]",
        "steps",
        "several texts there",
        id="steps and remind",
    ),
    pytest.param("start: now", FILE + "\ndevices: {stick: recipient}", "devices.stick", "names none", id="no phones"),
    pytest.param("start: now", LIST + CAP, "frequency_cap", "cannot be used with a contact list", id="cap and a list"),
    pytest.param("start: now", LIST + "\nencoding: gsm", "encoding", "sent as it is written", id="encoding and a list"),
    pytest.param("by: gateway", FILE, "by", "needs a start", id="handed over, without a start"),
    pytest.param(
        KEPT + ", window: {from: '08:00', to: '10:00'}", FILE, "window", "no sending hours", id="and a window"
    ),
    pytest.param(KEPT + ", spread: 1h", FILE, "spread", "cannot be used with by: gateway", id="handed over, spread"),
    pytest.param(KEPT + ", local_time: recipient", FILE, "local_time", "recipient with by: gateway", id="and clocks"),
    pytest.param(KEPT + ", repeat: {cron: '@daily'}", FILE, "repeat", "nothing is handed over", id="and repeat"),
    pytest.param(
        KEPT + ", remind: {column: at, before: 1d}", FILE, "remind", "appointment that is moved", id="and remind"
    ),
    pytest.param(KEPT, FILE + CAP, "frequency_cap", "checked when a text is handed over", id="handed over, capped"),
    pytest.param(
        "remind: {column: at, before: 1d}, repeat: {cron: '@daily'}",
        FILE,
        "remind",
        "cannot be used with `repeat`",
        id="remind and repeat",
    ),
    pytest.param(
        "remind: {column: at, before: 1d}",
        LIST,
        "remind",
        "a contact list has no columns",
        id="remind and a contact list",
    ),
    pytest.param(
        "remind: {column: at, before: 1d}",
        FILE + "\nvariants: [{name: a, share: 100, message: Hi}]",
        "variants",
        "people are added one by one",
        id="remind and variants",
    ),
    pytest.param(
        "remind: {column: at, before: 1d}",
        FILE + "\nholdout: 5",
        "holdout",
        "people are added one by one",
        id="remind and a control group",
    ),
    pytest.param(
        "remind: {column: at, before: 1d}",
        FILE + "\napproval: true",
        "approval",
        "every new table changes the plan",
        id="remind and approval",
    ),
    pytest.param("remind: {column: at}", FILE, "remind", "does not say when", id="remind without a time"),
    pytest.param(
        "remind: {column: at, before: [24h, 1d]}", FILE, "remind", "names the same time twice", id="equal offsets"
    ),
    pytest.param(
        "remind: {column: at, before: 1d}, spread: 1h",
        FILE,
        "spread",
        "there is nothing to spread out",
        id="remind and spread",
    ),
    pytest.param("spread: 1h", LIST, "spread", "with one request", id="spread and a contact list"),
    pytest.param(
        "start: now",
        LIST + "\nvariants: [{name: a, share: 100, message: Hi}]",
        "variants",
        "the gateway sends one text to all of it",
        id="variants and a contact list",
    ),
    pytest.param(
        "start: now", LIST + "\nholdout: 5", "holdout", "sends to all of them", id="holdout and a contact list"
    ),
    pytest.param(
        "spread: 12h, window: {from: '09:00', to: '20:00'}",
        FILE,
        "spread",
        "longer than the window ever stays open",
        id="spread longer than the window",
    ),
    pytest.param(
        "spread: 2d, repeat: {cron: '0 9 * * *'}",
        FILE,
        "spread",
        "longer than the time between two runs",
        id="spread longer than between runs",
    ),
    pytest.param(
        "local_time: recipient, window: {from: '09:00', to: '20:00'}",
        LIST,
        "local_time",
        "sends to all at once",
        id="local time and a contact list",
    ),
    pytest.param("local_time: recipient", FILE, "local_time", "has no effect", id="local time of nothing"),
    pytest.param(
        "local_time: recipient, start: '2026-12-01T09:00+01:00'",
        FILE,
        "start",
        "the same moment everywhere",
        id="local time of one moment",
    ),
    pytest.param(
        "repeat: {cron: '0 * * * *'}, window: {from: '09:00', to: '20:00'}",
        FILE,
        "repeat.cron",
        "wait for the same opening",
        id="runs that pile up in front of a window",
    ),
    pytest.param(
        "start: now",
        f"{FILE}\nthroughput: {{daily: 500, monthly: 300}}",
        "throughput.daily",
        "is more than `monthly` allows",
        id="a budget of a day above that of the month",
    ),
    *(
        pytest.param("start: now", f"{FILE}\nthroughput: {{budget: {budget}}}", f"throughput.{key}", phrase, id=phrase)
        for budget, key, phrase in (
            ("{}", "budget", "names no amount"),
            ("{total: 50 EUR, daily: 4 USD}", "budget.daily", "has another currency than `total`"),
            ("{total: 50 EUR, daily: 60 EUR}", "budget.daily", "is more than `total` allows in all"),
        )
    ),
    pytest.param(
        "repeat: {cron: '@daily', until: 2026-11-30}, start: 2026-12-01 09:00",
        FILE,
        "repeat.until",
        "is before the start",
        id="until before start",
    ),
    pytest.param(
        "repeat: {cron: '@daily', until: 2026-11-19}", FILE, "repeat.until", "has passed already", id="until has passed"
    ),
    pytest.param(
        "repeat: {cron: '0 9 1 jan *', until: 2026-12-24}",
        FILE,
        "repeat.cron",
        "has no run between now",
        id="no run before until",
    ),
    pytest.param(
        "start: 2026-12-01 21:00, window: {from: '09:00', to: '20:00'}, if_late: {within: 2h}",
        FILE,
        "if_late.within",
        "nothing would ever be sent",
        id="start outside the window",
    ),
    pytest.param(
        "repeat: {cron: '0 21 * * *'}, window: {from: '09:00', to: '20:00'}, if_late: {within: 2h}",
        FILE,
        "if_late.within",
        "nothing would ever be sent",
        id="every run outside the window",
    ),
]


@pytest.mark.parametrize(("schedule", "audience", "path", "phrase"), CASES)
def test_what_contradicts_itself(schedule: str, audience: str, path: str, phrase: str) -> None:
    found = problems_of(schedule, audience)

    assert [where for where, _ in found] == [path]
    assert phrase in found[0][1]


def test_a_window_that_never_opens() -> None:
    closed = ", ".join(str(datetime.fromordinal(NOW.toordinal() + ahead).date()) for ahead in range(420))

    found = problems_of(f"window: {{from: '09:00', to: '20:00', except: [{closed}]}}")

    assert found == [("window", "never opens in the next 400 days: all of its days are closed by `except`")]


def test_every_rule_has_a_case() -> None:
    phrases = [str(case.values[3]) for case in CASES] + ["never opens in the next 400 days"]

    assert [rule.problem for rule in RULES if not any(phrase in rule.problem for phrase in phrases)] == []


@pytest.mark.parametrize(
    "schedule",
    [
        "start: now",
        "start: 2026-12-01 09:00, window: {days: mon-sat, from: '09:00', to: '20:00'}, local_time: recipient",
        "spread: 11h, window: {from: '09:00', to: '20:00'}",
        "spread: 3h, window: {from: '00:00', to: '24:00'}",
        "spread: 3h, start: 2026-12-01 19:00, window: {from: '09:00', to: '20:00'}",  # continues the next morning
        "start: 2026-01-01 09:00, repeat: {cron: '0 9 * * mon'}",  # what is past is not made up for
        "repeat: {cron: '0 9 * * *', until: 2026-11-21}",
        "repeat: {cron: '0 9,21 * * *'}, window: {from: '09:00', to: '20:00'}, if_late: {within: 2h}",
        "remind: {column: at, before: [24h, 2h], after: [24h]}, local_time: recipient",
        "start: 2026-12-01 21:00, window: {from: '09:00', to: '20:00'}, if_late: {within: 12h}",
    ],
)
def test_what_makes_sense_is_no_contradiction(schedule: str) -> None:
    assert problems_of(schedule) == []


def test_a_contact_list_may_repeat() -> None:
    assert problems_of("repeat: {cron: '@weekly'}, window: {from: '09:00', to: '20:00'}", LIST) == []


@pytest.mark.parametrize(
    ("part", "values"),
    [
        (Throughput, {"daily": "0"}),
        (FrequencyCap, {"messages": "0", "per": "1d"}),
        (IfLate, {"within": "0s"}),
    ],
)
def test_values_that_allow_nothing_are_refused_when_read(part: type[Any], values: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="must be"):
        part.model_validate(values)
