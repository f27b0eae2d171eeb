"""The figures of the report page, counted in one pass over the recipients."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from campaigns.lifecycle import RecipientState
from scheduler.report.meanings import MEANINGS
from worker.store.engine import Store
from worker.store.reports.exports import Exported, export_pages
from worker.store.runs.runs import RunView

P = RecipientState

MOST_LISTED: Final = 500
"""How many people are listed one by one; the others are in the CSV export."""

TO_EXPLAIN: Final = frozenset(
    state.value for state in (P.FAILED, P.EXPIRED, P.HELD, P.CANCELLED, P.SKIPPED, P.INVALID, P.CAPPED)
)
"""Recipients in these states are listed with the reason."""

GOOD: Final = frozenset({P.DELIVERED.value, P.SENT.value})
BAD: Final = frozenset({P.FAILED.value, P.EXPIRED.value, P.HELD.value})

_ROW: Final = re.compile(r"^row \d+ of [^:]*: ")
"""The place of the row in a reason: the same mistake in many rows is one reason."""

STAGES: Final = (("accepted_at", "handed over"), ("sent_at", "sent by a phone"), ("delivered_at", "delivered"))
"""The stages on the timeline, and their names."""


@dataclass(slots=True)
class PageFigures:
    """The figures of the page, counted in one pass over the recipients."""

    people: int = 0
    segments: int = 0
    replies: int = 0
    opt_outs: int = 0
    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    devices: Counter[tuple[str, bool]] = field(default_factory=Counter)
    tens: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name, _ in STAGES})
    listed: list[Exported] = field(default_factory=list)
    to_explain: int = 0

    def add(self, row: Exported) -> None:
        self.people += 1
        self.states[row.state] += 1
        self.replies += row.replied_at is not None
        self.opt_outs += row.opted_out_at is not None
        if row.gateway_id is not None:
            self.segments += row.segments
        if row.device is not None:
            name = str(row.device) if row.sim is None else f"{row.device}|{row.sim}"
            self.devices[name, row.state in BAD] += 1
        # Failed texts have a date of sending, too.
        sent_at = row.sent_at if row.state in GOOD else None
        for name, at in (("accepted_at", row.accepted_at), ("sent_at", sent_at), ("delivered_at", row.delivered_at)):
            if at is not None:
                self.tens[name][at[:18]] += 1  # tens of seconds
        if row.state in TO_EXPLAIN:
            self.to_explain += 1
            self.reasons[_ROW.sub("", row.reason) or MEANINGS[P(row.state)]] += 1
            if len(self.listed) < MOST_LISTED:
                self.listed.append(row)


def count_figures(store: Store, runs: Sequence[RunView], *, with_resends: bool) -> PageFigures:
    """Return the figures of a campaign's runs; `with_resends` as in `worker.store.reports.exports.export_pages`."""
    figures = PageFigures()
    with store.read() as session:
        for run in runs:
            for page in export_pages(session, run.id, with_resends=with_resends):
                for row in page:
                    figures.add(row)
    return figures
