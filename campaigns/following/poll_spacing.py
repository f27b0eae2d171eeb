"""When receipts are read, and in which of three ways that takes the fewest reads and shows the least else.

A group of messages costs a read. A window of time costs a read for each status, and shows everything else that was sent
then. A walk reads every status whole, for a gateway that shows all times in every window. What a read costs beside a
message that it shows was measured.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Final

MESSAGES_PER_READ: Final = 100
"""To bring and store so many messages costs about as much as one more read: 5 ms beside 50 us each (measured)."""

PASSED_PER_READ: Final = 1_000
"""To pass over so many messages costs about as much as one more read, to both sides: 10 us each (measured)."""

STATUSES: Final = 3
"""How many statuses are read by time: those in which a message has left."""

GATHER: Final = timedelta(seconds=30)
"""For how long groups that are due wait for more of them before a walk, and no longer than the longest pause."""

PAUSE_SHARE: Final = 0.1
"""Of the first pause before a poll: as long nothing is read once all that was due has been, or as long as that took.

While a campaign is sent some groups are due at every tick: together they cost fewer reads than one after the other.
"""

STRAGGLERS_PER_GROUP: Final = 10
"""How many messages that left their group are looked up by id at each poll of it."""

DATE_MARGIN: Final = timedelta(minutes=1)
"""How much further back than the dates that were seen."""

DATES_TO_TRUST: Final = 50
"""So many dates have to be seen first."""


def is_sweep_cheaper(*, windows: int, shown: int, groups: int, wanted: int) -> bool:
    """Whether to read by status costs less than group by group.

    `windows` in which the groups' messages were sent, which show `shown` messages in all; of the rarest status all of
    them are one window. The groups have `wanted` messages.
    """
    by_status = windows * (STATUSES - 1) + 1
    return by_status + shown / MESSAGES_PER_READ < groups + wanted / MESSAGES_PER_READ


def is_walk_cheaper(*, groups: int, shown: int) -> bool:
    """Whether to walk through all that a gateway has costs less than group by group. The last walk showed `shown`."""
    return groups > STATUSES + shown / PASSED_PER_READ


def patience_seconds(longest_poll_seconds: float) -> float:
    """For how long groups that are due wait for others before a walk."""
    return min(GATHER.total_seconds(), longest_poll_seconds)


def rest_once_read(took_seconds: float, *, first_poll_seconds: float) -> float:
    """For how many seconds nothing is read once everything that was due has been."""
    return max(took_seconds, PAUSE_SHARE * first_poll_seconds)


def margin_before(dates_after: Collection[timedelta], *, ahead: timedelta, widest: timedelta) -> timedelta:
    """How long before we knew of a message the gateway may have dated it, by a clock that is `ahead` of ours.

    `dates_after`: how much later than we knew of them messages were dated. `widest`: while too few of them were seen.
    """
    if len(dates_after) < DATES_TO_TRUST:
        return widest
    return min(widest, max(timedelta(0), ahead - min(dates_after)) + DATE_MARGIN)


def stragglers(missing: Collection[int], *, polls: int) -> Sequence[int]:
    """Whom of those that are not in their group to look up by id at the poll after `polls` others.

    A poll begins where the one before it ended, or some that never end would keep the others from being read.
    """
    in_order = sorted(missing)
    first = polls * STRAGGLERS_PER_GROUP % max(1, len(in_order))
    return (in_order[first:] + in_order[:first])[:STRAGGLERS_PER_GROUP]
