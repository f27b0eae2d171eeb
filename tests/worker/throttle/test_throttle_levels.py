"""The terms in which a throttle is asked and answers."""

from datetime import UTC, datetime, timedelta

import pytest

from worker.throttle import RateLimit
from worker.throttle.levels import from_microseconds, to_microseconds


@pytest.mark.parametrize("limit_segments", [0, -5, 2**26 + 1])
def test_a_limit_out_of_range_says_so(limit_segments: int) -> None:
    with pytest.raises(ValueError, match=f"'campaign:7' is {limit_segments} segments"):
        RateLimit("campaign:7", limit_segments, timedelta(seconds=1))


@pytest.mark.parametrize("per", [timedelta(), timedelta(microseconds=999), timedelta(days=367)])
def test_a_time_out_of_range_says_so(per: timedelta) -> None:
    with pytest.raises(ValueError, match=r"'campaign:7' is .* from 1 ms to 366 days"):
        RateLimit("campaign:7", 1, per)


def test_the_same_key_over_another_time_is_another_level() -> None:
    assert (
        RateLimit("account:1", 10, timedelta(seconds=1)).name == RateLimit("account:1", 99, timedelta(seconds=1)).name
    )
    assert (
        RateLimit("account:1", 10, timedelta(seconds=1)).name != RateLimit("account:1", 10, timedelta(minutes=1)).name
    )


def test_microseconds_are_exact_in_both_directions() -> None:
    # 2**53 microseconds are reached in the year 2255; as a float of seconds, this moment would lose its last digit
    moment = datetime(2026, 12, 1, 9, 0, 0, 123457, tzinfo=UTC)
    assert to_microseconds(moment) == 1_796_115_600_123_457
    assert from_microseconds(to_microseconds(moment)) == moment
