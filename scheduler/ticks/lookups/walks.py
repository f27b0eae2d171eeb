"""Receipts from a gateway that shows all times in every window: everything is read once for many groups.

Such windows cannot be divided, and each of its groups costs a read. A walk reads every status in full and keeps only
what is sought; everything else is discarded as it arrives, so memory is bounded by what is sought. Nothing is concluded
from what a walk does not show.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from campaigns.following.poll_spacing import is_walk_cheaper, patience_seconds
from scheduler.receipts.storing import store_receipts
from scheduler.ticks.every import Every
from worker.gateway import GatewayError, MessageStatus, ReplyTooLong
from worker.gateway.results import Message
from worker.runtime import Runtime
from worker.store.following import receipts
from worker.store.following.receipts import Group

REST: Final = timedelta(hours=1)
"""How long there are no walks after there was too much."""


@dataclass(slots=True)
class Walks:
    """Walks over all that a gateway has: how many messages the last one showed, and since when groups wait for one."""

    shown: int = 0
    gathering_since: float | None = None
    look: Every = field(default_factory=lambda: Every(REST.total_seconds()))

    def worth_one(self, runtime: Runtime, due: Sequence[Group]) -> list[Group] | None:
        """Return the due groups to walk for; empty if reading them one by one is cheaper; None to wait for more."""
        now = runtime.clock.elapsed_seconds()
        if not self.look.is_due(now):
            return []
        messages, sought = 0, []
        for group in due:
            messages += group.messages
            if messages > runtime.gateway.max_messages:
                break
            sought.append(group)
        if self.gathering_since is None:
            self.gathering_since = now
        is_patient = now - self.gathering_since < patience_seconds(runtime.settings.max_poll_seconds)
        if len(sought) == len(due) and is_patient:
            return None
        return sought if is_walk_cheaper(groups=len(sought), shown=self.shown) else []

    def walk(
        self,
        runtime: Runtime,
        sought: Sequence[Group],
        statuses: Sequence[MessageStatus],
        dated: tuple[datetime, datetime],
        reads: Counter[int],
    ) -> int:
        """Read everything of these statuses, one after the other; return how many advanced. Counts its reads.

        `dated`: the times to ask for, from a gateway that respects them but has too much in a single second.
        """
        with runtime.store.read() as session:
            ids = set(receipts.open_ids(session, *(group.id for group in sought)))
        shown = moved = 0

        def is_sought(message: Message) -> bool:
            nonlocal shown
            shown += 1
            return message.id in ids

        payer = min(group.run_id for group in sought)  # reads for several runs are counted for one of them
        self.gathering_since = None
        for status in statuses:
            reads[payer] += 1
            try:
                moved += store_receipts(runtime, runtime.gateway.read_status(status, *dated, keep=is_sought))
            except ReplyTooLong:
                self.look.rest(runtime.clock.elapsed_seconds())
                return moved
            except GatewayError:  # reading groups will show whether everything fails
                continue
        self.shown = shown
        return moved
