"""Forgetting what was told, and what phones did, long ago: a service that runs for years must not grow by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from scheduler.ticks.every import RESTS, Every
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.events import EventName
from worker.store.notifications import retention

EVERY: Final = timedelta(hours=1)
"""How often it is looked for what is old. It is found by reading the whole table."""

PARTS: Final = 20
"""So many transactions of a look at most; the rest an hour later."""

PASSING: Final = frozenset(
    {EventName.DEVICE_SLOWED, EventName.DEVICE_STUCK, EventName.DEVICE_MOVES, EventName.NOTICE_GIVEN_UP}
)
"""Events that only who reads the database asks for. The others are the story of a campaign or of a person."""


@dataclass(slots=True)
class ForgetTick:
    """Deletes what is older than `notice_days`, a part of it per transaction. Only a service does."""

    look: Every = field(default_factory=lambda: Every(EVERY.total_seconds()))

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        if runtime.only_runs is not None:
            return {"forgotten": 0}
        at = runtime.clock.elapsed_seconds()
        if not self.look.is_due(at):
            return RESTS
        self.look.rest(at)
        before = now - timedelta(days=runtime.settings.notice_days)
        forgotten = 0
        for _ in range(PARTS):
            with runtime.store.read() as session:
                notices = retention.old_notices(session, before)
                events = retention.old_events(session, PASSING, before)
            if not notices and not events:
                break
            with runtime.store.write("forget") as session:
                forgotten += retention.forget(session, notice_ids=notices, event_ids=events)
        if forgotten:
            get_logger().info("notices.forgotten", rows=forgotten)
        return {"forgotten": forgotten}
