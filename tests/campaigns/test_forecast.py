"""When the first and the last text would leave."""

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.calendar.periods import PeriodBudget, day_of, month_of
from campaigns.definition import Rate, Window
from campaigns.definition.schedule import Schedule
from campaigns.forecast import HORIZON, Agenda, Day, Forecast, Gate, forecast
from campaigns.money.amounts import MILLIONTHS, MoneyAmount
from campaigns.money.budgets import MoneyBudget, Within
from campaigns.timing.departures import Departure

ROME = ZoneInfo("Europe/Rome")
MONDAY = datetime(2026, 11, 30, 8, 0, tzinfo=UTC)  # 09:00 in Rome
MINUTE = timedelta(minutes=1)
WEEKDAYS = {"days": "mon-fri", "from": "09:00", "to": "20:00"}


def agenda(window: dict[str, Any] | None = None) -> Agenda:
    """An empty one for a campaign that follows Rome's clocks."""
    values: dict[str, Any] = {"timezone": "Europe/Rome", "local_time": "recipient"}
    if window:
        values["window"] = window
    return Agenda(Schedule.model_validate(values))


def add(
    to: Agenda, people: int, zones: str = "", *, at: datetime, size: int = 1, latest: timedelta | None = None
) -> None:
    """Add people with one segment each, in requests of `size`, who may be sent to from `at` on."""
    departure = Departure(zones, at, at + latest if latest else None)
    before = sum(len(line.at) for line in to.lines())
    for ordinal, first in enumerate(range(0, people, size), before):
        count = min(size, people - first)
        to.add_batch(ordinal, departure, count, count)


def first_open(window: dict[str, Any] | None, zone: ZoneInfo, start: datetime) -> datetime:
    opens = Window.model_validate(window).hours(zone).next_open(start) if window else start
    assert opens is not None
    return opens


def estimate(
    segments: int,
    *,
    start: datetime = MONDAY,
    rates: Sequence[Rate] = (),
    window: dict[str, Any] | None = None,
    budgets: Sequence[PeriodBudget] = (),
    size: int = 1,
) -> Forecast | None:
    """The forecast for people who all follow Rome's clocks."""
    made = agenda(window)
    add(made, segments, at=first_open(window, ROME, start), size=size)
    return forecast(made, Gate(tuple(rates), tuple(budgets)))


def test_without_segments_there_is_no_forecast() -> None:
    assert estimate(0) is None


def test_without_rate_and_window_everything_leaves_at_the_start() -> None:
    seen = estimate(10_000, size=100)

    assert seen is not None
    assert (seen.first_send_at, seen.last_send_at) == (MONDAY, MONDAY)
    assert seen.days == (Day(MONDAY.date(), 10_000, 10_000),)


@pytest.mark.parametrize(
    ("segments", "rates", "takes"),
    [
        (1, [Rate(30, MINUTE)], timedelta(0)),
        (31, [Rate(30, MINUTE)], MINUTE),
        (1801, [Rate(30, MINUTE)], timedelta(hours=1)),
        (1801, [Rate(30, MINUTE), Rate(600, timedelta(hours=1))], timedelta(hours=3)),  # the slowest one counts
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
    seen = estimate(20_000, rates=[Rate(1, timedelta(hours=1))], window=WEEKDAYS)

    assert seen is not None
    assert seen.first_send_at == MONDAY
    assert seen.last_send_at is None


TIMES = [time(hour, minute) for hour in range(24) for minute in (0, 59)]
windows = st.builds(
    lambda days, hours: {"days": days, "from": hours[0], "to": hours[1]},
    st.frozensets(st.integers(0, 6), min_size=1),
    st.tuples(st.sampled_from(TIMES), st.sampled_from(TIMES)).filter(lambda hours: hours[0] != hours[1]),
)


@given(
    segments=st.integers(1, 60),
    count=st.sampled_from([1, 2, 3, 4, 5, 6, 8, 9]),  # those whose spacing within an hour is whole seconds
    window=windows,
    start=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)),  # noqa: DTZ001 - made aware below
)
def test_it_is_what_walking_segment_by_segment_finds(
    segments: int, count: int, window: dict[str, Any], start: datetime
) -> None:
    # given
    rate, begin = Rate(count, timedelta(hours=1)), start.replace(tzinfo=UTC, microsecond=0)

    # when every segment waits for its turn after the one before, and for the window
    hours = Window.model_validate(window)
    moment = hours.next_open(begin, ROME)
    for _ in range(segments - 1):
        moment = hours.next_open(moment + rate.per / rate.count, ROME)

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
        (500, PeriodBudget(500, day_of, ROME), "2026-11-30T08:00Z"),
        (501, PeriodBudget(500, day_of, ROME), "2026-12-01T08:00Z"),
        (2_501, PeriodBudget(500, day_of, ROME), "2026-12-07T08:00Z"),  # six days with a window, a weekend between them
        (2_001, PeriodBudget(1_000, month_of, ROME), "2027-01-01T08:00Z"),
    ],
)
def test_what_a_budget_does_not_hold_goes_on_in_the_next_window(segments: int, budget: PeriodBudget, last: str) -> None:
    seen = estimate(segments, window=WEEKDAYS, budgets=[budget])

    assert seen is not None
    assert seen.last_send_at == datetime.fromisoformat(last)


def test_a_rate_spreads_what_is_left_for_the_last_day() -> None:
    budget = PeriodBudget(500, day_of, ROME)

    seen = estimate(561, rates=[Rate(30, MINUTE)], window=WEEKDAYS, budgets=[budget])

    assert seen is not None
    assert seen.last_send_at == MONDAY + timedelta(days=1, minutes=2)


def euros(count: int, within: Within) -> MoneyBudget:
    return MoneyBudget(MoneyAmount(count * MILLIONTHS, "EUR"), within, ROME, of_campaign=False)


@pytest.mark.parametrize(
    ("gate", "limit", "last"),
    [
        (Gate(money=(euros(6, Within.DAY), euros(5, Within.DAY))), "5.00 EUR a day", "2026-12-02T23:00Z"),
        (Gate(money=(euros(5, Within.DAY), euros(6, Within.DAY))), "5.00 EUR a day", "2026-12-02T23:00Z"),
        (
            Gate(budgets=(PeriodBudget(28, day_of, ROME), PeriodBudget(20, day_of, ROME))),
            "20 a day",
            "2026-11-30T23:00Z",
        ),
        # Of December's 12, five are left on its first day, five on its second, and two on its third.
        (Gate(money=(euros(5, Within.DAY), euros(12, Within.MONTH))), "12.00 EUR a month", "2026-12-31T23:00Z"),
    ],
)
def test_the_budget_that_has_least_left_decides(gate: Gate, limit: str, last: str) -> None:
    """Two requests to ten people, whose texts cost 1 EUR each in money, and two segments each."""
    made = agenda()
    for ordinal in range(2):
        made.add_batch(ordinal, Departure("", MONDAY, None), 10, 20, millionths=10 * MILLIONTHS)

    seen = forecast(made, gate)

    assert seen is not None
    assert (seen.limited_by, seen.last_send_at) == (limit, datetime.fromisoformat(last))


def test_a_budget_that_would_take_more_than_a_year_has_no_end() -> None:
    seen = estimate(10_000, budgets=[PeriodBudget(10, day_of, ROME)])

    assert seen is not None
    assert seen.last_send_at is None


# Several zones.

TOKYO, NEW_YORK = ZoneInfo("Asia/Tokyo"), ZoneInfo("America/New_York")
MORNINGS = {"days": "mon-fri", "from": "09:00", "to": "10:00"}
SUNDAY = datetime(2026, 11, 29, 12, tzinfo=UTC)


def mornings(*people: tuple[int, ZoneInfo]) -> Agenda:
    """People who may be sent to between 9 and 10 by their zone's clocks, from Monday on."""
    made = agenda(MORNINGS)
    for count, zone in people:
        add(made, count, zone.key, at=first_open(MORNINGS, zone, SUNDAY))
    return made


def last_of(seen: Forecast) -> dict[str, str]:
    """When the last of each zone leaves, in UTC."""
    return {group.zones: f"{group.last_send_at:%a %H:%M}" for group in seen.groups if group.last_send_at}


def test_everybody_goes_by_their_own_clocks() -> None:
    seen = forecast(mornings((5, ROME), (5, NEW_YORK), (5, TOKYO)), Gate())

    assert seen is not None
    assert last_of(seen) == {TOKYO.key: "Mon 00:00", ROME.key: "Mon 08:00", NEW_YORK.key: "Mon 14:00"}
    assert (seen.first_send_at.hour, seen.last_send_at, seen.limit) == (0, MONDAY + timedelta(hours=6), None)


def test_a_rate_is_shared_and_used_by_whoever_is_open() -> None:
    # given 100 people in Rome and 30 in New York, and 60 an hour
    rate = Rate(60, timedelta(hours=1))

    seen = forecast(mornings((100, ROME), (30, NEW_YORK)), Gate((rate,)))

    # then New York goes while Rome is closed, and Rome continues the next day
    assert seen is not None
    assert last_of(seen) == {ROME.key: "Tue 08:39", NEW_YORK.key: "Mon 14:29"}
    assert seen.limit == rate


def test_a_budget_is_shared_by_all_zones() -> None:
    budget = PeriodBudget(50, day_of, ROME)

    seen = forecast(mornings((60, TOKYO), (30, ROME)), Gate((Rate(1_000, MINUTE),), (budget,)))

    assert seen is not None
    assert last_of(seen) == {TOKYO.key: "Tue 00:00", ROME.key: "Tue 08:00"}
    assert seen.limit == budget
    assert [day.texts for day in seen.days] == [50, 40]


def test_phones_share_the_work_and_each_keeps_its_own_limits() -> None:
    phone = Gate((Rate(30, MINUTE),), (PeriodBudget(60, day_of, ROME),))
    made = agenda()
    add(made, 150, at=MONDAY)

    seen = forecast(made, Gate(), [phone, phone])

    assert seen is not None
    assert [day.texts for day in seen.days] == [120, 30]
    assert seen.last_send_at == datetime(2026, 11, 30, 23, tzinfo=UTC) + 14 * timedelta(seconds=2)
    assert seen.limited_by == "60 a day on each phone"


def test_phones_take_turns_so_that_a_dear_text_may_find_room_on_none() -> None:
    # given three phones with two segments a day each, and a text of two segments behind three of one segment
    phone = Gate(budgets=(PeriodBudget(2, day_of, ROME),))
    made = agenda()
    for ordinal, segments in enumerate([1, 1, 1, 2, 1]):
        made.add_batch(ordinal, Departure("", MONDAY, None), 1, segments)

    seen = forecast(made, Gate(), [phone, phone, phone])

    # then each phone has one left on the first day, and the budgets count as spent for later requests, too
    assert seen is not None
    assert [day.segments for day in seen.days] == [3, 3]


def test_requests_that_do_not_fill_a_window_exactly_leave_room_in_it() -> None:
    # given requests of 7 at 30 a minute: exactly four fit into any minute
    made = agenda()
    add(made, 35, at=MONDAY, size=7)

    seen = forecast(made, Gate((Rate(30, MINUTE),)))

    assert seen is not None
    assert seen.last_send_at == MONDAY + MINUTE


def test_a_spread_ends_with_the_turn_of_the_last() -> None:
    made = agenda(WEEKDAYS)
    for turn in range(11):
        add(made, 1, at=MONDAY + turn * timedelta(minutes=9))

    seen = forecast(made, Gate((Rate(30, MINUTE),)))

    assert seen is not None
    assert (seen.last_send_at, seen.limit) == (MONDAY + timedelta(minutes=90), None)


def test_two_who_share_a_turn_do_not_make_the_rate_decide() -> None:
    made = agenda()
    for turn in range(11):
        add(made, 2, at=MONDAY + turn * timedelta(minutes=9))

    seen = forecast(made, Gate((Rate(30, MINUTE),)))

    assert seen is not None
    assert (seen.last_send_at, seen.limit) == (MONDAY + timedelta(minutes=90, seconds=2), None)


def test_who_would_get_no_turn_in_time_is_counted_and_takes_nobodys_place() -> None:
    made = agenda()
    add(made, 5, at=MONDAY, latest=timedelta(minutes=2))
    add(made, 1, at=MONDAY + timedelta(minutes=3))

    seen = forecast(made, Gate((Rate(1, MINUTE),)))

    assert seen is not None
    assert (seen.late, seen.last_send_at) == (2, MONDAY + timedelta(minutes=3))
    assert sum(day.texts for day in seen.days) == 4


def test_moments_need_not_come_in_the_order_of_the_plan() -> None:
    made = agenda()
    for minute in (3, 1, 2):
        add(made, 1, at=MONDAY + minute * MINUTE)

    seen = forecast(made, Gate((Rate(1, timedelta(minutes=2)),)))

    assert seen is not None
    assert (seen.first_send_at, seen.last_send_at) == (MONDAY + MINUTE, MONDAY + 5 * MINUTE)


def test_what_never_ends_is_named() -> None:
    rate = Rate(1, timedelta(hours=1))

    seen = forecast(mornings((5_000, ROME)), Gate((Rate(30, MINUTE), rate)))

    assert seen is not None
    assert (seen.last_send_at, seen.limit) == (None, rate)
