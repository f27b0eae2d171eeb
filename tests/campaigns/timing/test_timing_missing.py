"""Moments at which nothing was running: how many of them get no run, and which one is made up for."""

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.definition import Schedule
from campaigns.timing.missing import Missed, missed_moments

ELEVEN = datetime(2026, 12, 1, 11, tzinfo=UTC)
"""The first moment without a run; there is one every hour."""


def hourly(**keys: object) -> Schedule:
    return Schedule.model_validate({"timezone": "UTC", "repeat": {"cron": "0 * * * *"}, **keys})


@pytest.mark.parametrize(
    ("if_late", "minutes", "count", "last"),
    [
        # Nobody wants ten texts after ten hours: only the newest moment is made up for.
        (None, -1, 0, None),
        (None, 0, 0, None),
        (None, 59, 0, None),
        (None, 60, 1, "11:00"),
        (None, 239, 3, "13:00"),
        # `if_late` says exactly how late is too late.
        ({"within": "30m"}, 30, 0, None),
        ({"within": "30m"}, 31, 1, "11:00"),
        ({"within": "2h"}, 239, 2, "12:00"),
        ({"within": "1d"}, 239, 0, None),
        # If people are to be held, the last of those that are too late is planned, for a person to decide.
        ({"within": "30m", "otherwise": "hold"}, 31, 0, None),
        ({"within": "30m", "otherwise": "hold"}, 239, 3, "13:00"),
    ],
)
def test_what_was_missed(if_late: dict[str, str] | None, minutes: int, count: int, last: str | None) -> None:
    schedule = hourly(if_late=if_late) if if_late else hourly()

    missed = missed_moments(schedule, ELEVEN, ELEVEN + timedelta(minutes=minutes), apart=timedelta())

    expected = Missed(count, datetime.fromisoformat(f"2026-12-01T{last}+00:00")) if last else None
    assert missed == expected


def test_a_moment_that_comes_up_later_by_the_clocks_of_some_is_late_for_all_only_then() -> None:
    schedule, now = hourly(if_late={"within": "30m"}), ELEVEN + timedelta(hours=2, minutes=31)

    assert missed_moments(schedule, ELEVEN, now, apart=timedelta(hours=2)) == Missed(1, ELEVEN)


def test_after_a_month_forty_thousand_moments_are_one_count() -> None:
    minutely = Schedule.model_validate({"timezone": "UTC", "repeat": {"cron": "* * * * *"}})

    missed = missed_moments(minutely, ELEVEN, ELEVEN + timedelta(days=30), apart=timedelta())

    assert missed == Missed(30 * 24 * 60, ELEVEN + timedelta(days=30) - timedelta(minutes=1))


def test_a_campaign_that_does_not_repeat_misses_nothing() -> None:
    assert missed_moments(Schedule(timezone="UTC"), ELEVEN, ELEVEN + timedelta(days=1), apart=timedelta()) is None
