"""Counts the rows of runs, over and over, and notices books that do not add up and kept counts that are wrong."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlmodel import Session

from campaigns.lifecycle import RecipientState
from scheduler.ticks.every import Every
from worker import metrics
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.kept.counting import kept_and_rows
from worker.store.reports import facts
from worker.store.reports.counts import differing
from worker.store.reports.facts import Begun

LOOK_SECONDS: Final = 5.0
"""How old a count is at least; what takes longer to count is older."""

SHARE: Final = 50
"""Counting takes at most a fiftieth of the time: a million recipients take 1 s of the processor on SQLite, and are
counted every 50 s; a campaign of 10,000 every five seconds."""

SPENT_AT_ONCE_SECONDS: Final = LOOK_SECONDS / SHARE


@dataclass(slots=True)
class _Look:
    """What the last count of a run found wrong, None before the first, and when it is counted again."""

    wrong: int | None = None
    again: Every = field(default_factory=lambda: Every(LOOK_SECONDS))


@dataclass(slots=True)
class RunCounts:
    """The counts that check the kept ones. Metrics and alerts share it; whichever of them comes first counts."""

    looks: dict[int, _Look] = field(default_factory=dict)
    counting: Every = field(default_factory=Every)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, runtime: Runtime, begun: Sequence[Begun]) -> None:
        """Count the runs that were not counted for longest, as far as the share of the time allows."""
        mine = {run.id: run for run in shown(begun)}
        with self.lock:
            self.looks = {id_: self.looks.get(id_, _Look()) for id_ in mine}
            began = runtime.clock.elapsed_seconds()
            spent = 0.0
            for id_, look in sorted(self.looks.items(), key=lambda each: each[1].again.next_seconds):
                at = began + spent
                if spent >= SPENT_AT_ONCE_SECONDS or not self.counting.is_due(began) or not look.again.is_due(at):
                    break
                with runtime.store.read() as session:
                    look.wrong = _wrong(session, mine[id_])
                spent = runtime.clock.elapsed_seconds() - began
                look.again.rest(began + spent)
            if spent:
                self.counting.rest(began, SHARE * spent)

    def wrong(self) -> dict[int, int]:
        """Return by run how many people nobody will decide about, or are missing or miscounted, as counted last."""
        with self.lock:
            return {id_: look.wrong for id_, look in self.looks.items() if look.wrong}

    def is_complete(self) -> bool:
        """Return whether each run was counted once."""
        with self.lock:
            return all(look.wrong is not None for look in self.looks.values())


def shown(begun: Sequence[Begun]) -> list[Begun]:
    """Return the runs of the last campaigns to begin, as many as have metrics."""
    campaigns = set(list(dict.fromkeys(run.campaign for run in begun))[: metrics.MOST_CAMPAIGNS])
    return [run for run in begun if run.campaign in campaigns]


def _wrong(session: Session, run: Begun) -> int:
    """Count a run whose books do not add up, at each look: somebody would get nothing, is missing, or is miscounted."""
    kept, rows = kept_and_rows(session.connection(), run.id)
    there = sum(amount for (figure, _), (amount, _) in rows.items() if figure in set(RecipientState))
    missing = max(0, run.planned - there)
    miscounted = differing(kept, rows)
    stray = facts.strays(session, run.id)
    if stray or missing or miscounted:
        metrics.count(metrics.VIOLATIONS)
        get_logger().error(
            "ledger.does_not_add_up",
            run=run.id,
            stray=stray,
            missing=missing,
            miscounted=sorted({figure for figure, _ in miscounted}),
        )
    return stray + missing + sum(abs(is_kept[0] - found[0]) or 1 for is_kept, found in miscounted.values())
