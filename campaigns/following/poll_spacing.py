"""When receipts are read, and which of three ways takes the fewest reads and returns the fewest other messages.

A group of messages costs one read. A window of time costs a read for each status, and also returns everything else that
was sent then. A walk reads every status completely, for a gateway that shows all times in every window. The costs of a
read and of a returned message were measured.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

MESSAGES_PER_READ: Final = 300
"""Fetching and storing this many messages costs about as much as one more read: 60 us each against 10 ms on a busy
machine (measured), and more over a network.

At 100, one campaign cost 87 reads or 573, by how fast it was: 486 groups seemed cheaper than 41 reads by status.
"""

PASSED_PER_READ: Final = 1_000
"""Skipping this many messages costs both sides about as much as one more read: 10 us each (measured)."""

STATUSES: Final = 3
"""How many statuses are read by time: those of messages that have left."""

GATHER: Final = timedelta(seconds=30)
"""How long due groups wait for more of them before a walk, but no longer than the longest pause."""

PAUSE_SHARE: Final = 0.1
"""After all due groups have been read, nothing is read for this share of the first pause before a poll, or for as long
as the reading took, if that is longer.

While a campaign is sent, some groups are due at every tick: together they cost fewer reads than one after the other.
"""

STRAGGLERS_PER_GROUP: Final = 10
"""How many messages that left their group are looked up by id at each poll of the group."""

MARGINS: Final = (timedelta(seconds=2), timedelta(seconds=10), timedelta(minutes=1))
"""How much further to look than the dates that were seen, by how often the group was polled, and from then on.

A minute made every read of a fast campaign return all that it had sent: 100,000 messages to find 48,000. A group that
has not ended after two polls may be dated unlike the others.
"""

DATES_TO_TRUST: Final = 50
"""How many dates have to be seen first."""

POLLS_TO_DOUBT: Final = 3
"""From this poll on, a group's messages are looked for up to now: the gateway may have dated them unlike all others."""


def is_sweep_cheaper(*, windows: int, shown: int, groups: int, wanted: int) -> bool:
    """Return whether reading by status costs less than group by group.

    The groups' messages were sent in `windows`, which return `shown` messages in all; for the rarest status they count
    as one window. The groups have `wanted` messages.
    """
    by_status = windows * (STATUSES - 1) + 1
    return by_status + shown / MESSAGES_PER_READ < groups + wanted / MESSAGES_PER_READ


def is_walk_cheaper(*, groups: int, shown: int) -> bool:
    """Return whether walking through all messages costs less than group by group. The last walk returned `shown`."""
    return groups > STATUSES + shown / PASSED_PER_READ


def patience_seconds(longest_poll_seconds: float) -> float:
    """Return how long due groups wait for others before a walk."""
    return min(GATHER.total_seconds(), longest_poll_seconds)


def rest_once_read(took_seconds: float, *, first_poll_seconds: float) -> float:
    """Return for how many seconds nothing is read after everything due has been read."""
    return max(took_seconds, PAUSE_SHARE * first_poll_seconds)


def _margin(polls: int) -> timedelta:
    return MARGINS[min(polls, len(MARGINS) - 1)]


def margin_before(dates_after: Collection[timedelta], *, ahead: timedelta, widest: timedelta, polls: int) -> timedelta:
    """Return how long before our own record of a message the gateway may have dated it, with its clock `ahead` of ours.

    `dates_after`: how much later than our records messages were dated. `widest` is the result until enough were seen.
    `polls`: how often the message's group was polled.
    """
    if len(dates_after) < DATES_TO_TRUST:
        return widest
    return min(widest, max(timedelta(0), ahead - min(dates_after)) + _margin(polls))


def margin_after(dates_after: Collection[timedelta], *, ahead: timedelta, polls: int) -> timedelta | None:
    """Return how long after our own record of a message the gateway may have dated it; None: up to now.

    The other side of `margin_before`. A gateway that dates messages when a phone sends them does so late.
    """
    if len(dates_after) < DATES_TO_TRUST or polls >= POLLS_TO_DOUBT:
        return None
    return max(ahead, *dates_after) + _margin(polls)


def windows_to_read(
    parts: Sequence[tuple[datetime, int]], spans: Iterable[tuple[datetime, datetime]], *, start: datetime, end: datetime
) -> list[tuple[datetime, datetime, int]]:
    """Return (start, end, messages) of the windows that together hold all of `spans`, and of no others.

    `parts` divide the time from `start` to `end`: each has its last moment, and how many messages it has. `spans` are
    the times at which messages that are still open may be dated. Neighbours share their edge.
    """
    windows: list[tuple[datetime, datetime, int]] = []
    first, waiting = start, 0
    for place, (last, messages) in enumerate(parts, start=1):
        waiting += messages
        edge = end if place == len(parts) else min(last, end)
        if edge > first:
            windows.append((first, edge, waiting))
            first, waiting = edge, 0
    if first < end:
        windows.append((first, end, waiting))
    wanted: list[tuple[datetime, datetime]] = []
    for begins, ends in sorted(spans):
        if wanted and begins <= wanted[-1][1]:
            wanted[-1] = wanted[-1][0], max(ends, wanted[-1][1])
        else:
            wanted.append((begins, ends))
    return [w for w in windows if any(begins <= w[1] and w[0] <= ends for begins, ends in wanted)]


def stragglers(missing: Collection[int], *, polls: int) -> Sequence[int]:
    """Return which messages missing from their group to look up by id at the poll after `polls` others.

    A poll begins where the one before it ended. Otherwise messages that never reach an end would block the others.
    """
    in_order = sorted(missing)
    first = polls * STRAGGLERS_PER_GROUP % max(1, len(in_order))
    return (in_order[first:] + in_order[:first])[:STRAGGLERS_PER_GROUP]
