"""What holds for every mix of costs, levels, limits and moments."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.clocks import START, FakeClock
from tests.worker.throttle.simulation import NO_PAUSE, Grant, largest_window_segments, send_for, sum_segments
from worker.throttle import Budget, InMemoryThrottle, Limit, RateLimit
from worker.throttle.redis import RedisThrottle, connect_for_throttle

# Windows of at least seconds: the keys on Redis expire by the real clock, a second after their window.
LEVELS = st.lists(
    st.builds(
        RateLimit,
        key=st.sampled_from(["account", "device", "campaign"]),
        limit_segments=st.one_of(st.integers(1, 40), st.integers(1, 5000)),
        per=st.sampled_from([timedelta(seconds=7), timedelta(seconds=10), timedelta(minutes=1)]),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda level: level.name,
)
BUDGETS = st.lists(
    st.builds(
        lambda key, limit, period: Budget(key, limit, START + period[0], START + period[1]),
        st.sampled_from(["account", "device"]),
        st.integers(1, 200),
        st.sampled_from(
            [
                (timedelta(days=-1), timedelta(seconds=30)),
                (timedelta(), timedelta(minutes=5)),
                (timedelta(minutes=1), timedelta(hours=1)),
            ]
        ),
    ),
    max_size=2,
    unique_by=lambda budget: budget.name,
)
COSTS = st.one_of(st.integers(1, 3), st.integers(1, 60))
STEPS = st.one_of(
    st.just("as told"),
    st.timedeltas(timedelta(), timedelta(milliseconds=300)),
    st.timedeltas(timedelta(), timedelta(seconds=30)),
)


@given(levels=LEVELS, questions=st.lists(st.tuples(COSTS, STEPS, st.booleans()), max_size=150))
@settings(max_examples=150)
def test_no_window_of_any_level_ever_holds_more_than_the_limit(
    levels: list[RateLimit], questions: list[tuple[int, timedelta | str, bool]]
) -> None:
    clock = FakeClock()
    throttle = InMemoryThrottle(clock)
    grants = []
    for cost_segments, step, is_urgent in questions:
        answer = throttle.reserve(cost_segments, levels, is_urgent=is_urgent)
        if answer.is_granted:
            grants.append(Grant(answer.at, cost_segments, 0))
        clock.advance(answer.wait if isinstance(step, str) else step)
    for level in levels:
        counted = [Grant(grant.at, min(grant.cost_segments, level.limit_segments), 0) for grant in grants]
        assert largest_window_segments(counted, level.per) <= level.limit_segments


@given(
    levels=LEVELS,
    questions=st.lists(st.tuples(COSTS, STEPS, st.booleans()), max_size=60),
    last=COSTS,
    is_urgent=st.booleans(),
    late=st.timedeltas(timedelta(), timedelta(seconds=90)),
)
@settings(max_examples=150)
def test_a_wait_is_the_shortest_that_ends_in_a_grant(
    levels: list[RateLimit],
    questions: list[tuple[int, timedelta | str, bool]],
    last: int,
    is_urgent: bool,
    late: timedelta,
) -> None:
    # given any history
    clock = FakeClock()
    throttle = InMemoryThrottle(clock)
    for cost_segments, step, was_urgent in questions:
        answer = throttle.reserve(cost_segments, levels, is_urgent=was_urgent)
        clock.advance(answer.wait if isinstance(step, str) else step)
    # when one sender is told to wait, and nobody else asks
    while not (wait := throttle.reserve(last, levels, is_urgent=is_urgent).wait):
        pass
    assert wait <= max(level.per for level in levels) * 1.5
    # then a microsecond early is too early
    clock.advance(wait - timedelta(microseconds=1))
    assert throttle.reserve(last, levels, is_urgent=is_urgent).wait == timedelta(microseconds=1)
    # and at that moment, or any time later, it is granted
    clock.advance(timedelta(microseconds=1) + late)
    assert throttle.reserve(last, levels, is_urgent=is_urgent).is_granted


@given(calls=st.lists(st.tuples(COSTS, LEVELS, BUDGETS, STEPS, st.booleans(), st.booleans()), max_size=60))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_redis_decides_exactly_as_memory_does(
    redis_url: str, calls: list[tuple[int, list[RateLimit], list[Budget], timedelta | str, bool, bool]]
) -> None:
    clock = FakeClock()
    memory = InMemoryThrottle(clock, pause=NO_PAUSE)
    with connect_for_throttle(redis_url) as client:
        client.flushall()
        redis = RedisThrottle(client, pause=NO_PAUSE, clock=clock)
        for cost_segments, levels, budgets, step, gives_back, is_urgent in calls:
            limits: list[Limit] = [*levels, *budgets]
            answer = redis.reserve(cost_segments, limits, is_urgent=is_urgent)
            assert answer == memory.reserve(cost_segments, limits, is_urgent=is_urgent)
            if answer.is_granted and gives_back:
                redis.give_back(cost_segments, limits, answer.at)
                memory.give_back(cost_segments, limits, answer.at)
            clock.advance(min(answer.wait, timedelta(minutes=2)) if isinstance(step, str) else step)


@pytest.mark.parametrize(
    ("limit_segments", "per", "cost_segments"),
    [
        (200, timedelta(seconds=1), 10),
        (30, timedelta(minutes=1), 1),
        (1000, timedelta(seconds=1), 100),
        (1000, timedelta(seconds=1), 1),
        (7, timedelta(seconds=1), 2),
    ],
)
@pytest.mark.parametrize(
    ("senders", "late"),
    [
        (1, timedelta()),
        (8, timedelta()),
        (1, timedelta(milliseconds=5)),
        # A lone sender at a per-second limit loses its lateness: the slot that it fills late becomes free late.
        # Among several, the first to wake up takes it.
        (4, timedelta(milliseconds=50)),
    ],
)
def test_nearly_all_of_the_limit_is_attained_and_never_more(
    limit_segments: int, per: timedelta, cost_segments: int, senders: int, late: timedelta
) -> None:
    # given
    clock = FakeClock()
    level = RateLimit("account:1", limit_segments, per)
    windows = 20
    # when
    grants = send_for(windows * per, InMemoryThrottle(clock), clock, [level], [cost_segments] * senders, late)
    # then: counting what fits into a window in whole requests
    fits = limit_segments // cost_segments * cost_segments
    assert sum_segments(grants) >= 0.98 * windows * fits
    assert largest_window_segments(grants, per) <= limit_segments


def test_a_lone_late_sender_attains_all_of_a_limit_by_the_minute() -> None:
    clock = FakeClock()
    level = RateLimit("device:1|0", 30, timedelta(minutes=1))
    grants = send_for(timedelta(hours=1), InMemoryThrottle(clock), clock, [level], [1], late=timedelta(milliseconds=50))
    assert sum_segments(grants) >= 0.98 * 30 * 60
    assert largest_window_segments(grants, level.per) <= 30


def test_similar_costs_attain_nearly_all_and_everyone_gets_a_turn() -> None:
    clock = FakeClock()
    level = RateLimit("account:1", 200, timedelta(seconds=1))
    grants = send_for(
        timedelta(seconds=30), InMemoryThrottle(clock), clock, [level], [8, 9, 10, 12], timedelta(milliseconds=2)
    )
    assert sum_segments(grants) >= 0.97 * 200 * 30
    for sender in range(4):
        assert sum_segments([grant for grant in grants if grant.sender == sender]) >= 0.05 * 200 * 30
