"""Keeping the queue filled with what is due, and little more: the queue may forget, and must not matter."""

import math
from datetime import datetime
from typing import Final

from campaigns.definition import Definition
from worker.runtime import Runtime
from worker.store import queue

SECONDS_AHEAD: Final = 2.0
"""How much work of a run with a rate is in the queue at most."""

MOST_QUEUED: Final = 256
"""How many batches of a run without a rate are in the queue at most: a tick's worth of small ones and to spare."""


def drain(runtime: Runtime, now: datetime) -> dict[str, int]:
    """Enqueue due batches of every running run whose window is open."""
    with runtime.store.read() as session:
        running = queue.drainable_runs(session, runtime.account_id)
    enqueued = 0
    for run_id, definition_id in running:
        if not runtime.includes(run_id):
            continue
        definition = runtime.definitions.get(definition_id)
        schedule = definition.schedule
        if schedule.window is not None and not schedule.window.contains(now, schedule.zone):
            continue
        with runtime.store.read() as session:
            if not queue.has_due(session, run_id, now=now):
                continue  # spares an idle run a write transaction four times a second
        with runtime.store.write("queue") as session:
            due = queue.queue_due(session, run_id, now=now, room=_room(runtime, definition))
        enqueued += runtime.queue.enqueue(due)
    return {"enqueued": enqueued}


def _room(runtime: Runtime, definition: Definition) -> int:
    rates = [rate for rate in (definition.throughput.rate, runtime.settings.rate) if rate is not None]
    if not rates:
        return MOST_QUEUED
    # Batches are one recipient at least, so this is never less than two seconds' worth.
    return min(MOST_QUEUED, max(2, math.ceil(min(rate.per_second for rate in rates) * SECONDS_AHEAD)))
