"""When receipts are read, and how."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.following.poll_spacing import (
    DATES_TO_TRUST,
    MARGINS,
    POLLS_TO_DOUBT,
    STRAGGLERS_PER_GROUP,
    is_sweep_cheaper,
    is_walk_cheaper,
    margin_after,
    margin_before,
    patience_seconds,
    rest_once_read,
    stragglers,
    windows_to_read,
)

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
WIDEST = 10 * MINUTE


@pytest.mark.parametrize(
    ("windows", "shown", "groups", "wanted", "is_cheaper"),
    [
        (1, 10, 4, 10, True),  # three reads instead of four
        (1, 10, 3, 10, False),
        (1, 310, 4, 10, False),  # as many others as one read costs
        (1, 309, 4, 10, True),
        (1, 120_000, 100, 1_000, False),  # ten minutes at 200 texts a second
        (2, 40_000, 400, 40_000, True),  # the rarest status is read over both windows at once: five reads
        (2, 500, 5, 500, False),
        (2, 500, 6, 500, True),
        (20, 100_000, 486, 48_600, True),  # 41 reads, where 486 groups took as many, 40 at each tick
    ],
)
def test_windows_are_read_where_that_costs_less_than_groups(
    windows: int, shown: int, groups: int, wanted: int, *, is_cheaper: bool
) -> None:
    assert is_sweep_cheaper(windows=windows, shown=shown, groups=groups, wanted=wanted) is is_cheaper


@pytest.mark.parametrize(
    ("groups", "shown", "is_cheaper"),
    [(3, 0, False), (4, 0, True), (13, 10_000, False), (14, 10_000, True), (100, 100_000, False)],
)
def test_everything_is_walked_through_where_that_costs_less_than_groups(
    groups: int, shown: int, *, is_cheaper: bool
) -> None:
    assert is_walk_cheaper(groups=groups, shown=shown) is is_cheaper


@pytest.mark.parametrize(("longest_poll_seconds", "seconds"), [(600, 30), (5, 5)])
def test_groups_wait_for_others_half_a_minute_or_their_longest_pause(
    longest_poll_seconds: float, seconds: float
) -> None:
    assert patience_seconds(longest_poll_seconds) == seconds


@pytest.mark.parametrize(("took_seconds", "rest_seconds"), [(0.0, 1.0), (0.9, 1.0), (4.0, 4.0)])
def test_once_all_is_read_nothing_is_for_as_long_as_it_took(took_seconds: float, rest_seconds: float) -> None:
    assert rest_once_read(took_seconds, first_poll_seconds=10.0) == rest_seconds


@pytest.mark.parametrize(
    ("dates_after", "ahead", "margin"),
    [
        ([], timedelta(), WIDEST),
        ([timedelta()] * (DATES_TO_TRUST - 1), timedelta(), WIDEST),  # too few to be trusted
        ([timedelta()] * DATES_TO_TRUST, timedelta(), MINUTE),
        ([20 * SECOND] * DATES_TO_TRUST, timedelta(), MINUTE),  # dated later than we knew of them
        ([-20 * SECOND] + [timedelta()] * DATES_TO_TRUST, timedelta(), 80 * SECOND),  # the earliest counts
        ([-2 * WIDEST] * DATES_TO_TRUST, timedelta(), WIDEST),
        ([60 * MINUTE] * DATES_TO_TRUST, 60 * MINUTE, MINUTE),  # dated by a clock that is an hour ahead
        ([59 * MINUTE] * DATES_TO_TRUST, 60 * MINUTE, 2 * MINUTE),
    ],
)
def test_how_far_back_is_read_follows_the_dates_that_were_seen(
    dates_after: list[timedelta], ahead: timedelta, margin: timedelta
) -> None:
    assert margin_before(dates_after, ahead=ahead, widest=WIDEST, polls=2) == margin


def test_groups_that_have_not_been_read_are_looked_for_a_few_seconds_back() -> None:
    trusted = [20 * SECOND, -20 * SECOND] * DATES_TO_TRUST
    assert margin_before(trusted, ahead=timedelta(), widest=WIDEST, polls=0) == 20 * SECOND + MARGINS[0]
    assert margin_before([], ahead=timedelta(), widest=WIDEST, polls=0) == WIDEST


def test_how_far_ahead_is_read_follows_the_dates_that_were_seen_until_polls_find_nothing() -> None:
    trusted = [20 * SECOND, 90 * SECOND] * DATES_TO_TRUST
    assert margin_after(trusted, ahead=timedelta(), polls=0) == 90 * SECOND + MARGINS[0]
    assert margin_after(trusted, ahead=MINUTE, polls=1) == 90 * SECOND + MARGINS[1]
    assert margin_after(trusted, ahead=2 * MINUTE, polls=1) == 2 * MINUTE + MARGINS[1]
    assert margin_after(trusted, ahead=timedelta(), polls=POLLS_TO_DOUBT) is None
    assert margin_after(trusted[: DATES_TO_TRUST - 1], ahead=timedelta(), polls=0) is None


NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
MINUTES = st.integers(0, 60).map(lambda minutes: NOON + minutes * MINUTE)


@given(
    moments=st.lists(MINUTES, max_size=12),
    ends=st.lists(st.tuples(MINUTES, MINUTES).map(sorted), min_size=1, max_size=5),
)
def test_windows_hold_every_span_and_no_other_time(moments: list[datetime], ends: list[list[datetime]]) -> None:
    spans = [(first, last) for first, last in ends]
    start, end = min(spans)[0], max(last for _, last in spans)
    parts = [(moment, 10) for moment in sorted(moments)]
    windows = windows_to_read(parts, spans, start=start, end=end)
    assert all(before[1] <= after[0] for before, after in pairwise(windows))
    assert all(any(first <= window[1] and window[0] <= last for first, last in spans) for window in windows)
    for first, last in spans:
        held = [(max(first, window[0]), min(last, window[1])) for window in windows]
        assert sum((max(timedelta(), b - a) for a, b in held), timedelta()) == last - first
    assert sum(window[2] for window in windows) <= 10 * len(parts)


def test_a_time_in_which_everything_has_its_end_is_not_read() -> None:
    parts = [(NOON + minute * MINUTE, 5_000) for minute in range(1, 11)]
    spans = [(NOON, NOON + SECOND), (NOON + 8.5 * MINUTE, NOON + 9.5 * MINUTE)]
    windows = windows_to_read(parts, spans, start=NOON, end=NOON + 20 * MINUTE)
    minutes = [((first - NOON) / MINUTE, (last - NOON) / MINUTE) for first, last, _ in windows]
    assert minutes == [(0, 1), (8, 9), (9, 20)]


@pytest.mark.parametrize(
    ("missing", "polls", "first"), [([], 3, []), ([5, 3, 4], 0, [3, 4, 5]), ([5, 3, 4], 1, [4, 5, 3])]
)
def test_whoever_left_a_group_is_looked_up(missing: list[int], polls: int, first: list[int]) -> None:
    assert stragglers(missing, polls=polls) == first


def test_polls_take_turns_until_everybody_was_looked_up() -> None:
    missing = range(2 * STRAGGLERS_PER_GROUP + 5)
    looked_up = [stragglers(missing, polls=polls) for polls in range(3)]
    assert all(len(ids) == STRAGGLERS_PER_GROUP for ids in looked_up)
    assert {id_ for ids in looked_up for id_ in ids} == set(missing)
