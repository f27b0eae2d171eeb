"""When receipts are read, and how."""

from datetime import timedelta

import pytest

from campaigns.following.poll_spacing import (
    DATES_TO_TRUST,
    FIRST_MARGIN,
    STRAGGLERS_PER_GROUP,
    is_sweep_cheaper,
    is_walk_cheaper,
    margin_before,
    patience_seconds,
    rest_once_read,
    stragglers,
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
    assert margin_before(dates_after, ahead=ahead, widest=WIDEST, polls=1) == margin


def test_groups_that_have_not_been_read_are_looked_for_a_few_seconds_back() -> None:
    trusted = [20 * SECOND, -20 * SECOND] * DATES_TO_TRUST
    assert margin_before(trusted, ahead=timedelta(), widest=WIDEST, polls=0) == 20 * SECOND + FIRST_MARGIN
    assert margin_before([], ahead=timedelta(), widest=WIDEST, polls=0) == WIDEST


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
