"""Repeating runs, checked against an independent library, and against the written rules where the clocks change."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo, available_timezones

import pytest
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.calendar.cron import InvalidCron, parse_cron
from campaigns.definition import Schedule
from campaigns.timing.recurrence import Recurrence, recurrence_of

BEGIN, END = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
ALL_ZONES = sorted(available_timezones() - {"Factory", "localtime"})
ZONES = (
    "Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kathmandu", "UTC",
    "America/Havana", "Africa/Cairo",
)  # fmt: skip
LINES = (
    "30 2 * * *", "0 2,3 * * *", "0 0 * * *", "*/30 0-3 * * *", "0 */2 * * *", "0 9 1,15 * mon", "15 1-3 * * sun",
    "*/20 2 * * *", "45 1 * * *", "0 9 29 2 *", "59 23 31 dec *", "0 0 */2 * mon", "5/20 8-18/2 * jan-mar,nov mon-fri",
    "0 9 * * 7", "0 9 31 * *",
)  # fmt: skip

# At 02:00, Lord Howe's clocks go back to 01:30. The library counts from 01:00 of that hour in whole hours, and so skips
# the two o'clock that follows half an hour later; it is shown once, and has a run.
EXPLAINED = {
    ("Australia/Lord_Howe", "0 */2 * * *"): {datetime(2026, 4, 4, 15, 30, tzinfo=UTC)},
    ("Australia/Lord_Howe", "*/20 2 * * *"): {
        datetime(2026, 4, 4, 15, 30, tzinfo=UTC),
        datetime(2026, 4, 4, 15, 50, tzinfo=UTC),
    },
}


def recurrence(line: str, zone: str = "Europe/Rome") -> Recurrence:
    return Recurrence(parse_cron(line), ZoneInfo(zone))


def by_library(line: str, zone: str) -> Iterator[datetime]:
    found = (moment.astimezone(UTC) for moment in CronSim(line, BEGIN.astimezone(ZoneInfo(zone))))
    return takewhile(lambda moment: moment <= END, found)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("line", LINES)
def test_a_year_of_runs_is_that_of_an_independent_library(line: str, zone: str) -> None:
    ours, theirs = list(recurrence(line, zone).between(BEGIN, END)), set(by_library(line, zone))

    assert all(before < after for before, after in pairwise(ours))
    assert set(ours) - theirs == EXPLAINED.get((zone, line), set())
    assert theirs <= set(ours)


@pytest.mark.parametrize(
    ("line", "zone", "after", "expected"),
    [
        pytest.param(
            "30 2 * * *",
            "Europe/Rome",
            "2026-03-28T12:00",
            ["2026-03-29T01:00", "2026-03-30T00:30"],
            id="no such time: the first moment after the gap",
        ),
        pytest.param(
            "0,30 2,3 * * *",
            "Europe/Rome",
            "2026-03-28T12:00",
            ["2026-03-29T01:00", "2026-03-29T01:30"],
            id="times that fall together are one",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Rome",
            "2026-10-24T12:00",
            ["2026-10-25T00:30", "2026-10-26T01:30"],
            id="twice: the first",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Rome",
            "2026-10-25T00:45",
            ["2026-10-26T01:30"],
            id="asked between the two: not the second",
        ),
        pytest.param(
            "*/30 * * * *",
            "Europe/Rome",
            "2026-03-29T00:30",
            ["2026-03-29T01:00"],
            id="by the clock: nothing in the gap",
        ),
        pytest.param(
            "*/30 * * * *",
            "Europe/Rome",
            "2026-10-25T00:00",
            ["2026-10-25T00:30", "2026-10-25T01:00", "2026-10-25T01:30", "2026-10-25T02:00"],
            id="by the clock: both times",
        ),
        pytest.param(
            "0 */2 * * *",
            "Europe/Rome",
            "2026-03-28T23:30",
            ["2026-03-29T02:00"],
            id="by the clock: two o'clock is not there",
        ),
        pytest.param(
            "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00", ["2026-10-03T15:30"], id="a gap of half an hour"
        ),
        pytest.param(
            "45 1 * * *",
            "Australia/Lord_Howe",
            "2026-04-04T12:00",
            ["2026-04-04T14:45", "2026-04-05T15:15"],
            id="half an hour twice",
        ),
        pytest.param(
            "30 2 * * *",
            "Africa/Casablanca",
            "2026-02-14T12:00",
            ["2026-02-15T01:30", "2026-02-16T02:30"],
            id="Ramadan begins: twice, the first",
        ),
        pytest.param(
            "30 2 * * *",
            "Africa/Casablanca",
            "2026-03-21T12:00",
            ["2026-03-22T02:00", "2026-03-23T01:30"],
            id="Ramadan ends: not there",
        ),
        pytest.param(
            "0 0 * * *", "Africa/Cairo", "2026-04-23T12:00", ["2026-04-23T22:00", "2026-04-24T21:00"], id="no midnight"
        ),
        pytest.param(
            "0 9 * * *", "Pacific/Apia", "2011-12-29T20:00", ["2011-12-30T10:00", "2011-12-30T19:00"], id="no such day"
        ),
        pytest.param(
            "0 9 29 2 *", "UTC", "2096-03-01T00:00", ["2104-02-29T09:00"], id="eight years without a 29 February"
        ),
        pytest.param(
            "0 9 13 * fri",
            "UTC",
            "2026-11-09T00:00",
            ["2026-11-13T09:00", "2026-11-20T09:00"],
            id="either day is enough",
        ),
        pytest.param(
            "0 9 */2 * fri",
            "UTC",
            "2026-11-09T00:00",
            ["2026-11-13T09:00", "2026-11-27T09:00"],
            id="a field with a star does not count as given",
        ),
    ],
)
def test_what_the_rules_say(line: str, zone: str, after: str, expected: list[str]) -> None:
    moment = datetime.fromisoformat(f"{after}+00:00")
    for run in expected:
        found = recurrence(line, zone).next_after(moment)
        assert found == datetime.fromisoformat(f"{run}+00:00")
        moment = found


lines = st.builds(
    "{} {} * * {}".format,
    st.sampled_from(["0", "30", "*/20", "15,45", "*"]),
    st.sampled_from(["*", "0", "2", "1-3", "*/3", "23"]),
    st.sampled_from(["*", "sun", "mon-fri"]),
)


@given(lines, st.sampled_from(ALL_ZONES), st.integers(0, 4 * 365 * 24))
@settings(max_examples=50)
def test_runs_are_in_order_each_once_and_none_is_left_out(line: str, zone_name: str, hour: int) -> None:
    begins = datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
    ends = begins + timedelta(days=3)
    rule, zone = recurrence(line, zone_name), ZoneInfo(zone_name)

    runs = list(rule.between(begins, ends))

    assert all(before < after for before, after in pairwise(runs))
    assert all(begins < run <= ends for run in runs)
    # given the clock times that the line names, minute by minute
    minutes = [begins + timedelta(minutes=count) for count in range(1, 3 * 1440 + 1)]
    shown = [(minute, minute.astimezone(zone).replace(tzinfo=None)) for minute in minutes]
    named = [(minute, wall) for minute, wall in shown if any(rule.cron.walls(wall, wall + timedelta(minutes=1)))]
    if rule.cron.by_the_clock:
        assert runs == [minute for minute, _ in named]
    else:
        firsts = {minute for minute, wall in named if minute == wall.replace(tzinfo=zone, fold=0).astimezone(UTC)}
        assert firsts <= set(runs)
        # then what is left over is due to a gap: the run is at the very moment after it
        for run in set(runs) - firsts:
            assert run.astimezone(zone).utcoffset() != (run - timedelta(seconds=1)).astimezone(zone).utcoffset()


def test_start_and_end_belong_to_it() -> None:
    rome = ZoneInfo("Europe/Rome")
    first, last = datetime(2026, 12, 1, 9, tzinfo=rome), datetime(2026, 12, 3, 9, tzinfo=rome)
    rule = Recurrence(parse_cron("@daily"), rome)
    limited = Recurrence(parse_cron("0 9 * * *"), rome, starts=first, until=last)

    assert [run.day for run in limited.between(first - timedelta(days=9), last + timedelta(days=9))] == [1, 2, 3]
    assert limited.next_after(last) is None
    assert rule.next_after(last) == datetime(2026, 12, 3, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("2026-12-03", "2026-12-03T08:00"),
        ("2026-12-03 09:00", "2026-12-03T08:00"),
        ("2026-12-03 08:59", "2026-12-02T08:00"),
    ],
)
def test_the_last_day_is_meant_as_a_whole(until: str, last: str) -> None:
    schedule = Schedule.model_validate(
        {"start": "2026-12-01 09:00", "timezone": "Europe/Rome", "repeat": {"cron": "0 9 * * *", "until": until}}
    )

    rule = recurrence_of(schedule)

    assert rule is not None
    runs = list(rule.between(BEGIN, END))
    assert runs[0] == schedule.start_at()
    assert runs[-1] == datetime.fromisoformat(f"{last}+00:00")


def test_a_schedule_without_repeat_has_no_recurrence() -> None:
    assert recurrence_of(Schedule()) is None


@pytest.mark.parametrize(
    ("line", "same"),
    [
        ("@daily", "0 0 * * *"),
        ("@Weekly", "0 0 * * sun"),
        ("0  9 * JAN Mon", "0 9 * 1 1"),
        ("0 9 * * 7", "0 9 * * 0"),
        ("0 9 * * sat-sun", "0 9 * * 6,0"),
    ],
)
def test_lines_that_mean_the_same(line: str, same: str) -> None:
    assert list(recurrence(line).between(BEGIN, BEGIN + timedelta(days=40))) == list(
        recurrence(same).between(BEGIN, BEGIN + timedelta(days=40))
    )


@pytest.mark.parametrize(
    ("line", "problem", "hint"),
    [
        ("", "must have five fields, not 0", "0 9 * * mon for Mondays at 09:00"),
        ("0 0 9 * * mon", "must have five fields, not 6", "0 9 * * mon"),
        ("60 9 * * *", "has an invalid minute: '60'", "the minute is 0 to 59"),
        ("0 24 * * *", "has an invalid hour: '24'", "the hour is 0 to 23"),
        ("0 9 0 * *", "has an invalid day of the month: '0'", "1 to 31"),
        ("0 9 * mai *", "has an invalid month: 'mai'", "1 to 12 or jan to dec"),
        ("0 9 * * monday", "has an invalid weekday: 'monday'", "0 to 7 or sun to sat"),
        ("0 9 31 feb,apr *", "never happens", "name a day that the month has"),
        ("0 9 30 2 *", "never happens", "name a day that the month has"),
        ("0 9 * * fri-mon", "has a range for the weekday that ends before it begins", "fri-7,sun-mon"),
        ("*/0 * * * *", "has a step of 0 for the minute", "1 or more"),
        ("0 9 L * *", "uses L, which is not part of cron", "name the days"),
        ("0 9 * * mon#1", "uses #, which is not part of cron", "name the days"),
        ("@reboot", "is not a nickname that can be repeated", "@daily"),
        ("0 9 * * mon-", "has an invalid weekday", "0 9 * * mon"),
        ("² 9 * * *", "has an invalid minute", "0 9 * * mon"),
        ("0 9 *-5 * *", "has an invalid day of the month", "0 9 * * mon"),
    ],
)
def test_a_line_that_is_no_crontab_line_is_refused_with_a_way_out(line: str, problem: str, hint: str) -> None:
    with pytest.raises(InvalidCron) as caught:
        parse_cron(line)

    assert problem in caught.value.problem
    assert hint in caught.value.hint


def test_a_run_every_minute_is_streamed() -> None:
    runs = recurrence("* * * * *").between(BEGIN, datetime(2099, 1, 1, tzinfo=UTC))

    assert [next(runs) for _ in range(3)] == [BEGIN.replace(second=0) + timedelta(minutes=n) for n in (1, 2, 3)]
