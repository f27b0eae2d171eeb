"""What a throttle keeps when its Redis forgets: everything that the ledger knows, and never more than the limits."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaigns.clock import SystemClock
from tests.support.clocks import START, FakeClock
from tests.support.servers import RedisServer
from tests.worker.throttle.simulation import Grant, largest_window_segments
from worker.throttle import Budget, Granted, InMemoryThrottle, Limit, RateLimit, Throttle
from worker.throttle.redis import RedisThrottle, connect_for_throttle

PERIOD = timedelta(seconds=40)
PAUSE = timedelta(seconds=2)

LEVELS = st.builds(
    RateLimit,
    key=st.sampled_from(["account", "run:1"]),
    limit_segments=st.integers(5, 60),
    per=st.sampled_from([timedelta(seconds=1), timedelta(seconds=10), timedelta(minutes=1)]),
)
BUDGETS = st.tuples(st.sampled_from(["account", "device"]), st.integers(10, 120))


def budget(key: str, limit_segments: int, now: datetime) -> Budget:
    """The budget of the 40 s period that contains `now`."""
    starts_at = START + (now - START) // PERIOD * PERIOD
    return Budget(key, limit_segments, starts_at, starts_at + PERIOD)


class Records:
    """The record of the grants. All of these took from all limits."""

    def __init__(self) -> None:
        self.grants: list[Grant] = []

    def __call__(self, limit: Limit, now: datetime) -> list[Granted]:
        since = now - limit.per if isinstance(limit, RateLimit) else limit.starts_at - timedelta(microseconds=1)
        until = now if isinstance(limit, RateLimit) else limit.ends_at
        return sorted((grant.at, grant.cost_segments) for grant in self.grants if since < grant.at <= until)


@given(
    levels=st.lists(LEVELS, min_size=1, max_size=3, unique_by=lambda level: level.name),
    budgets=st.lists(BUDGETS, max_size=2, unique_by=lambda named: named[0]),
    costs=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    forgets=st.sets(st.integers(0, 120), max_size=3),
    committed_after=st.timedeltas(timedelta(), PAUSE - timedelta(milliseconds=1)),
    on_redis=st.booleans(),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_throttle_that_forgets_keeps_every_limit_and_goes_on(
    redis_url: str,
    levels: list[RateLimit],
    budgets: list[tuple[str, int]],
    costs: list[int],
    forgets: set[int],
    committed_after: timedelta,
    on_redis: bool,
) -> None:
    # given senders that record their grants a while later, and a throttle that forgets now and then
    clock, records = FakeClock(), Records()
    pending: deque[Grant] = deque()
    all_grants: list[Grant] = []
    with connect_for_throttle(redis_url) as client:
        client.flushall()

        def new_throttle() -> Throttle:
            return RedisThrottle(client, records, clock=clock) if on_redis else InMemoryThrottle(clock, records)

        throttle, turn = new_throttle(), 0
        end = START + timedelta(minutes=2)
        for asked in range(400):
            if clock.now() >= end:
                break
            if asked in forgets:
                if on_redis:
                    client.flushall()
                else:  # a process that ends has recorded everything, or never sends it
                    records.grants += pending
                    pending.clear()
                    throttle = new_throttle()
            while pending and pending[0].at + committed_after <= clock.now():
                records.grants.append(pending.popleft())
            limits: Sequence[Limit] = [*levels, *(budget(*named, clock.now()) for named in budgets)]
            cost = costs[turn % len(costs)]
            answer = throttle.reserve(cost, limits)
            if answer.is_granted:
                grant = Grant(answer.at, cost, turn)
                pending.append(grant)
                all_grants.append(grant)
                turn += 1
            else:
                clock.advance(
                    min(answer.wait, (pending[0].at + committed_after - clock.now()) if pending else answer.wait)
                )
                if answer.wait <= timedelta():
                    raise AssertionError("a refusal without a wait")
    # then no window and no period holds more than its limit
    for level in levels:
        assert largest_window_segments(all_grants, level.per) <= level.limit_segments
    for key, limit_segments in budgets:
        spent: dict[Budget, int] = {}
        for grant in all_grants:
            period = budget(key, limit_segments, grant.at)
            spent[period] = spent.get(period, 0) + grant.cost_segments
        assert max(spent.values(), default=0) <= limit_segments
    # and it continues: the largest cost may need a whole one-minute window for itself
    assert turn >= 2


def test_an_emptied_redis_grants_nothing_until_the_ledger_is_complete(redis_url: str, clock: FakeClock) -> None:
    level, records = RateLimit("account", 10, timedelta(minutes=1)), Records()
    with connect_for_throttle(redis_url) as client:
        throttle = RedisThrottle(client, records, clock=clock)
        clock.advance(throttle.reserve(10, [level]).wait)
        grant = throttle.reserve(10, [level])
        # when Redis is emptied before the grant is recorded
        client.flushall()
        cold = throttle.reserve(1, [level])
        records.grants.append(Grant(grant.at, 10, 0))
        # then it waits, and knows about it afterwards
        assert (cold.is_granted, cold.wait) == (False, PAUSE)
        clock.advance(PAUSE)
        answer = throttle.reserve(1, [level])
        assert answer.at + answer.wait == grant.at + level.per


def test_a_restarted_redis_that_kept_old_keys_does_not_believe_them(redis_server: RedisServer, redis_url: str) -> None:
    # given a Redis whose keys are from a moment ago: it comes back as another server
    level = RateLimit("account", 100, timedelta(minutes=1))
    asked: list[str] = []

    def ledger(limit: Limit, _now: datetime) -> list[Granted]:
        asked.append(limit.name)
        return []

    with connect_for_throttle(redis_url) as client:
        throttle = RedisThrottle(client, ledger, pause=timedelta())
        throttle.reserve(1, [level])
        kept = {key: client.dump(key) for key in client.keys("*")}
        redis_server.stop()
        redis_server.start()
        for key, value in kept.items():
            client.restore(key, 0, value)
        # when it is asked again
        throttle.reserve(1, [level])
    # then the ledger is read again
    assert asked == [level.name, level.name]


def test_one_asker_reads_the_ledger_and_the_others_wait(redis_url: str) -> None:
    reads: list[str] = []
    level = RateLimit("account", 1000, timedelta(minutes=1))

    def slow_ledger(limit: Limit, _now: datetime) -> list[Granted]:
        reads.append(limit.name)
        time.sleep(0.2)
        return []

    def ask(throttle: Throttle, granted: list[bool]) -> None:
        while not (answer := throttle.reserve(1, [level])).is_granted:
            time.sleep(answer.wait.total_seconds())
        granted.append(True)

    with connect_for_throttle(redis_url) as client:
        for throttle in (
            RedisThrottle(client, slow_ledger, pause=timedelta()), InMemoryThrottle(SystemClock(), slow_ledger),
        ):  # fmt: skip
            reads.clear()
            granted: list[bool] = []
            threads = [threading.Thread(target=ask, args=(throttle, granted)) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(timeout=10)
            assert (granted, reads) == ([True] * 4, [level.name])


def test_a_ledger_that_cannot_be_read_is_read_by_the_next(clock: FakeClock) -> None:
    failures = [OSError("the database is away")]

    def ledger(_limit: Limit, now: datetime) -> list[Granted]:
        if failures:
            raise failures.pop()
        return [(now, 9)]

    throttle = InMemoryThrottle(clock, ledger)
    with pytest.raises(OSError, match="away"):
        throttle.reserve(2, [budget("account", 10, clock.now())])
    assert throttle.reserve(2, [budget("account", 10, clock.now())]).is_spent


def test_what_was_granted_before_redis_forgot_is_not_given_back(redis_url: str, clock: FakeClock) -> None:
    spent = budget("account", 10, clock.now())
    with connect_for_throttle(redis_url) as client:
        throttle = RedisThrottle(client, clock=clock)
        clock.advance(throttle.reserve(10, [spent]).wait)
        at = throttle.reserve(10, [spent]).at
        # given a Redis that forgot the grant, and whose ledger never knew it
        client.flushall()
        clock.advance(throttle.reserve(10, [spent]).wait)
        assert throttle.reserve(10, [spent]).is_granted
        # then giving it back frees nothing
        throttle.give_back(10, [spent], at)
        assert throttle.reserve(1, [spent]).is_spent
