"""Many runs that begin at one moment: what is urgent then, and what can wait."""

import math
from collections.abc import Collection, Mapping
from typing import Final

MANY: Final = 10
REST_SECONDS: Final = 2.0
"""How long the ticks that can wait do so after a moment at which this many runs start: with 100 runs, status texts,
notices and replies took half of the scheduler's processor time just when the first requests needed it. Replies are read
all the same: one of them may be STOP."""


class Rush:
    """The runs of a process that begin now. The tick that starts runs writes it; the other ticks' threads read it.

    All times are seconds of the monotonic clock.
    """

    def __init__(self) -> None:
        self._moments: Mapping[int, float] = {}  # run id -> its moment; replaced as a whole, as it has many readers
        self.over_seconds = -math.inf

    def begin(self, run_ids: Collection[int], *, at: float, moment: float) -> None:
        """Note that these runs were started at `at`, for `moment`."""
        if not run_ids:
            return
        still = {run_id: until for run_id, until in self._moments.items() if until > at}
        self._moments = still | dict.fromkeys(run_ids, moment)
        if len(run_ids) >= MANY:
            self.over_seconds = moment + REST_SECONDS

    def beginning(self, at: float) -> frozenset[int]:
        """Return the runs whose moment is still to come: their first requests are queued ahead of time."""
        return frozenset(run_id for run_id, until in self._moments.items() if until > at)

    def is_on(self, at: float) -> bool:
        """Return whether so many runs begin now that other work should wait."""
        return at < self.over_seconds
