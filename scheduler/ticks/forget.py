"""Forgetting what was told, and what phones did, long ago: a service that runs for years must not grow by it."""

from datetime import datetime, timedelta
from typing import Final

from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store import forgetting
from worker.store.events import EventName

EVERY: Final = timedelta(hours=1)
"""How often it is looked for what is old. It is found by reading the whole table."""

PARTS: Final = 20
"""So many transactions of a look at most; the rest an hour later."""

PASSING: Final = frozenset(
    {EventName.DEVICE_SLOWED, EventName.DEVICE_STUCK, EventName.DEVICE_MOVES, EventName.NOTICE_GIVEN_UP}
)
"""Events that only who reads the database asks for. The others are the story of a campaign or of a person."""

_NEXT: Final = "forget"


def forget(runtime: Runtime, now: datetime) -> dict[str, int]:
    """Delete what is older than `notice_days`, a part of it per transaction. Only a service does."""
    at = runtime.clock.elapsed_seconds()
    if runtime.only_runs is not None or at < runtime.next_looks.get(_NEXT, at):
        return {"forgotten": 0}
    runtime.next_looks[_NEXT] = at + EVERY.total_seconds()
    before = now - timedelta(days=runtime.settings.notice_days)
    forgotten = 0
    for _ in range(PARTS):
        with runtime.store.read() as session:
            notices = forgetting.old_notices(session, before)
            events = forgetting.old_events(session, PASSING, before)
        if not notices and not events:
            break
        with runtime.store.write("forget") as session:
            forgotten += forgetting.forget(session, notices=notices, events=events)
    if forgotten:
        get_logger().info("notices.forgotten", rows=forgotten)
    return {"forgotten": forgotten}
