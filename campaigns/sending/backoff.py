"""How long to wait before retrying what failed, returned nothing or took long. Each case has its own pause."""

import random
from datetime import timedelta
from typing import Final

ROUNDS: Final = (1, 5, 15)
"""After a throttled request or a proven miss: fifths of `settle` to wait the first, the second and every later time.

That is 1, 5 and 15 minutes with the usual `settle` of 5 minutes. Tests that shorten `settle` shorten these, too.
"""

REST_SECONDS: Final = 0.25
LONGEST_REST_SECONDS: Final = 5.0
"""After a failed tick, job or look: twice as long each time."""

UNREAD_SECONDS: Final = 5.0
LONGEST_UNREAD_SECONDS: Final = 60.0
"""After receipts could not be read: twice as long each time, because a gateway that is away needs no reads."""

UNSUBSCRIBE: Final = timedelta(seconds=5)
LONGEST_UNSUBSCRIBE: Final = timedelta(minutes=10)
"""After a person could not be removed from a contact list: twice as long each time."""

PROBE: Final = timedelta(minutes=1)
LONGEST_PROBE: Final = timedelta(minutes=5)
"""Between two checks whether a paused account works again: half as long again each time."""

NOTICE: Final = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 120, 600, 1800, 3600))
"""Between two tries to deliver a notification. The last pause repeats."""

MOST_BELIEVED_SECONDS: Final = 10.0
"""A look that seems to have taken longer slept with its machine: it must not rest for hours."""

LEAST_SHARE: Final = 10
"""A look that once took 4 s on a busy machine does not justify a wait of 80 s: the pause is the longest one, or 10
times as long as the look, where looking always takes that long."""


def backoff_after(attempt: int, rng: random.Random, *, settle: timedelta) -> timedelta:
    """Return the pause before the next attempt. `attempt` counts from 1. Jitter of up to a tenth."""
    return _jittered(settle * ROUNDS[min(attempt, len(ROUNDS)) - 1] / 5, rng)


def reconnect_after(failures: int, rng: random.Random) -> timedelta:
    """Return the pause after `failures` failed connections in a row (nothing was sent): 0.5 s, doubling to 60 s."""
    return _jittered(timedelta(seconds=_growing(0.5, 2.0, failures - 1, longest=60.0)), rng)


def rest_after(failures: int) -> float:
    """Return for how many seconds a source of work rests after `failures` in a row, from 1."""
    return _growing(REST_SECONDS, 2.0, failures - 1, longest=LONGEST_REST_SECONDS)


def unread_after(failures: int) -> float:
    """Return for how many seconds no receipts are read after `failures` ticks in a row that could read none, from 1."""
    return _growing(UNREAD_SECONDS, 2.0, failures - 1, longest=LONGEST_UNREAD_SECONDS)


def unsubscribe_after(tries: int) -> timedelta:
    """Return the pause after an unsubscription failed. `tries` were made before, from 0."""
    seconds = _growing(UNSUBSCRIBE.total_seconds(), 2.0, tries, longest=LONGEST_UNSUBSCRIBE.total_seconds())
    return timedelta(seconds=seconds)


def probe_after(probes: int) -> timedelta:
    """Return the pause before a paused account is checked again. `probes` were made before, from 0."""
    return timedelta(seconds=_growing(PROBE.total_seconds(), 1.5, probes, longest=LONGEST_PROBE.total_seconds()))


def notice_after(tries: int, rng: random.Random) -> timedelta:
    """Return the pause after a notification was refused. `tries` were made before, from 0. Jitter of up to a tenth."""
    return _jittered(NOTICE[min(tries, len(NOTICE) - 1)], rng)


def poll_after(polls: int, *, first_seconds: float, longest_seconds: float) -> timedelta:
    """Return the pause before the next poll for receipts: half as long again each time. `polls` counts them from 0."""
    return timedelta(seconds=_growing(first_seconds, 1.5, polls, longest=longest_seconds))


def blind_look_after(usual: timedelta, looks: int, *, settle: timedelta) -> timedelta:
    """Return the pause before a request in doubt is looked up again, at a gateway that cannot be read and may be away.

    `usual` is the pause at a readable gateway. `looks` failed beyond those that are made anyway. At most `settle`.
    """
    seconds = _growing(usual.total_seconds(), 1.5, looks, longest=settle.total_seconds())
    return timedelta(seconds=seconds)


def pause_after(took_seconds: float, *, share: float, longest: float, shortest: float = 0) -> float:
    """Return the seconds until the next look: `share` times `took_seconds`, between `shortest` and `longest`.

    `longest` is raised if it is less than `LEAST_SHARE` times `took_seconds`.
    """
    took_seconds = min(took_seconds, MOST_BELIEVED_SECONDS)
    return max(shortest, min(share * took_seconds, max(longest, LEAST_SHARE * took_seconds)))


def _growing(first: float, factor: float, times: int, *, longest: float) -> float:
    return min(longest, first * factor ** max(0, min(times, 60)))


def _jittered(pause: timedelta, rng: random.Random) -> timedelta:
    return pause * (1 + rng.random() / 10)
