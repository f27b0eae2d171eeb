"""The moments of a campaign that repeats that passed while nothing was running."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from campaigns.definition.schedule import Otherwise, Schedule
from campaigns.timing.recurrence import recurrence_of


@dataclass(frozen=True, slots=True)
class Missed:
    """How many moments get no run, and the last of them."""

    count: int
    last: datetime


def missed_moments(schedule: Schedule, first: datetime, now: datetime, *, apart: timedelta) -> Missed | None:
    """Return the moments from `first` up to now that are too late to send; None if there are none.

    With `if_late`, they are those later than it allows; the last of them is still planned if people are to be held.
    Without it, only the newest moment is made up for: nobody wants ten texts after ten days. `apart`: how much later a
    moment comes in some people's zones.
    """
    recurrence, late = recurrence_of(schedule), schedule.if_late
    if recurrence is None or first > now:
        return None
    until = now if late is None else now - late.within - apart
    keeps_last = late is None or late.otherwise is Otherwise.HOLD
    passed = (at for at in chain([first], recurrence.between(first, now)) if late is None or at < until)
    count, last = 0, None
    for at in _but_last(passed) if keeps_last else passed:
        count, last = count + 1, at
    return None if last is None else Missed(count, last)


def _but_last(moments: Iterator[datetime]) -> Iterator[datetime]:
    before = next(moments, None)
    for moment in moments:
        if before is not None:
            yield before
        before = moment
