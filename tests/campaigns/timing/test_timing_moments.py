"""When each person's texts are due, with the limits in order: moment, window, spread, too late."""

import time as stopwatch
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.definition.schedule import Otherwise, Schedule
from campaigns.timing.moments import Moment, Timetable
from campaigns.timing.zones import ZoneOrigin, Zones

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
SKIP, HOLD = Otherwise.SKIP, Otherwise.HOLD
ROMAN = Zones(("Europe/Rome",), ZoneOrigin.NUMBER)
NEW_YORKER = Zones(("America/New_York",), ZoneOrigin.NUMBER)
RUSSIAN = Zones(("Asia/Kamchatka", "Asia/Yekaterinburg", "Europe/Moscow"), ZoneOrigin.NUMBER)
ANYWHERE = Zones(("America/New_York", "Asia/Tokyo"), ZoneOrigin.NUMBER)
DAY = {"from": "09:00", "to": "20:00"}


def schedule(**keys: Any) -> Schedule:
    return Schedule.model_validate({"timezone": "Europe/Rome", **keys})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(f"{text}+00:00")


def only_moment(plan: Schedule, zones: Zones, now: datetime = NOW) -> Moment:
    [moment] = Timetable(plan).moments(zones, {}, now)
    return moment


@pytest.mark.parametrize(
    ("keys", "zones", "expected"),
    [
        pytest.param({}, ROMAN, "2026-11-20T12:00", id="now"),
        pytest.param({"start": "2026-11-19 09:00"}, ROMAN, "2026-11-20T12:00", id="a start that has passed"),
        pytest.param({"start": "2026-12-01 09:00"}, NEW_YORKER, "2026-12-01T08:00", id="by the campaign's clocks"),
        pytest.param(
            {"start": "2026-12-01 09:00", "local_time": "recipient"}, NEW_YORKER, "2026-12-01T14:00", id="by theirs"
        ),
        pytest.param(
            {"start": "2026-12-01 09:00", "local_time": "recipient"},
            RUSSIAN,
            "2026-12-01T06:00",
            id="the latest of several",
        ),
        pytest.param(
            {"start": "2026-12-01T09:00Z", "local_time": "recipient"},
            NEW_YORKER,
            "2026-12-01T09:00",
            id="with an offset",
        ),
        pytest.param(
            {"start": "2026-12-01 21:00", "window": DAY}, ROMAN, "2026-12-02T08:00", id="put off to the window"
        ),
        pytest.param(
            {"start": "2026-12-01 09:00", "local_time": "recipient", "window": DAY},
            RUSSIAN,
            "2026-12-01T06:00",
            id="open everywhere for two hours a day",
        ),
        pytest.param(
            {"start": "2026-12-01 12:00", "local_time": "recipient", "window": DAY},
            RUSSIAN,
            "2026-12-02T06:00",
            id="noon in Moscow is night in Kamchatka",
        ),
        pytest.param({"start": "2027-03-28 02:30"}, ROMAN, "2027-03-28T01:00", id="a time that the clocks skip"),
        pytest.param({"start": "2027-10-31 02:30"}, ROMAN, "2027-10-31T00:30", id="a time that comes twice"),
    ],
)
def test_the_start_of_a_person(keys: dict[str, Any], zones: Zones, expected: str) -> None:
    assert only_moment(schedule(**keys), zones) == Moment("start", utc(expected))


def test_zones_without_a_common_time_are_told_and_not_sent_to() -> None:
    moment = only_moment(schedule(local_time="recipient", window={"from": "09:00", "to": "12:00"}), ANYWHERE)

    assert (moment.at, moment.missed) == (None, SKIP)
    assert "no time in the next 400 days" in moment.reason


@pytest.mark.parametrize(
    ("now", "within", "otherwise", "at", "missed"),
    [
        ("2026-12-01T08:00", "2h", "skip", "2026-12-01T08:00", None),
        ("2026-12-01T10:00", "2h", "skip", "2026-12-01T10:00", None),  # to the second: still in time
        ("2026-12-01T10:01", "2h", "skip", None, SKIP),
        ("2026-12-01T10:01", "2h", "hold", None, HOLD),
        ("2026-12-01T19:30", "12h", "skip", None, SKIP),  # the window opens too late
        ("2026-12-01T19:30", "1d", "skip", "2026-12-02T08:00", None),
    ],
)
def test_a_missed_start(now: str, within: str, otherwise: str, at: str | None, missed: Otherwise | None) -> None:
    plan = schedule(start="2026-12-01 09:00", window=DAY, if_late={"within": within, "otherwise": otherwise})

    moment = only_moment(plan, ROMAN, utc(now))

    assert (moment.at, moment.missed) == (utc(at) if at else None, missed)
    assert bool(moment.reason) == (missed is not None)
    if at:
        assert plan.if_late is not None
        assert moment.latest == utc("2026-12-01T08:00") + plan.if_late.within


def test_a_reason_says_how_late_it_is() -> None:
    plan = schedule(start="2026-12-01 09:00", if_late={"within": "2h"})

    moment = only_moment(plan, ROMAN, utc("2026-12-01T11:30"))

    assert moment.reason == "too late by 3h30m, where 2h are allowed"


def test_waiting_for_a_turn_counts_allowed_time_and_is_not_being_late() -> None:
    plan = schedule(start="2026-12-01 18:00", window=DAY, if_late={"within": "1h"})
    timetable = Timetable(plan)
    [moment] = timetable.moments(ROMAN, {}, NOW)

    turns = [moment.delayed(timedelta(hours=hours), timetable.hours(ROMAN)) for hours in (0, 1, 2, 3)]

    # two hours fit into the evening; the third continues in the morning
    assert [turn.at for turn in turns] == list(
        map(utc, ["2026-12-01T17:00", "2026-12-01T18:00", "2026-12-02T08:00", "2026-12-02T09:00"])
    )
    assert all(turn.latest and turn.at and turn.latest - turn.at == timedelta(hours=1) for turn in turns)


def test_a_text_that_is_not_sent_has_no_turn() -> None:
    missed = Moment("start", None, missed=SKIP, reason="too late")

    assert missed.delayed(timedelta(hours=1), Timetable(schedule()).hours(ROMAN)) is missed


def test_every_run_of_a_campaign_that_repeats_has_its_own_start() -> None:
    monday = datetime(2026, 12, 7, 9, tzinfo=ZoneInfo("Europe/Rome"))
    plan = schedule(start="2026-12-01 09:00", local_time="recipient", repeat={"cron": "0 9 * * mon"})

    [here] = Timetable(plan, firing=monday).moments(ROMAN, {}, NOW)
    [there] = Timetable(plan, firing=monday).moments(NEW_YORKER, {}, NOW)

    assert (here.at, there.at) == (utc("2026-12-07T08:00"), utc("2026-12-07T14:00"))


REMIND = {"column": "appointment_at", "before": ["24h", "2h"], "after": ["1d"]}
LABELS = ["1d before", "2h before", "1d after"]


@pytest.mark.parametrize(
    ("keys", "zones", "date", "expected"),
    [
        pytest.param(
            {},
            ROMAN,
            "2026-12-01 10:00",
            ["2026-11-30T09:00", "2026-12-01T07:00", "2026-12-02T09:00"],
            id="by the campaign's clocks",
        ),
        pytest.param(
            {},
            NEW_YORKER,
            "2026-12-01 10:00",
            ["2026-11-30T09:00", "2026-12-01T07:00", "2026-12-02T09:00"],
            id="also abroad",
        ),
        pytest.param(
            {"local_time": "recipient"},
            NEW_YORKER,
            "2026-12-01 10:00",
            ["2026-11-30T15:00", "2026-12-01T13:00", "2026-12-02T15:00"],
            id="by the recipient's",
        ),
        pytest.param(
            {},
            Zones(("Asia/Tokyo",), ZoneOrigin.COLUMN),
            "2026-12-01 10:00",
            ["2026-11-30T01:00", "2026-11-30T23:00", "2026-12-02T01:00"],
            id="by those of the row",
        ),
        pytest.param(
            {},
            ROMAN,
            "2026-12-01T10:00-05:00",
            ["2026-11-30T15:00", "2026-12-01T13:00", "2026-12-02T15:00"],
            id="with an offset",
        ),
        pytest.param(
            {},
            ROMAN,
            "2026-12-01",
            ["2026-11-30T08:00", "2026-12-01T06:00", "2026-12-02T08:00"],
            id="a date counts from nine",
        ),
        pytest.param(
            {"remind": {**REMIND, "at": "07:30"}},
            ROMAN,
            "2026-12-01",
            ["2026-11-30T06:30", "2026-12-01T04:30", "2026-12-02T06:30"],
            id="or from another hour",
        ),
        pytest.param(
            {},
            ROMAN,
            "2027-03-28 12:00",
            ["2027-03-27T11:00", "2027-03-28T08:00", "2027-03-29T10:00"],
            id="a day is the same time of day when the clocks change",
        ),
        pytest.param(
            {},
            ROMAN,
            "2027-03-28 04:00",
            ["2027-03-27T03:00", "2027-03-28T00:00", "2027-03-29T02:00"],
            id="two hours are two hours",
        ),
        pytest.param(
            {"local_time": "recipient"},
            RUSSIAN,
            "2026-12-01 12:00",
            ["2026-11-30T00:00", "2026-11-30T22:00", "2026-12-02T09:00"],
            id="several zones: never late before, never early after",
        ),
    ],
)
def test_the_reminders_of_a_person(keys: dict[str, Any], zones: Zones, date: str, expected: list[str]) -> None:
    plan = schedule(**{"remind": REMIND, **keys})

    moments = Timetable(plan).moments(zones, {"appointment_at": date}, NOW)

    assert [moment.label for moment in moments] == LABELS
    assert [moment.at for moment in moments] == list(map(utc, expected))


@pytest.mark.parametrize(
    ("row", "phrase"),
    [
        ({}, "has no 'appointment_at'"),
        ({"appointment_at": "  "}, "has no 'appointment_at'"),
        ({"appointment_at": "01/02/2026"}, "its 'appointment_at' can be read as more than one day"),
        ({"appointment_at": "soon"}, "its 'appointment_at' is not a date that can be read"),
    ],
)
def test_a_row_without_a_date_is_skipped_and_says_why(row: dict[str, str], phrase: str) -> None:
    moments = Timetable(schedule(remind=REMIND)).moments(ROMAN, row, NOW)

    assert [(moment.label, moment.at, moment.missed) for moment in moments] == [(label, None, SKIP) for label in LABELS]
    assert all(phrase in moment.reason for moment in moments)


@pytest.mark.parametrize(
    ("keys", "now", "reasons"),
    [
        pytest.param({}, "2026-12-01T06:00", ["its moment had passed already", "", ""], id="one has passed"),
        pytest.param({}, "2026-12-01T12:00", ["its moment had passed already"] * 2 + [""], id="the date has passed"),
        pytest.param({"if_late": {"within": "1d"}}, "2026-12-01T06:00", ["", "", ""], id="late, but in time"),
        pytest.param(
            {"if_late": {"within": "2d"}},
            "2026-12-01T09:00",
            ["the date itself comes before the first allowed time"] * 2 + [""],
            id="at the date itself no reminder before it makes sense",
        ),
        pytest.param(
            {"window": {"from": "11:00", "to": "20:00"}},
            "2026-11-20T12:00",
            ["", "the date itself comes before the first allowed time", ""],
            id="the window opens after the date",
        ),
        pytest.param(
            {"start": "2026-12-01 00:00"},
            "2026-11-20T12:00",
            ["its moment had passed already", "", ""],
            id="nothing before the campaign starts",
        ),
    ],
)
def test_reminders_whose_moment_is_gone(keys: dict[str, Any], now: str, reasons: list[str]) -> None:
    plan = schedule(remind=REMIND, **keys)

    moments = Timetable(plan).moments(ROMAN, {"appointment_at": "2026-12-01 10:00"}, utc(now))

    assert [moment.reason for moment in moments] == reasons
    assert [moment.at is None for moment in moments] == [bool(reason) for reason in reasons]


def test_a_reminder_before_a_date_is_too_late_at_the_date() -> None:
    first, second, after = Timetable(schedule(remind=REMIND)).moments(ROMAN, {"appointment_at": "2026-12-01"}, NOW)

    # A date without a time lasts until midnight.
    assert first.latest == second.latest == utc("2026-12-01T23:00")
    assert after.latest is None


def test_a_hundred_thousand_people_are_planned_in_seconds() -> None:
    plan = schedule(start="2026-12-01 09:00", local_time="recipient", window=DAY, if_late={"within": "2d"})
    timetable = Timetable(plan)
    people = (ROMAN, NEW_YORKER, RUSSIAN)
    for zones in people:
        timetable.moments(zones, {}, NOW)

    began = stopwatch.process_time()
    for number in range(5_000):
        timetable.moments(people[number % 3], {}, NOW)

    assert 5_000 / (stopwatch.process_time() - began) > 10_000


@given(
    day=st.sampled_from(["1800-01-01", "1999-12-31", "2026-03-29", "2199-12-31", "9999-12-31", "0001-01-01"]),
    clock=st.sampled_from(["", " 00:00", " 02:30", " 24:00", " 00:00 -14:00", " 23:59 +14:00"]),
    offset=st.sampled_from(["1s", "24h", "366d", "365d23h59m59s"]),
    side=st.sampled_from(["before", "after"]),
    keys=st.sampled_from([{}, {"window": DAY}, {"window": {**DAY, "except": ["IT", "9999-12-31"]}},
                          {"if_late": {"within": "366d"}}, {"local_time": "recipient"}]),
    zones=st.sampled_from([ROMAN, ANYWHERE, Zones(("Pacific/Kiritimati",), ZoneOrigin.COLUMN)]),
)  # fmt: skip
def test_whatever_date_a_row_has_each_reminder_has_a_moment_or_a_reason(
    day: str, clock: str, offset: str, side: str, keys: dict[str, Any], zones: Zones
) -> None:
    plan = schedule(remind={"column": "at", side: offset}, **keys)

    (moment,) = Timetable(plan).moments(zones, {"at": day + clock}, NOW)

    assert (moment.at is None) == bool(moment.reason)
