"""The arithmetic of one budget, in integer microseconds. `reserve.lua` is the same."""

from dataclasses import dataclass
from typing import Final

from worker.throttle.levels import Budget, to_microseconds

# How soon to ask again when a period has ended on this clock but not yet on the asker's, or while another thread reads
# the ledger.
AGAIN_US: Final = 50_000


@dataclass(slots=True)
class Spending:
    """What the period of a budget has granted so far; since `known_since_us`, each grant counts when it is made."""

    segments: int
    known_since_us: int

    def is_spent(self, cost_segments: int, budget: Budget, now_us: int) -> bool:
        """Return whether there is no room before the period ends. A finished period says nothing of the next one."""
        is_over = now_us >= to_microseconds(budget.ends_at)
        return not is_over and self.segments + cost_segments > budget.limit_segments

    def ready_us(self, cost_segments: int, budget: Budget, now_us: int) -> int:
        """Return the earliest moment from `now_us` on at which it is worth asking for `cost_segments`."""
        starts_us, ends_us = to_microseconds(budget.starts_at), to_microseconds(budget.ends_at)
        if now_us >= ends_us:
            return now_us + AGAIN_US
        return ends_us if self.is_spent(cost_segments, budget, now_us) else max(now_us, starts_us)
