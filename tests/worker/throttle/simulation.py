"""Senders on a test clock: they ask and, if told to wait, come back as late as a machine would wake them."""

import heapq
import random
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tests.support.clocks import FakeClock
from worker.throttle import Limit, Throttle

NO_PAUSE = timedelta()  # nobody has sent anything before, so there is nothing to wait for


@dataclass(frozen=True, slots=True)
class Grant:
    at: datetime
    cost_segments: int
    sender: int


def send_for(
    duration: timedelta,
    throttle: Throttle,
    clock: FakeClock,
    levels: Sequence[Limit],
    costs_segments: Sequence[int],
    late: timedelta = timedelta(),
    urgent: int = 0,
    once: bool = False,
) -> list[Grant]:
    """Everything granted within `duration` to one sender for each cost, woken up to `late` after its moment.

    The last `urgent` senders ask urgently; `once`: until they got something.
    """
    rng = random.Random(1)
    end = clock.now() + duration
    asking = [(clock.now(), sender) for sender in range(len(costs_segments))]
    grants = []
    while asking[0][0] < end:
        moment, sender = heapq.heappop(asking)
        clock.advance(moment - clock.now())
        answer = throttle.reserve(costs_segments[sender], levels, is_urgent=sender >= len(costs_segments) - urgent)
        if answer.is_granted:
            grants.append(Grant(answer.at, costs_segments[sender], sender))
        pause = answer.wait + rng.random() * late if answer.wait else timedelta()
        if not (once and answer.is_granted and sender >= len(costs_segments) - urgent):
            heapq.heappush(asking, (moment + pause, sender))
    return grants


def largest_window_segments(grants: Sequence[Grant], per: timedelta) -> int:
    """The most that any half-open window of length `per` contains."""
    window: deque[Grant] = deque()
    total = largest = 0
    for grant in grants:
        window.append(grant)
        total += grant.cost_segments
        while window[0].at <= grant.at - per:
            total -= window.popleft().cost_segments
        largest = max(largest, total)
    return largest


def sum_segments(grants: Sequence[Grant]) -> int:
    return sum(grant.cost_segments for grant in grants)
