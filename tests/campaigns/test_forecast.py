"""When the first and the last text would leave."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.definition import Rate, Window
from campaigns.forecast import HORIZON, forecast
from campaigns.periods import Allowance, day_of, month_of

ROME = ZoneInfo("Europe/Rome")
MONDAY = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)  # 09:00 in Rome
MINUTE = timedelta(minutes=1)
WEEKDAYS = Window.model_validate({"days": "mon-fri", "from": "09:00", "to": "20:00"})


def test_without_segments_there_is_no_forecast() -> None:
    assert forecast(0, start=MONDAY, rates=[], window=None, zone=ROME) is None


def test_without_rate_and_window_everything_leaves_at_the_start() -> None:
    seen = forecast(1_000_000, start=MONDAY, rates=[], window=None, zone=ROME)

    assert seen is not None
    assert (seen.first_send_at, seen.last_send_at) == (MONDAY, MONDAY)


@pytest.mark.parametrize(
    ("segments", "rates", "takes"),
    [
        (1, [Rate(30, MINUTE)], timedelta(0)),
        (31, [Rate(30, MINUTE)], MINUTE),
        (1801, [Rate(30, MINUTE)], timedelta(hours=1)),
        (1801, [Rate(30, MINUTE), Rate(600, timedelta(hours=1))], timedelta(hours=3)),  # the slowest counts
    ],
)
def test_a_rate_spreads_the_segments(segments: int, rates: list[Rate], takes: timedelta) -> None:
    seen = forecast(segments, start=MONDAY, rates=rates, window=None, zone=ROME)

    assert seen is not None
    assert seen.last_send_at == MONDAY + takes


def test_a_start_before_the_window_waits_for_it() -> None:
    seen = forecast(1, start=MONDAY - timedelta(days=1), rates=[], window=WEEKDAYS, zone=ROME)

    assert seen is not None
    assert seen.first_send_at == MONDAY


def test_what_does_not_fit_into_a_window_goes_on_in_the_next() -> None:
    # given 11 open hours at 30 a minute: 19,800 segments on a Friday, the rest after the weekend
    friday = MONDAY - timedelta(days=3)

    seen = forecast(19_801, start=friday, rates=[Rate(30, MINUTE)], window=WEEKDAYS, zone=ROME)

    assert seen is not None
    assert seen.last_send_at == MONDAY


def test_what_takes_over_a_year_has_no_end() -> None:
    seen = forecast(1_000_000, start=MONDAY, rates=[Rate(1, timedelta(hours=1))], window=WEEKDAYS, zone=ROME)

    assert seen is not None
    assert seen.first_send_at == MONDAY
    assert seen.last_send_at is None


TIMES = [time(hour, minute) for hour in range(24) for minute in (0, 59)]
windows = st.builds(
    lambda days, hours: Window.model_validate({"days": days, "from": hours[0], "to": hours[1]}),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.tuples(st.sampled_from(TIMES), st.sampled_from(TIMES)).filter(lambda hours: hours[0] != hours[1]),
)


@given(
    segments=st.integers(1, 60),
    count=st.sampled_from([1, 2, 3, 4, 5, 6, 8, 9]),  # whose spacing in an hour is whole seconds
    window=windows,
    start=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),  # noqa: DTZ001 - made aware below
)
def test_it_is_what_walking_segment_by_segment_finds(
    segments: int, count: int, window: Window, start: datetime
) -> None:
    # given
    rate, begin = Rate(count, timedelta(hours=1)), start.replace(tzinfo=UTC, microsecond=0)

    # when every segment waits for its turn after the one before, and for the window
    moment = window.next_open(begin, ROME)
    for _ in range(segments - 1):
        moment = window.next_open(moment + rate.per / rate.count, ROME)

    # then
    seen = forecast(segments, start=begin, rates=[rate], window=window, zone=ROME)
    assert seen is not None
    if seen.last_send_at is None:
        assert moment - seen.first_send_at > HORIZON
    else:
        assert seen.last_send_at == moment


@pytest.mark.parametrize(
    ("segments", "budget", "last"),
    [
        (500, Allowance(500, day_of, ROME), "2026-11-30T08:00Z"),
        (501, Allowance(500, day_of, ROME), "2026-12-01T08:00Z"),
        (2_501, Allowance(500, day_of, ROME), "2026-12-07T08:00Z"),  # six days with a window, a weekend between them
        (2_001, Allowance(1_000, month_of, ROME), "2027-01-01T08:00Z"),
    ],
)
def test_what_a_budget_does_not_hold_goes_on_in_the_next_window(segments: int, budget: Allowance, last: str) -> None:
    seen = forecast(segments, start=MONDAY, rates=[], window=WEEKDAYS, zone=ROME, budgets=[budget])

    assert seen is not None
    assert seen.last_send_at == datetime.fromisoformat(last)


def test_a_rate_spreads_what_is_left_for_the_last_day() -> None:
    budget = Allowance(500, day_of, ROME)

    seen = forecast(561, start=MONDAY, rates=[Rate(30, MINUTE)], window=WEEKDAYS, zone=ROME, budgets=[budget])

    assert seen is not None
    assert seen.last_send_at == MONDAY + timedelta(days=1, minutes=2)


def test_a_budget_that_would_take_more_than_a_year_has_no_end() -> None:
    seen = forecast(1_000_000, start=MONDAY, rates=[], window=None, zone=ROME, budgets=[Allowance(10, day_of, ROME)])

    assert seen is not None
    assert seen.last_send_at is None
