"""Days and months by the clocks of a zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.calendar.periods import PeriodBudget, day_of, month_of

# Midnight skipped (Havana, Beirut), a whole day skipped (Apia, December 2011), quarter hours, both hemispheres.
ZONES = [
    ZoneInfo(name)
    for name in (
        "UTC", "Europe/Rome", "America/New_York", "America/Havana", "Asia/Beirut", "Asia/Kathmandu",
        "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Chatham",
    )
]  # fmt: skip
MOMENTS = st.timedeltas(timedelta(), timedelta(days=27 * 365)).map(datetime(2011, 1, 1, tzinfo=UTC).__add__)


@pytest.mark.parametrize(
    ("now", "zone", "start", "end"),
    [
        ("2026-12-01T09:00Z", "Europe/Rome", "2026-11-30T23:00Z", "2026-12-01T23:00Z"),
        ("2026-11-30T23:00Z", "Europe/Rome", "2026-11-30T23:00Z", "2026-12-01T23:00Z"),
        ("2026-03-29T12:00Z", "Europe/Rome", "2026-03-28T23:00Z", "2026-03-29T22:00Z"),  # 23 hours
        ("2026-10-25T12:00Z", "Europe/Rome", "2026-10-24T22:00Z", "2026-10-25T23:00Z"),  # 25 hours
        ("2026-03-08T12:00Z", "America/Havana", "2026-03-08T05:00Z", "2026-03-09T04:00Z"),  # no midnight: from 01:00 on
    ],
)
def test_a_day_is_from_midnight_to_midnight(now: str, zone: str, start: str, end: str) -> None:
    expected = (datetime.fromisoformat(start), datetime.fromisoformat(end))
    assert day_of(datetime.fromisoformat(now), ZoneInfo(zone)) == expected


def test_a_month_ends_where_the_next_begins() -> None:
    assert month_of(datetime(2026, 12, 31, 22, 59, tzinfo=UTC), ZoneInfo("Europe/Rome")) == (
        datetime(2026, 11, 30, 23, tzinfo=UTC),
        datetime(2026, 12, 31, 23, tzinfo=UTC),
    )


@given(now=MOMENTS, zone=st.sampled_from(ZONES))
def test_every_moment_is_in_its_day_and_month_and_the_next_begins_at_its_end(now: datetime, zone: ZoneInfo) -> None:
    for period_of, longest in ((day_of, timedelta(hours=26)), (month_of, timedelta(days=31, hours=2))):
        start, end = period_of(now, zone)
        assert start <= now < end
        assert end - start <= longest
        # everybody in it agrees, from its first moment to its last
        assert period_of(start, zone) == period_of(end - timedelta(microseconds=1), zone) == (start, end)
        assert period_of(end, zone)[0] == end


@given(now=MOMENTS, zone=st.sampled_from(ZONES))
def test_a_day_lies_within_its_month(now: datetime, zone: ZoneInfo) -> None:
    day, month = day_of(now, zone), month_of(now, zone)
    assert month[0] <= day[0] < day[1] <= month[1]


def test_an_allowance_reads_as_people_say_it() -> None:
    assert str(PeriodBudget(1_500, day_of, ZONES[0])) == "1,500 a day"
    assert str(PeriodBudget(20_000, month_of, ZONES[0])) == "20,000 a month"
