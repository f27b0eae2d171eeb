"""What every throttle decides about daily and monthly budgets, one scenario each, on both back ends."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.clocks import START, FakeClock
from worker.throttle import Budget, InMemoryThrottle, RateLimit, Throttle

DAY = timedelta(days=1)
MIDNIGHT = datetime(2026, 12, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def today(limit_segments: int, key: str = "run:1") -> Budget:
    return Budget(key, limit_segments, MIDNIGHT - DAY, MIDNIGHT)


def tomorrow(limit_segments: int, key: str = "run:1") -> Budget:
    return Budget(key, limit_segments, MIDNIGHT, MIDNIGHT + DAY)


def test_a_budget_is_granted_to_its_last_segment_and_not_more(throttle: Throttle) -> None:
    assert all(throttle.reserve(4, [today(10)]).is_granted for _ in range(2))
    # when less is left than the request needs
    answer = throttle.reserve(4, [today(10)])
    # then it waits for the end of the period, and a smaller one is sent
    assert (answer.is_granted, answer.is_spent, answer.wait) == (False, True, MIDNIGHT - START)
    assert throttle.reserve(2, [today(10)]).is_granted
    assert throttle.reserve(1, [today(10)]).is_spent


def test_the_next_period_begins_with_a_whole_budget(throttle: Throttle, clock: FakeClock) -> None:
    throttle.reserve(10, [today(10)])
    clock.advance(throttle.reserve(1, [today(10)]).wait)
    assert throttle.reserve(10, [tomorrow(10)]).is_granted


def test_a_request_above_the_whole_budget_never_goes(throttle: Throttle, clock: FakeClock) -> None:
    assert throttle.reserve(11, [today(10)]).wait == MIDNIGHT - START
    assert throttle.reserve(10, [today(10)]).is_granted


def test_a_refusal_takes_nothing_on_levels_and_budgets(throttle: Throttle, clock: FakeClock) -> None:
    level = RateLimit("account:1", 60, MINUTE)
    # given a spent budget next to a level, and a busy level next to a budget
    throttle.reserve(10, [today(10)])
    assert throttle.reserve(60, [level, today(10)]).is_spent
    assert throttle.reserve(60, [level, today(60, "run:2")]).is_granted
    assert not throttle.reserve(30, [level, today(90, "run:2")]).is_spent
    # then neither was charged for what the other refused
    clock.advance(MINUTE)
    assert throttle.reserve(30, [level, today(90, "run:2")]).is_granted


def test_a_spent_budget_keeps_no_room_on_a_level(throttle: Throttle, clock: FakeClock) -> None:
    level = RateLimit("account:1", 10, MINUTE)
    throttle.reserve(10, [today(10)])
    # given a large request that asks again and again although its budget is spent
    for _ in range(30):
        throttle.reserve(1, [level])
        throttle.reserve(10, [level, today(10)])
        clock.advance(6)
    # then other senders' small ones do not give way to it
    assert throttle.reserve(1, [level]).is_granted


@pytest.mark.parametrize(("limit", "is_granted"), [(11, True), (9, False)])
def test_a_changed_limit_acts_at_once_on_what_was_spent(throttle: Throttle, limit: int, is_granted: bool) -> None:
    throttle.reserve(10, [today(10)])
    assert throttle.reserve(1, [today(limit)]).is_granted is is_granted


def test_a_period_that_is_over_on_the_clock_of_the_throttle_grants_nothing(
    throttle: Throttle, clock: FakeClock
) -> None:
    # given an asker whose clock is behind, and one whose clock is ahead
    clock.advance(MIDNIGHT - clock.now())
    late, early = (
        throttle.reserve(1, [today(10)]),
        throttle.reserve(1, [Budget("run:2", 1, MIDNIGHT + DAY, MIDNIGHT + 2 * DAY)]),
    )
    # then one asks again soon, with what is today by then; the other waits for its day
    assert timedelta() < late.wait < timedelta(seconds=1)
    assert early.wait == DAY


def test_what_nothing_came_of_can_be_spent_again(throttle: Throttle, clock: FakeClock) -> None:
    at = throttle.reserve(10, [today(10)]).at
    throttle.give_back(10, [today(10), RateLimit("account:1", 10, MINUTE)], at)
    assert throttle.reserve(10, [today(10)]).is_granted


def test_a_limit_without_a_record_begins_with_the_ledger(clock: FakeClock) -> None:
    throttle = InMemoryThrottle(clock, lambda _limit, now: [(now, 7)])
    assert throttle.reserve(4, [today(10)]).is_spent
    assert throttle.reserve(3, [today(10)]).is_granted


def test_a_budget_that_begins_while_others_send_waits_until_they_have_written_theirs_down(clock: FakeClock) -> None:
    # given a very recent grant that is not in the ledger yet
    records: list[tuple[datetime, int]] = []
    throttle = InMemoryThrottle(clock, lambda _limit, _now: list(records))
    throttle.reserve(6, [])
    # when somebody sets a budget
    first = throttle.reserve(5, [today(10)])
    records.append((clock.now(), 6))
    # then it counts that grant
    assert (first.is_granted, first.wait) == (False, timedelta(seconds=2))
    clock.advance(first.wait)
    assert throttle.reserve(5, [today(10)]).is_spent
    assert throttle.reserve(4, [today(10)]).is_granted


@pytest.mark.parametrize(
    ("limit_segments", "starts_at", "says"),
    [(0, START, "'run:1' is 0 segments"), (2**26 + 1, START, "'run:1' is"), (1, MIDNIGHT, "no later than it starts")],
)
def test_a_budget_out_of_range_says_so(limit_segments: int, starts_at: datetime, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Budget("run:1", limit_segments, starts_at, MIDNIGHT)
