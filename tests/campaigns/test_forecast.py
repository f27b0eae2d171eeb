"""When the first and the last text would leave."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.definition import Rate, Window
from campaigns.forecast import HORIZON, Forecast, Group, forecast
from campaigns.periods import Allowance, day_of, month_of

ROME = ZoneInfo("Europe/Rome")
MONDAY = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)  # 09:00 in Rome
MINUTE = timedelta(minutes=1)
WEEKDAYS = Window.model_validate({"days": "mon-fri", "from": "09:00", "to": "20:00"})


def estimate(
    segments: int,
    *,
    start: datetime = MONDAY,
    rates: Sequence[Rate] = (),
    window: Window | None = None,
    budgets: Sequence[Allowance] = (),
) -> Forecast | None:
    """The forecast for people who all go by the clocks of Rome."""
    hours = window.hours(ROME) if window else None
    first = (hours.next_open(start) if hours else start) or start
    return forecast([Group("", segments, segments, first, first, hours)], rates=rates, budgets=budgets)


def test_without_segments_there_is_no_forecast() -> None:
    assert estimate(0) is None


def test_without_rate_and_window_everything_leaves_at_the_start() -> None:
    seen = estimate(1_000_000)

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
    seen = estimate(segments, rates=rates)

    assert seen is not None
    assert seen.last_send_at == MONDAY + takes


def test_a_start_before_the_window_waits_for_it() -> None:
    seen = estimate(1, start=MONDAY - timedelta(days=1), window=WEEKDAYS)

    assert seen is not None
    assert seen.first_send_at == MONDAY


def test_what_does_not_fit_into_a_window_goes_on_in_the_next() -> None:
    # given 11 open hours at 30 a minute: 19,800 segments on a Friday, the rest after the weekend
    friday = MONDAY - timedelta(days=3)

    seen = estimate(19_801, start=friday, rates=[Rate(30, MINUTE)], window=WEEKDAYS)

    assert seen is not None
    assert seen.last_send_at == MONDAY


def test_what_takes_over_a_year_has_no_end() -> None:
    seen = estimate(1_000_000, rates=[Rate(1, timedelta(hours=1))], window=WEEKDAYS)

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
    seen = estimate(segments, start=begin, rates=[rate], window=window)
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
    seen = estimate(segments, window=WEEKDAYS, budgets=[budget])

    assert seen is not None
    assert seen.last_send_at == datetime.fromisoformat(last)


def test_a_rate_spreads_what_is_left_for_the_last_day() -> None:
    budget = Allowance(500, day_of, ROME)

    seen = estimate(561, rates=[Rate(30, MINUTE)], window=WEEKDAYS, budgets=[budget])

    assert seen is not None
    assert seen.last_send_at == MONDAY + timedelta(days=1, minutes=2)


def test_a_budget_that_would_take_more_than_a_year_has_no_end() -> None:
    seen = estimate(1_000_000, budgets=[Allowance(10, day_of, ROME)])

    assert seen is not None
    assert seen.last_send_at is None


# Several zones.

TOKYO, NEW_YORK = ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")
MORNINGS = Window.model_validate({"days": "mon-fri", "from": "09:00", "to": "10:00"})


def mornings(segments: int, zone: ZoneInfo, *, turns: timedelta = timedelta(0)) -> Group:
    """People who may be sent to between 9 and 10 by the clocks of `zone`, from Monday on."""
    hours = MORNINGS.hours(zone)
    first = hours.next_open(datetime(2026, 11, 30, tzinfo=UTC)) or MONDAY
    return Group(zone.key, segments, segments, first, hours.after(first, turns) or first, hours)


def test_everybody_goes_by_their_own_clocks() -> None:
    seen = forecast([mornings(5, ROME), mornings(5, NEW_YORK), mornings(5, TOKYO)], rates=[])

    assert seen is not None
    assert [f"{moment:%a %H}" for moment in seen.last_of if moment] == ["Mon 08", "Mon 14", "Mon 00"]
    assert (seen.first_send_at.hour, seen.last_send_at, seen.limit) == (0, MONDAY + timedelta(hours=6), None)


def test_a_rate_is_shared_and_used_by_whoever_is_open() -> None:
    # given 100 people in Rome and 30 in New York, and 60 an hour
    rate = Rate(60, timedelta(hours=1))

    seen = forecast([mornings(100, ROME), mornings(30, NEW_YORK)], rates=[rate])

    # then New York goes while Rome is closed, and Rome goes on the next day
    assert seen is not None
    rome, new_york = seen.last_of
    assert new_york == MONDAY + timedelta(hours=6, minutes=29)
    assert rome == MONDAY + timedelta(days=1, minutes=39)
    assert (seen.last_send_at, seen.limit) == (rome, rate)


def test_a_budget_is_shared_by_all_zones() -> None:
    budget = Allowance(50, day_of, ROME)

    seen = forecast([mornings(60, TOKYO), mornings(30, ROME)], rates=[Rate(1_000, MINUTE)], budgets=[budget])

    assert seen is not None
    tokyo, rome = seen.last_of
    assert [f"{moment:%a %H:%M}" for moment in (tokyo, rome) if moment] == ["Tue 00:00", "Tue 08:00"]
    assert seen.limit == budget


def test_a_spread_ends_with_the_turn_of_the_last() -> None:
    seen = forecast([mornings(5, ROME, turns=timedelta(minutes=90))], rates=[Rate(30, MINUTE)])

    assert seen is not None
    assert (seen.last_send_at, seen.limit) == (MONDAY + timedelta(days=1, minutes=30), None)


def test_what_never_ends_is_named() -> None:
    rate = Rate(1, timedelta(hours=1))

    seen = forecast([mornings(5_000, ROME)], rates=[Rate(30, MINUTE), rate])

    assert seen is not None
    assert (seen.last_send_at, seen.limit) == (None, rate)
