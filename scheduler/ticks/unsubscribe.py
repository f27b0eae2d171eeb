"""Taking whoever opted out off the gateway's contact lists."""

from datetime import datetime, timedelta
from typing import Final

from campaigns.numbers import mask
from worker.gateway import GatewayError
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store import unsubscriptions

CALLS_PER_TICK: Final = 50
"""So many calls, each of some milliseconds, before other ticks of the thread pool have had a chance to be late."""

FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(minutes=10)
_NEXT: Final = "unsubscribe"


def unsubscribe(runtime: Runtime, now: datetime) -> dict[str, int]:
    """Carry out what is due; what fails is tried again, with pauses that double."""
    at = runtime.clock.elapsed_seconds()
    if at < runtime.next_looks.get(_NEXT, at):
        return {"due": 0, "done": 0}
    with runtime.store.read() as session:
        tasks = unsubscriptions.due(session, runtime.account_id, now, limit=CALLS_PER_TICK)
    done = 0
    for task in tasks:
        try:
            runtime.gateway.unsubscribe_contact(task.list_id, task.number)
        except GatewayError as error:
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(task.tries, 20))
            get_logger().warning(
                "contact.unsubscribe_failed", list=task.list_id, number=mask(task.number), problem=str(error)
            )
            with runtime.store.write("unsubscribe_failed") as session:
                unsubscriptions.record_failed(session, task.id, str(error), next_try_at=now + pause)
            # Whatever is wrong may be wrong for the others, too: they stay due, and are not tried at once.
            runtime.next_looks[_NEXT] = at + FIRST_PAUSE.total_seconds()
            break
        done += 1
        with runtime.store.write("unsubscribed") as session:
            unsubscriptions.record_done(session, task.id, runtime.clock.now())
    return {"due": len(tasks), "done": done}
