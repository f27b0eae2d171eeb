"""Asks the gateway for all of its messages around a request, and whether its answer can be trusted.

However many there are, only those that can matter are kept: see `Candidates`.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain
from types import MappingProxyType
from typing import Final

from campaigns.protocol.matching import same_number
from scheduler.ticks.lookups.windows import WindowMemory, WindowReads
from worker.gateway import GatewayError, MessageStatus
from worker.gateway.results import Message
from worker.runtime import Runtime
from worker.store.following import clock_offsets
from worker.store.following.clock_offsets import MARGIN
from worker.store.sending import doubts
from worker.store.sending.control_messages import ControlMessage
from worker.store.sending.doubts import Doubt

LIFE_ORDER: Final = (
    MessageStatus.PENDING,
    MessageStatus.SCHEDULED,
    MessageStatus.QUEUED,
    MessageStatus.SENT,
    MessageStatus.DELIVERED,
    MessageStatus.FAILED,
    MessageStatus.CANCELLED,
)
"""Statuses in the order of a message's life: a message that advances between two reads is seen by the later one."""


Keep = Callable[[Sequence[Message]], Iterable[Message]]
"""Selects the messages of one reply to keep."""


@dataclass(frozen=True, slots=True)
class LookResult:
    """What one look at the gateway showed. `complete`: every read succeeded; else `problem` is that of a failed one.

    `messages` are those that were kept, `shown` the watched ones that were there, by ID. `count` messages came in
    total, some of them twice, with `newest` as the largest ID.
    """

    messages: dict[int, Message]
    complete: bool
    reads: int
    problem: str = ""
    shown: frozenset[int] = frozenset()
    count: int = 0
    newest: int = 0

    def with_more(self, later: "LookResult") -> "LookResult":
        """Combine both looks."""
        return LookResult(
            {**self.messages, **later.messages},
            self.complete and later.complete,
            self.reads + later.reads,
            self.problem or later.problem,
            self.shown | later.shown,
            self.count + later.count,
            max(self.newest, later.newest),
        )


def read_around(
    runtime: Runtime,
    windows: WindowMemory,
    start: datetime,
    end: datetime,
    *,
    keep: Keep = lambda messages: messages,
    watched: Mapping[int, str] = MappingProxyType({}),
) -> LookResult:
    """Read every message around a request, a status at a time; a failed read gives no information.

    Uses every clock that the gateway is known to have had, because nobody knows which one it had then.

    A status is read to its end before the next one is begun, in however many replies, so that a later read sees a
    message that advances meanwhile.
    """
    with runtime.store.read() as session:
        spans = _apart((start + ahead, end + ahead) for ahead in clock_offsets.shifts(session, runtime.account_id))
    kept: dict[int, Message] = {}
    shown: set[int] = set()
    count = newest = 0
    problem = ""
    reads = WindowReads.of(runtime, windows)
    for status in LIFE_ORDER:
        try:
            for messages in chain.from_iterable(reads.read(status, *span) for span in spans):
                count += len(messages)
                newest = max(newest, max((m.id for m in messages), default=0))
                shown.update(m.id for m in messages if m.id in watched and _is_of(m, watched[m.id]))
                kept.update((m.id, m) for m in keep(messages))
        except GatewayError as error:
            problem = str(error)
            break
    return LookResult(kept, not problem, reads.reads, problem, frozenset(shown), count, newest)


def watching(known: Iterable[ControlMessage]) -> dict[int, str]:
    """Return what to watch for: the IDs of these messages, and whose they are."""
    return {message.gateway_id: message.number for message in known}


def _is_of(message: Message, number: str) -> bool:
    return not number or same_number(message.number) == same_number(number)


def _apart(spans: Iterable[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    """Return the same times as spans that do not overlap, in their order."""
    found: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], end)
        else:
            found.append((start, end))
    return found


@dataclass(slots=True)
class Candidates:
    """Keeps what may be a message of a request: above its floor, not among `somebodys`, and `is_sought`.

    Of the others in a group only the first is kept: it alone shows that the group contains strangers. A message that is
    somebody's when it is read stays theirs; the kept ones are checked again at the end.
    """

    id_floor: int
    is_sought: Callable[[Message], bool]
    somebodys: Callable[[Collection[int]], Collection[int]]
    strangers: dict[str, Message] = field(default_factory=dict)
    groups: set[str] = field(default_factory=set)

    def keep(self, messages: Sequence[Message]) -> list[Message]:
        above = [m for m in messages if m.id > self.id_floor]
        known = self.somebodys([m.id for m in above])
        sought = []
        for message in above:
            if message.id in known:
                continue
            if self.is_sought(message):
                sought.append(message)
                self.groups.add(message.group_id or "")
            elif message.group_id and message.id <= self.strangers.get(message.group_id, message).id:
                self.strangers[message.group_id] = message
        return sought

    def strangers_beside(self) -> dict[int, Message]:
        """Return one stranger of each group that contains what is sought."""
        return {m.id: m for group_id, m in self.strangers.items() if group_id in self.groups}


def by_number(numbers: Iterable[str]) -> Callable[[Message], bool]:
    """Return a test whether a message is to one of these numbers, in any spelling."""
    wanted = {same_number(number) for number in numbers}
    return lambda message: same_number(message.number) in wanted


def read_request(
    runtime: Runtime,
    windows: WindowMemory,
    doubt: Doubt,
    end: datetime,
    *,
    is_sought: Callable[[Message], bool],
    watched: Mapping[int, str] = MappingProxyType({}),
    margin: timedelta = MARGIN,
) -> LookResult:
    """Read the possible messages of a request, among all from `margin` before it until `end`: see `Candidates`.

    Nobody knows which date a gateway compares: for a request with a `schedule`, the time of that is read around, too.
    """

    def somebodys(ids: Collection[int]) -> set[int]:
        with runtime.store.read() as session:
            return doubts.attributed_ids(session, runtime.account_id, ids)

    candidates = Candidates(doubt.id_floor, is_sought, somebodys)
    start = doubt.started_at - margin
    end = max(end, doubt.started_at + margin)  # our own clock may have been set back since
    seen = read_around(runtime, windows, start, end, keep=candidates.keep, watched=watched)
    scheduled = _scheduled_outside(runtime, doubt.definition_id, start, end)
    if scheduled is not None and seen.complete:
        span = scheduled - MARGIN, scheduled + MARGIN
        seen = seen.with_more(read_around(runtime, windows, *span, keep=candidates.keep, watched=watched))
    seen.messages.update(candidates.strangers_beside())
    return seen


def shows_neighbours(runtime: Runtime, near: Iterable[ControlMessage], seen: LookResult) -> bool:
    """Return whether a look that watched for them shows all our messages that lie next to the request.

    One message shows that reads work. But a gateway that pages its replies may show that one and not the sought one.
    """
    return all(
        message.gateway_id in seen.shown
        for message in near
        # A message handed over with a start of its own may have that as its date, outside of this look.
        if message.definition_id is None or runtime.definitions.get(message.definition_id).schedule.at_gateway is None
    )


def read_known(runtime: Runtime, windows: WindowMemory, known: ControlMessage) -> LookResult:
    """Look around a message that the gateway has, for that message alone."""
    start, end = known.accepted_at - MARGIN, known.accepted_at + MARGIN
    watched = watching([known])
    seen = read_around(runtime, windows, start, end, keep=_none, watched=watched)
    if known.definition_id is None or seen.shown or not seen.complete:
        return seen
    scheduled = _scheduled_outside(runtime, known.definition_id, start, end)
    if scheduled is None:
        return seen
    span = scheduled - MARGIN, scheduled + MARGIN
    return seen.with_more(read_around(runtime, windows, *span, keep=_none, watched=watched))


def _none(_: Sequence[Message]) -> Iterable[Message]:
    return ()


def _scheduled_outside(runtime: Runtime, definition_id: int, start: datetime, end: datetime) -> datetime | None:
    """Return the start that the gateway was given with the request, unless it is well within this time anyway."""
    scheduled = runtime.definitions.get(definition_id).schedule.at_gateway
    is_covered = scheduled is None or (start <= scheduled - MARGIN and scheduled + MARGIN <= end)
    return None if is_covered else scheduled
