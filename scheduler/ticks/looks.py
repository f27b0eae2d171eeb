"""Asking the gateway for all of its messages around a request, and whether what it shows can be believed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from worker.gateway import GatewayError, MessageStatus
from worker.gateway.results import Message
from worker.runtime import Runtime
from worker.store import witnesses
from worker.store.doubts import Doubt
from worker.store.witnesses import Known

LIFE_ORDER: Final = (
    MessageStatus.PENDING,
    MessageStatus.SCHEDULED,
    MessageStatus.QUEUED,
    MessageStatus.SENT,
    MessageStatus.DELIVERED,
    MessageStatus.FAILED,
    MessageStatus.CANCELLED,
)
"""Statuses in the order of a message's life: one that moves on between two reads is seen by the later one."""

MARGIN: Final = timedelta(minutes=10)
"""How far the gateway's clock may be away from ours before a read misses what it should show."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look at the gateway showed; `complete`: every read of it succeeded; else the `problem` of one."""

    messages: dict[int, Message]
    complete: bool
    reads: int
    problem: str = ""


def read_around(runtime: Runtime, start: datetime, end: datetime) -> Seen:
    """Every message around a request, a status at a time; a read that fails is no information."""
    messages: dict[int, Message] = {}
    for count, status in enumerate(LIFE_ORDER, start=1):
        try:
            messages.update((m.id, m) for m in runtime.gateway.read_status(status, start, end))
        except GatewayError as error:
            return Seen(messages, complete=False, reads=count, problem=str(error))
    return Seen(messages, complete=True, reads=len(LIFE_ORDER))


def read_request(runtime: Runtime, doubt: Doubt, end: datetime) -> Seen:
    """Every message around a request, from before it until `end`.

    Nobody knows which date a gateway compares: of a request with a `schedule` the moment of that is read around, too.
    """
    start = doubt.started_at - MARGIN
    return _with_scheduled(runtime, doubt.definition_id, read_around(runtime, start, end), start, end)


def shows_neighbours(runtime: Runtime, doubt: Doubt, seen: Seen, *, until: datetime) -> bool:
    """Whether a look shows everything of ours that lies next to the request.

    One message shows that reads work. A gateway that pages its replies shows that one and still not what is sought.
    """
    with runtime.store.read() as session:
        near = witnesses.neighbours(session, doubt, until=until)
    return all(
        message.gateway_id in seen.messages
        for message in near
        # What the gateway was handed with a moment of its own may have that as its date, outside of this look.
        if message.definition_id is None or runtime.definitions.get(message.definition_id).schedule.at_gateway is None
    )


def read_known(runtime: Runtime, known: Known) -> Seen:
    start, end = known.accepted_at - MARGIN, known.accepted_at + MARGIN
    seen = read_around(runtime, start, end)
    if known.definition_id is None or known.gateway_id in seen.messages:
        return seen
    return _with_scheduled(runtime, known.definition_id, seen, start, end)


def _with_scheduled(runtime: Runtime, definition_id: int, seen: Seen, start: datetime, end: datetime) -> Seen:
    scheduled = runtime.definitions.get(definition_id).schedule.at_gateway
    is_covered = scheduled is None or (start <= scheduled - MARGIN and scheduled + MARGIN <= end)
    if scheduled is None or is_covered or not seen.complete:
        return seen
    later = read_around(runtime, scheduled - MARGIN, scheduled + MARGIN)
    return Seen({**seen.messages, **later.messages}, later.complete, seen.reads + later.reads, later.problem)
