"""Live progress of `campaigns run` on a terminal: who has the text, how fast, how long it will take."""

from collections import deque
from collections.abc import Sequence
from datetime import timedelta
from time import monotonic
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from campaigns.lifecycle import NEVER_SENT, NOT_AT_THE_GATEWAY, RecipientState, RunState
from scheduler.cli.rendering.output import shown
from scheduler.processes.progress import Progress

RATE_OVER_SECONDS: Final = 10.0
"""The rate shown is the mean over this long: a shorter mean jumps, a longer one lags."""


class LiveProgress:
    """Draws the progress it is shown; draws nothing if there is no terminal."""

    def __init__(self, console: Console, *, enabled: bool) -> None:
        self._live = Live(console=console, refresh_per_second=5, transient=True) if enabled else None
        self._handed_over: dict[int, deque[tuple[float, int]]] = {}

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, progress: Sequence[Progress]) -> None:
        """Draw this progress."""
        if self._live is not None:
            self._live.update(self._table(progress))

    def _table(self, progress: Sequence[Progress]) -> Table:
        table = Table(box=None, pad_edge=False)
        for heading in ("campaign", "", "handed over", "delivered", "failed", "rate", "left", "now"):
            table.add_column(heading, justify="left" if heading in {"campaign", "", "now"} else "right")
        for p in progress:
            table.add_row(*self._row(p))
        return table

    def _row(self, p: Progress) -> list[Text | ProgressBar | str]:
        counts = p.books.by_state
        sendable = sum(n for state, n in counts.items() if state not in NEVER_SENT)
        unsent = sum(counts.get(state, 0) for state in NOT_AT_THE_GATEWAY)
        rate = self._rate(p.run.id, sendable - unsent)
        left = str(timedelta(seconds=round(unsent / rate))) if rate and unsent else ""
        return [
            p.run.campaign,
            ProgressBar(total=max(1, sendable), completed=sendable - unsent, width=24),
            f"{sendable - unsent:,}/{sendable:,}",
            f"{counts.get(RecipientState.DELIVERED, 0):,}",
            f"{counts.get(RecipientState.FAILED, 0):,}",
            f"{rate:,.1f}/s" if rate else "",
            left,
            Text(shown(_now(p)), style="yellow" if p.account_reason or p.run.state is RunState.PAUSED else ""),
        ]

    def _rate(self, run_id: int, handed_over: int) -> float:
        now = monotonic()
        seen = self._handed_over.setdefault(run_id, deque())
        seen.append((now, handed_over))
        while now - seen[0][0] > RATE_OVER_SECONDS:
            seen.popleft()
        (then, before) = seen[0]
        return (handed_over - before) / (now - then) if now > then else 0.0


def _now(p: Progress) -> str:
    if p.account_reason:
        return p.account_reason
    if p.run.state is RunState.SETTLING:
        return "waiting for receipts" if p.run.followed_at is None else "waiting for its steps"
    if p.run.state is RunState.SCHEDULED:
        return p.run.reason or f"starts {p.run.starts_at:%Y-%m-%d %H:%M} UTC"
    return p.run.state.value + (f": {p.run.reason}" if p.run.reason else "")
