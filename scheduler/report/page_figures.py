"""The figures of the report page, counted in one pass over the recipients."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final

from campaigns.display import phone_words
from campaigns.following.course import STEPS, Course
from campaigns.lifecycle import RecipientState
from scheduler.report.course import STAGE_WORDS
from scheduler.report.meanings import MEANINGS
from worker.store.engine import Store
from worker.store.people.run_answers import count_answering
from worker.store.reports.counts import books
from worker.store.reports.exports import Exported, export_pages
from worker.store.runs.resends import resends_of
from worker.store.runs.runs import RunView

P = RecipientState

MOST_LISTED: Final = 500
"""How many people are listed one by one; the others are in the CSV export."""

TO_EXPLAIN: Final = frozenset(
    state.value for state in (P.FAILED, P.EXPIRED, P.HELD, P.CANCELLED, P.SKIPPED, P.INVALID, P.CAPPED)
)
"""Recipients in these states are listed with the reason."""

BAD: Final = frozenset({P.FAILED.value, P.EXPIRED.value, P.HELD.value})

_ROW: Final = re.compile(r"^row \d+ of [^:]*: ")
"""The place of the row in a reason: the same mistake in many rows is one reason."""

MOST_REASONS: Final = 20


@dataclass(slots=True)
class PageFigures:
    """The figures of the page. `course`: how many people had reached each stage over time.

    `replies`: people who answered with words of their own. `opt_outs`: those who were sent to, and opted out since.
    `cost` and `unpriced` as in `worker.store.reports.counts.Books`.
    """

    people: int = 0
    segments: int = 0
    replies: int = 0
    opt_outs: int = 0
    cost: int = 0
    unpriced: int = 0
    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    devices: Counter[tuple[int, int | None, bool]] = field(default_factory=Counter)
    course: Course = field(default_factory=lambda: Course(len(STAGE_WORDS), STEPS[0]))
    listed: list[Exported] = field(default_factory=list)
    to_explain: int = 0

    def add(self, row: Exported) -> None:
        self.people += 1
        self.states[row.state] += 1
        self.opt_outs += _is_later(row.opted_out_at, row.accepted_at)
        if row.gateway_id is not None:
            self.segments += row.segments
        if row.device is not None:
            self.devices[row.device, row.sim, row.state in BAD] += 1
        for stage, at in zip(_STAGES, (row.accepted_at, row.sent_at, row.delivered_at), strict=True):
            if at is not None:
                self.course.add(_seconds(at), *stage)
        if row.state in TO_EXPLAIN:
            self.to_explain += 1
            self.reasons[_ROW.sub("", row.reason) or MEANINGS[P(row.state)]] += 1
            if len(self.listed) < MOST_LISTED:
                self.listed.append(row)

    @property
    def by_state(self) -> Mapping[RecipientState, int]:
        """Return how many people are in each state that anybody is in."""
        return {state: self.states[state.value] for state in RecipientState if self.states[state.value]}

    @property
    def audience(self) -> int:
        """Return how many people there are."""
        return self.people

    @property
    def sent(self) -> int:
        """Return how many texts a phone sent."""
        return self.states[P.SENT.value] + self.states[P.DELIVERED.value]

    @property
    def phones(self) -> list[tuple[str, int, int]]:
        """Return each phone with how many people it was for, and how many of these were not reached."""
        found = sorted({key[:2] for key in self.devices}, key=lambda phone: (phone[0], phone[1] or 0))
        return [
            (phone_words(*phone), sum(self.devices[*phone, bad] for bad in (False, True)), self.devices[*phone, True])
            for phone in found
        ]


def _is_later(at: str | None, than: str | None) -> bool:
    """Return whether both are known, and the first is not before the second."""
    return at is not None and than is not None and _seconds(at) >= _seconds(than)


_STAGES: Final = ((1, 0, 0), (0, 1, 0), (0, 0, 1))


@lru_cache(maxsize=1_024)  # all people of a request share one moment, and the gateway's dates are whole seconds
def _seconds(stored: str) -> float:
    return datetime.fromisoformat(stored).timestamp()


def count_figures(store: Store, runs: Sequence[RunView], *, with_resends: bool) -> PageFigures:
    """Return the figures of a campaign's runs; `with_resends` as in `worker.store.reports.exports.export_pages`."""
    figures = PageFigures()
    with store.read() as session:
        for run in runs:
            run_ids = [run.id, *(resends_of(session, run.id) if with_resends else [])]
            figures.replies += count_answering(session, run_ids)
            of_runs = books(session, *run_ids)
            figures.cost += of_runs.cost
            figures.unpriced += of_runs.unpriced
            for page in export_pages(session, run.id, with_resends=with_resends):
                for row in page:
                    figures.add(row)
    return figures
