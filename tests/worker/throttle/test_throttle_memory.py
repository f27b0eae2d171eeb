"""What only the in-process throttle does."""

import threading
from datetime import timedelta

from campaigns.clock import SystemClock
from tests.support.clocks import FakeClock
from tests.worker.throttle.simulation import Grant, largest_window_segments, send_for, sum_segments
from worker.throttle import InMemoryThrottle, RateLimit

MINUTE = timedelta(minutes=1)


def test_a_restarted_process_goes_on_with_what_it_remembers(clock: FakeClock) -> None:
    # given a process that sent for some minutes and ended meanwhile
    level = RateLimit("account:1", 30, MINUTE)
    before = send_for(timedelta(minutes=3, seconds=25), InMemoryThrottle(clock), clock, [level], [1, 2])
    # when the next one reads what the records say about the last minute
    records = [(grant.at, grant.cost_segments) for grant in before]
    throttle = InMemoryThrottle(clock, lambda _limit, now: [entry for entry in records if entry[0] > now - MINUTE])
    after = send_for(timedelta(minutes=3), throttle, clock, [level], [1, 2])
    # then the limit holds across the restart
    assert largest_window_segments(before + after, MINUTE) <= 30


def test_levels_that_nobody_asks_for_any_more_are_dropped(clock: FakeClock) -> None:
    # given a thousand campaigns, each over after a while
    throttle = InMemoryThrottle(clock)
    for number in range(1000):
        throttle.reserve(1, [RateLimit(f"campaign:{number}", 10, MINUTE)])
    # when they have been idle for longer than their window
    clock.advance(2 * MINUTE)
    throttle.reserve(1, [RateLimit("campaign:new", 10, MINUTE)])
    # then only the live one takes memory
    assert len(throttle._histories) == 1


def test_threads_share_one_budget() -> None:
    # given eight threads that ask as fast as they can for 400 ms
    level, clock = RateLimit("account:1", 100, timedelta(milliseconds=100)), SystemClock()
    throttle = InMemoryThrottle(clock)
    end = clock.elapsed_seconds() + 0.4
    grants: list[Grant] = []

    def ask(sender: int) -> None:
        while clock.elapsed_seconds() < end:
            answer = throttle.reserve(5, [level])
            if answer.is_granted:
                grants.append(Grant(answer.at, 5, sender))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # then no window holds more than the limit
    grants.sort(key=lambda grant: grant.at)
    assert sum_segments(grants) > 0
    assert largest_window_segments(grants, level.per) <= 100
