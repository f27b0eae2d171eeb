"""How a run is spread: when, after its beginning, each position of the audience has its turn."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import accumulate, pairwise

from campaigns.definition.schedule import RampStep


def offsets(total: int, over: timedelta, ramp: Sequence[RampStep] = ()) -> Callable[[int], timedelta]:
    """Return a function from a position, 0 to `total` - 1, to the time after the beginning at which its text is due.

    The steps of `ramp` come first, then the rest of the audience evenly in the rest of `over`. Shares are exact: after
    steps of 10 % and 20 %, 30 % have had their turn, rounded down to a whole person. Within a step, the n-th of m is
    due at n/m of it, so that never more than one text is ahead of an even flow. The campaign file ensures that the
    shares are 100 or less and the times within `over`.
    """
    rest = 100 - sum(step.share for step in ramp), over - sum((step.over for step in ramp), timedelta())
    steps = [*((step.share, step.over) for step in ramp), rest]
    reached = [0, *(total * share // 100 for share in accumulate(share for share, _ in steps))]
    begins = [timedelta(), *accumulate((length for _, length in steps))]
    sizes = [after - before for before, after in pairwise(reached)]

    def offset(position: int) -> timedelta:
        step = bisect_right(reached, position) - 1
        return begins[step] + steps[step][1] * (position - reached[step]) // sizes[step]

    return offset
