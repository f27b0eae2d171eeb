"""Counts over time in steps that widen, how late something is, and what kept it back."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.following.course import Bottleneck, Bottlenecks, Course, behind_seconds, bottlenecks, reached_at

DAY = 86_400.0


@pytest.mark.parametrize("seconds", [10.0, 3_600.0, 10 * DAY, 4_000 * DAY])
def test_a_course_is_bounded_however_long_it_takes(seconds: float) -> None:
    course = Course(2)
    for place in range(5_000):
        course.add(1_800_000_000 + seconds * place / 5_000, 1, place % 2)
    assert len(course.added) <= 240
    assert course.totals == (5_000, 2_500)
    line = course.line()
    assert line[-1][1] == 5_000
    assert line[-1][0] - line[0][0] <= seconds + 2 * course.step_seconds
    assert abs(reached_at(line, 1_800_000_000 + seconds / 2) - 2_500) < 100


@given(st.lists(st.tuples(st.integers(0, 10**7), st.integers(-3, 9)), max_size=600))
def test_order_does_not_matter_and_nothing_is_lost(added: list[tuple[int, int]]) -> None:
    one, other = Course(1, 0.125), Course(1, 0.125)
    for at, count in added:
        one.add(at / 7, count)
    for at, count in sorted(added):
        other.add(at / 7, count)
    assert (one.added, one.step_seconds) == (other.added, other.step_seconds)
    assert one.totals == (sum(count for _, count in added),)
    assert Course.from_json(one.to_json(), kinds=1).added == one.added
    assert all(before < after for (before, _), (after, _) in pairwise(one.line()))


FORECAST = [(100.0, 0), (200.0, 10), (1_000.0, 10), (1_100.0, 20)]
"""Ten people in 100 s, then nothing for 800 s, then ten more."""


@pytest.mark.parametrize(
    ("done", "at", "behind"),
    [
        (5, 150, 0),
        (5, 180, 30),
        (10, 600, 0),  # while nothing is due, nobody is late
        (10, 1_030, 30),
        (0, 130, 30),
        (9, 600, 410),
        (5, 110, -40),
        (12, 600, -420),
        (20, 1_160, 60),
        (20, 1_000, -100),
        (0, 50, 0),
    ],
)
def test_how_late_something_is(done: int, at: float, behind: float) -> None:
    assert behind_seconds(FORECAST, done, at) == pytest.approx(behind)


def test_without_a_forecast_nothing_is_late() -> None:
    assert behind_seconds([], 3, 10.0) == 0.0


def test_what_kept_a_run_back_is_noted_when_it_changes() -> None:
    known: Bottlenecks = []
    for since, bottleneck in (
        (0, Bottleneck.GATEWAY),
        (0, Bottleneck.RATE),
        (60, Bottleneck.RATE),
        (120, Bottleneck.PAUSE),
        (180, Bottleneck.RATE),
    ):
        known = bottlenecks(known, since, bottleneck)
    assert known == [(0, Bottleneck.RATE), (120, Bottleneck.PAUSE), (180, Bottleneck.RATE)]
    assert bottlenecks(known, 180, Bottleneck.PAUSE) == [(0, Bottleneck.RATE), (120, Bottleneck.PAUSE)]


def test_of_many_changes_the_shortest_are_forgotten() -> None:
    known: Bottlenecks = [(0, Bottleneck.RATE)]
    at = 0
    for place in range(400):
        at += 60 if place % 2 else 6_000
        known = bottlenecks(known, at, Bottleneck.WINDOW if place % 2 else Bottleneck.PAUSE, most=20)
        assert len(known) <= 20
    assert all(one[1] is not other[1] for one, other in pairwise(known))
    assert known[0] == (0, Bottleneck.RATE)
