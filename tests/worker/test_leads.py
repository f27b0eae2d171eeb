"""How long requests are held back, depending on what the threads of their process have to do."""

from collections import deque
from datetime import timedelta

import pytest

from tests.support.clocks import FakeClock
from worker.sending.spacing import LONGEST, GrantSpacing
from worker.throttle import Budget, RateLimit

RATE = [RateLimit("run:1", 10, timedelta(seconds=1))]
MANY = 300


def live(threads: int, *, distance: float, answer: float, requests: int = MANY) -> tuple[float, float]:
    """Send this many requests, granted at this distance, or when a thread is free; (last lead, mean distance of late).

    `answer`: seconds from the first byte until the thread is free.
    """
    clock = FakeClock()
    leads = GrantSpacing(clock, threads)
    under_way: deque[float] = deque()
    granted = [0.0]
    until = 0.0
    for _ in range(requests):
        due = granted[-1] + distance
        is_late = len(under_way) == threads and under_way[0] + answer > due
        if is_late:
            due = under_way[0] + answer
        while under_way and under_way[0] + answer <= due:
            written = under_way.popleft()
            clock.advance(max(0.0, written + answer - clock.elapsed_seconds()))
            leads.end(written)
        clock.advance(max(0.0, due - clock.elapsed_seconds()))
        until = leads.begin(RATE, has_waited=not is_late)
        granted.append(clock.elapsed_seconds())
        under_way.append(until)
    half = requests // 2
    return until - granted[-1], (granted[-1] - granted[-half]) / (half - 1)


@pytest.mark.parametrize(
    ("threads", "distance", "answer", "lead"),
    [
        (4, 0.5, 0.3, LONGEST.total_seconds()),  # phones at 2 a second, a slow gateway
        (4, 0.05, 0.02, 0.08),  # 200 segments a second in tens
        (4, 0.02, 0.02, 0.02),  # 500 a second in tens: what two threads allow
        (4, 0.01, 0.005, 0.015),
        (4, 0.05, 0.09, 0.01),  # a slow gateway takes nearly half of the threads
        (2, 0.05, 0.01, 0.04),
        (3, 0.05, 0.01, 0.04),
        (1, 1.0, 0.01, 0.0),  # nobody else could take the next slot
    ],
)
def test_a_request_is_held_back_as_long_as_half_of_the_threads_allow(
    threads: int, distance: float, answer: float, lead: float
) -> None:
    found, attained = live(threads, distance=distance, answer=answer)

    assert found == pytest.approx(lead, abs=0.001)
    assert attained == pytest.approx(distance, rel=0.02)


@pytest.mark.parametrize("answer", [0.08, 0.3, 5.0])
def test_a_process_whose_threads_are_all_busy_holds_nothing_back(answer: float) -> None:
    # given a rate for which the gateway's answers leave no time
    found, attained = live(4, distance=0.02, answer=answer)

    assert found < 0.001
    assert attained == pytest.approx(answer / 4, rel=0.02)


def test_requests_without_a_rate_count_but_are_not_held_back() -> None:
    clock = FakeClock()
    leads = GrantSpacing(clock, 4)
    day = Budget("run:1", 500, clock.now(), clock.now() + timedelta(days=1))
    assert leads.begin([day], has_waited=False) == leads.begin([], has_waited=False) == clock.elapsed_seconds()

    # and if they take every thread, no other is held back either
    for _ in range(MANY):
        until = leads.begin([], has_waited=False)
        clock.advance(0.01)
        leads.end(until)
    assert leads.begin(RATE, has_waited=True) - clock.elapsed_seconds() == pytest.approx(0.01, abs=0.001)


def test_where_requests_come_late_to_their_slots_less_and_less_is_held_back() -> None:
    # given threads that could do more by what is known about requests, on a machine that has other work
    clock = FakeClock()
    leads = GrantSpacing(clock, 4)
    found = []
    for has_waited in [True] * 5 + [False] * 30 + [True] * 30:
        clock.advance(0.5)
        found.append(leads.begin(RATE, has_waited=has_waited) - clock.elapsed_seconds())

    longest = LONGEST.total_seconds()
    assert found[:10] == pytest.approx([longest] * 10)  # one that is late now and then changes nothing
    assert found[34] < longest / 10
    assert found[-1] == pytest.approx(longest)
