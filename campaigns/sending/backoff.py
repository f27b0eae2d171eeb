"""How long to wait before something that failed, showed nothing or took long is tried again: each has its own pause."""

import random
from datetime import timedelta
from typing import Final

ROUNDS: Final = (1, 5, 15)
"""After a throttled request or a proven miss: so many fifths of `settle`, the first, the second and every later time.

That is 1, 5 and 15 minutes where `settle` is its usual 5 minutes; tests that shorten the one shorten the other.
"""

REST_SECONDS: Final = 0.25
LONGEST_REST_SECONDS: Final = 5.0
"""After a tick, a job or a look failed: twice as long each time."""

UNREAD_SECONDS: Final = 5.0
LONGEST_UNREAD_SECONDS: Final = 60.0
"""After receipts could not be read: twice as long each time, for a gateway that is away needs no reads."""

UNSUBSCRIBE: Final = timedelta(seconds=5)
LONGEST_UNSUBSCRIBE: Final = timedelta(minutes=10)
"""After somebody could not be taken off a contact list: twice as long each time."""

PROBE: Final = timedelta(minutes=1)
LONGEST_PROBE: Final = timedelta(minutes=5)
"""Between two looks whether a paused account works again: half as long again each time."""

NOTICE: Final = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 120, 600, 1800, 3600))
"""Between two tries to tell something outside; the last one again and again."""

LEAST_SHARE: Final = 10
"""What took 4 s once, on a busy machine, is no reason to wait 80 s: after the longest pause, or where looking always
takes that long, after 10 times as long."""


def backoff_after(attempt: int, rng: random.Random, *, settle: timedelta) -> timedelta:
    """The pause before the next attempt; `attempt` counts from 1. Jitter of up to a tenth."""
    return _jittered(settle * ROUNDS[min(attempt, len(ROUNDS)) - 1] / 5, rng)


def reconnect_after(failures: int, rng: random.Random) -> timedelta:
    """The pause after `failures` connections in a row that failed: nothing was sent. 0.5 s, doubling to 60 s."""
    return _jittered(timedelta(seconds=_growing(0.5, 2.0, failures - 1, longest=60.0)), rng)


def rest_after(failures: int) -> float:
    """For how many seconds a source of work rests after `failures` times in a row that it failed; from 1."""
    return _growing(REST_SECONDS, 2.0, failures - 1, longest=LONGEST_REST_SECONDS)


def unread_after(failures: int) -> float:
    """For how many seconds no receipts are read after `failures` ticks in a row in which none could be; from 1."""
    return _growing(UNREAD_SECONDS, 2.0, failures - 1, longest=LONGEST_UNREAD_SECONDS)


def unsubscribe_after(tries: int) -> timedelta:
    """The pause after an unsubscription failed; `tries` were made before, from 0."""
    seconds = _growing(UNSUBSCRIBE.total_seconds(), 2.0, tries, longest=LONGEST_UNSUBSCRIBE.total_seconds())
    return timedelta(seconds=seconds)


def probe_after(probes: int) -> timedelta:
    """The pause before a paused account is looked at again; `probes` were made before, from 0."""
    return timedelta(seconds=_growing(PROBE.total_seconds(), 1.5, probes, longest=LONGEST_PROBE.total_seconds()))


def notice_after(tries: int, rng: random.Random) -> timedelta:
    """The pause after a notice was not taken; `tries` were made before, from 0. Jitter of up to a tenth."""
    return _jittered(NOTICE[min(tries, len(NOTICE) - 1)], rng)


def poll_after(polls: int, *, first_seconds: float, longest_seconds: float) -> timedelta:
    """The pause before the next look for receipts; `polls` were made before, from 0. Half as long again each time."""
    return timedelta(seconds=_growing(first_seconds, 1.5, polls, longest=longest_seconds))


def blind_look_after(usual: timedelta, looks: int, *, settle: timedelta) -> timedelta:
    """The pause before a request in doubt is looked up again, by a gateway that cannot be read and may be away.

    `usual`: what it is by a gateway that can be. `looks` failed beyond those that are made anyway. At most `settle`.
    """
    seconds = _growing(usual.total_seconds(), 1.5, looks, longest=settle.total_seconds())
    return timedelta(seconds=seconds)


def pause_after(took_seconds: float, *, share: float, longest: float, shortest: float = 0) -> float:
    """Seconds to the next look after one that took so long: `share` times as long, within `shortest` and `longest`.

    `longest` gives way where it is less than `LEAST_SHARE` times as long.
    """
    return max(shortest, min(share * took_seconds, max(longest, LEAST_SHARE * took_seconds)))


def _growing(first: float, factor: float, times: int, *, longest: float) -> float:
    return min(longest, first * factor ** max(0, min(times, 60)))


def _jittered(pause: timedelta, rng: random.Random) -> timedelta:
    return pause * (1 + rng.random() / 10)
