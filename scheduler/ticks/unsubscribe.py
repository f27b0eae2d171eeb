"""Takes people who opted out off the gateway's contact lists."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from campaigns.phone_numbers.masking import mask
from campaigns.sending.backoff import UNSUBSCRIBE, unsubscribe_after
from scheduler.ticks.every import RESTS, Every
from worker.gateway import GatewayError
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.people import unsubscriptions

CALLS_PER_TICK: Final = 50
"""The most calls per tick, each of some milliseconds: more would delay other ticks of the thread pool."""


@dataclass(slots=True)
class UnsubscribeTick:
    """Carries out what is due; failed calls are retried at intervals that double."""

    look: Every = field(default_factory=lambda: Every(UNSUBSCRIBE.total_seconds()))

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        at = runtime.clock.elapsed_seconds()
        if not self.look.is_due(at):
            return RESTS
        with runtime.store.read() as session:
            tasks = unsubscriptions.due(session, runtime.account_id, now, limit=CALLS_PER_TICK)
        done = 0
        for task in tasks:
            try:
                runtime.gateway.unsubscribe_contact(task.list_id, task.number)
            except GatewayError as error:
                get_logger().warning(
                    "contact.unsubscribe_failed", list=task.list_id, number=mask(task.number), problem=str(error)
                )
                next_try_at = runtime.clock.now() + unsubscribe_after(task.tries)
                with runtime.store.write("unsubscribe_failed") as session:
                    unsubscriptions.record_failed(session, task.id, str(error), next_try_at=next_try_at)
                # Whatever is wrong may also affect the others: they stay due, and are not tried at once.
                self.look.rest(at)
                break
            done += 1
            with runtime.store.write("unsubscribed") as session:
                unsubscriptions.record_done(session, task.id, runtime.clock.now())
        return {"due": len(tasks), "done": done}


def is_unsubscribe_due(runtime: Runtime, now: datetime) -> bool:
    """Return whether anybody is to be taken off a list."""
    with runtime.store.read() as session:
        return bool(unsubscriptions.due(session, runtime.account_id, now, limit=1))
