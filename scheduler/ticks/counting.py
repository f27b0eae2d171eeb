"""Counts the recipients of runs by state, over and over, and notices books that do not add up."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from scheduler.ticks.every import Every
from worker import metrics
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.reports import facts
from worker.store.reports.facts import Begun, StateCounts

LOOK_SECONDS: Final = 5.0
"""How old a count is at least; what takes longer to count is older."""

SHARE: Final = 50
"""Counting takes at most a fiftieth of the time: a million recipients take 0.7 s of the processor on SQLite (measured
with 200,000), and are counted every 35 s; a campaign of 10,000 every five seconds."""

SPENT_AT_ONCE_SECONDS: Final = LOOK_SECONDS / SHARE


@dataclass(slots=True)
class _Look:
    """The last count of a run, and when it is counted again."""

    counts: StateCounts | None = None
    wrong: int = 0
    again: Every = field(default_factory=lambda: Every(LOOK_SECONDS))


@dataclass(slots=True)
class RunCounts:
    """What was counted last. Metrics and alerts share it; whichever of them comes first counts."""

    looks: dict[int, _Look] = field(default_factory=dict)
    counting: Every = field(default_factory=Every)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, runtime: Runtime, begun: Sequence[Begun]) -> dict[int, StateCounts]:
        """Count the runs that were not counted for longest, as far as the share of the time allows; return all counts.

        Only the last campaigns to begin are counted, as many as have metrics.
        """
        shown = set(list(dict.fromkeys(run.campaign for run in begun))[: metrics.MOST_CAMPAIGNS])
        mine = {run.id: run for run in begun if run.campaign in shown}
        with self.lock:
            self.looks = {id_: self.looks.get(id_, _Look()) for id_ in mine}
            began = runtime.clock.elapsed_seconds()
            spent = 0.0
            for id_, look in sorted(self.looks.items(), key=lambda each: each[1].again.next_seconds):
                at = began + spent
                if spent >= SPENT_AT_ONCE_SECONDS or not self.counting.is_due(began) or not look.again.is_due(at):
                    break
                with runtime.store.read() as session:
                    look.counts = facts.count_states(session, id_)
                look.wrong = _wrong(mine[id_], look.counts)
                spent = runtime.clock.elapsed_seconds() - began
                look.again.rest(began + spent)
            if spent:
                self.counting.rest(began, SHARE * spent)
            return {id_: look.counts for id_, look in self.looks.items() if look.counts is not None}

    def wrong(self) -> dict[int, int]:
        """Return by run how many people nobody will decide about, or are missing, as it was counted last."""
        with self.lock:
            return {id_: look.wrong for id_, look in self.looks.items() if look.wrong}

    def is_complete(self) -> bool:
        """Return whether each run was counted once."""
        with self.lock:
            return all(look.counts is not None for look in self.looks.values())


def _wrong(run: Begun, counts: StateCounts) -> int:
    """Count a run whose books do not add up, at each look: somebody would get nothing, or is missing."""
    missing = max(0, run.planned - sum(counts.by_state.values()))
    if counts.stray or missing:
        metrics.count(metrics.VIOLATIONS)
        get_logger().error("ledger.does_not_add_up", run=run.id, stray=counts.stray, missing=missing)
    return counts.stray + missing
