"""Receipts from a gateway that shows all times in every window: all that it has is read once for many groups.

Such windows cannot be divided, and its groups cost a read each. A walk reads every status whole and keeps of it only
what is sought; the rest is passed over as it comes, so memory is bounded by what is sought. Nothing is concluded from
what a walk does not show.
"""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from scheduler.receipts.storing import store_receipts
from scheduler.ticks.windows import may_divide
from worker.gateway import GatewayError, MessageStatus, ReplyTooLong
from worker.gateway.results import Message
from worker.runtime import Runtime
from worker.store import receipts
from worker.store.receipts import Group

PASSED_PER_READ: Final = 1_000
"""To pass over so many messages costs about as much as one more read, to both sides: 10 us each (measured)."""

GATHER: Final = timedelta(seconds=30)
"""For how long groups that are due wait for more of them, and no longer than the setting's longest pause."""

REST: Final = timedelta(hours=1)
"""For how long nothing is walked through after there was too much."""

_NEXT: Final = "walk"


def worth_a_walk(runtime: Runtime, due: Sequence[Group]) -> list[Group] | None:
    """The due groups to walk for; empty: to read them one by one costs less; None: more of them are waited for."""
    now, walks = runtime.clock.elapsed_seconds(), runtime.walks
    if may_divide(runtime) or now < runtime.next_looks.get(_NEXT, -math.inf):
        return []
    messages, sought = 0, []
    for group in due:
        messages += group.messages
        if messages > runtime.gateway.max_messages:
            break
        sought.append(group)
    if walks.gathering_since is None:
        walks.gathering_since = now
    patience = min(GATHER.total_seconds(), runtime.settings.max_poll_seconds)
    if len(sought) == len(due) and now - walks.gathering_since < patience:
        return None
    costs = 3 + walks.shown / PASSED_PER_READ
    return sought if len(sought) > costs else []


def walk(
    runtime: Runtime,
    sought: Sequence[Group],
    statuses: Sequence[MessageStatus],
    dated: tuple[datetime, datetime],
    reads: Counter[int],
) -> int:
    """Read everything of these statuses, one after the other; how many moved. Counts its reads.

    `dated`: the times that are asked for, of whoever heeds them and has too much in a single second.
    """
    with runtime.store.read() as session:
        ids = set(receipts.open_ids(session, *(group.id for group in sought)))
    shown = moved = 0

    def is_sought(message: Message) -> bool:
        nonlocal shown
        shown += 1
        return message.id in ids

    payer = min(group.run_id for group in sought)  # one run's books have what is read for several
    runtime.walks.gathering_since = None
    for status in statuses:
        reads[payer] += 1
        try:
            moved += store_receipts(runtime, runtime.gateway.read_status(status, *dated, keep=is_sought))
        except ReplyTooLong:
            runtime.next_looks[_NEXT] = runtime.clock.elapsed_seconds() + REST.total_seconds()
            return moved
        except GatewayError:  # groups tell whether it fails at everything
            continue
    runtime.walks.shown = shown
    return moved
