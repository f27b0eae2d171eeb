"""A phone that reports that it has sent too much is slowed down, and gets back to its pace."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.definition import Rate
from campaigns.sending.slowing import SLOW_FOR, SLOWEST, USUAL, Slowdown, slower
from tests.support.clocks import START

MINUTE = timedelta(minutes=1)


def first(rate: Rate = USUAL) -> Slowdown:
    slowdown = slower(rate, START)
    assert slowdown is not None
    return slowdown


def test_the_first_report_halves_the_rate_for_a_quarter_of_an_hour() -> None:
    slowdown = first()

    assert slowdown.rate_at(START) == Rate(15, MINUTE)
    assert slowdown.rate_at(START + SLOW_FOR - MINUTE) == Rate(15, MINUTE)
    assert slowdown.rate_at(START + SLOW_FOR) is None


def test_reports_within_a_minute_count_as_one() -> None:
    assert slower(Rate(15, MINUTE), START + timedelta(seconds=59), first()) is None


def test_a_further_report_halves_again_and_it_comes_back_by_doubling() -> None:
    again = slower(Rate(15, MINUTE), START + 2 * MINUTE, first())

    assert again is not None
    since = START + 2 * MINUTE
    assert [again.rate_at(since + SLOW_FOR * quarter) for quarter in range(3)] == [
        Rate(7, MINUTE), Rate(14, MINUTE), None,
    ]  # fmt: skip


def test_after_it_is_over_it_begins_anew() -> None:
    later = START + SLOW_FOR + MINUTE

    assert slower(USUAL, later, first()) == Slowdown(Rate(15, MINUTE), later, later + SLOW_FOR)


@pytest.mark.parametrize(
    ("rate", "half"),
    [
        (Rate(2, MINUTE), Rate(1, MINUTE)),
        (Rate(1, MINUTE), Rate(1, 2 * MINUTE)),
        (Rate(1, 4 * MINUTE), SLOWEST),
        (SLOWEST, SLOWEST),
        (Rate(3, timedelta(hours=1)), Rate(3, timedelta(hours=1))),  # slower than that by a person's own choice
    ],
)
def test_a_rate_is_never_halved_below_one_in_five_minutes(rate: Rate, half: Rate) -> None:
    assert first(rate).rate == half


@given(st.integers(1, 100_000), st.lists(st.integers(0, 60), max_size=30))
def test_however_often_a_phone_complains_it_is_back_within_hours(count: int, minutes: list[int]) -> None:
    rate, now, slowdown = Rate(count, MINUTE), START, None
    for pause in minutes:
        now += pause * MINUTE
        current = (slowdown.rate_at(now) if slowdown else None) or rate
        slowdown = slower(current, now, slowdown) or slowdown
        assert slowdown is not None
        slowed = slowdown.rate_at(now)
        assert slowed is not None
        assert SLOWEST.per_second <= slowed.per_second <= max(rate.per_second, SLOWEST.per_second)
    if slowdown is not None:
        assert slowdown.until - now <= 20 * SLOW_FOR
