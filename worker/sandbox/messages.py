"""The messages that a sandbox has accepted, and the ways to find them again."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection, Container, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Final, NamedTuple

from worker.sandbox.phones.life import NEVER, Life, status_at

LAST_SECOND: Final = int(NEVER)
OPEN_STATUSES: Final = frozenset({"scheduled", "pending", "queued"})


class StoredMessage(NamedTuple):
    """One message. `sim` is the slot that was asked for, None for the device's default SIM; `request` is the number of
    the request that stored it, 0 for an inbound one. A named tuple, because a frozen dataclass of this size takes five
    times as long to make, and a request makes up to 500."""

    id: int
    number: str
    text: str
    device: int
    sim: int | None
    group: str | None
    schedule: int | None
    accepted_at: float
    life: Life
    request: int = 0


@dataclass(frozen=True, slots=True)
class Query:
    """A client's query; None means any. `start` and `end` are whole unix seconds, both included."""

    id: int | None = None
    group: str | None = None
    status: str | None = None
    device: int | None = None
    sim: int | None = None
    start: int = 0
    end: int = LAST_SECOND

    def accepts(self, message: StoredMessage, now: float) -> bool:
        """Return whether the message matches; the window applies to its sent date, or else to its accepted date."""
        sent_at = message.life.sent_at
        return (
            (self.status is None or status_at(message.life, now).lower() == self.status)
            and self.start <= int(sent_at if sent_at <= now else message.accepted_at) <= self.end
            and (self.id is None or message.id == self.id)
            and (self.group is None or message.group == self.group)
            and (self.device is None or message.device == self.device)
            and (self.sim is None or (message.sim or 0) == self.sim)
        )


class Messages:
    """All messages of a sandbox. A query costs as much as its answer, not as much as the sandbox holds."""

    def __init__(self) -> None:
        self._by_id: dict[int, StoredMessage] = {}
        self._by_group: dict[str, list[StoredMessage]] = {}
        self._by_accepted = _TimeIndex()
        self._by_sent = _TimeIndex()
        self.last_id = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[StoredMessage]:
        return iter(self._by_id.values())

    def add(self, messages: Iterable[StoredMessage]) -> None:
        """Store messages for good."""
        for message in messages:
            self._by_id[message.id] = message
            if message.group is not None:
                self._by_group.setdefault(message.group, []).append(message)
            self._by_accepted.add(int(message.accepted_at), message)
            self._by_sent.add(int(message.life.sent_at), message)
            self.last_id = max(self.last_id, message.id)

    def replace(self, changed: Collection[StoredMessage]) -> None:
        """Replace the lives of stored messages."""
        new = {message.id: message for message in changed}
        old = [self._by_id[id_] for id_ in new]
        self._by_accepted.drop({int(message.accepted_at) for message in old}, new)
        self._by_sent.drop({int(message.life.sent_at) for message in old}, new)
        for group in {message.group for message in old if message.group is not None}:
            self._by_group[group] = [new.get(message.id, message) for message in self._by_group[group]]
        for message in new.values():
            self._by_id[message.id] = message
            self._by_accepted.add(int(message.accepted_at), message)
            self._by_sent.add(int(message.life.sent_at), message)

    def find(self, query: Query, now: float) -> list[StoredMessage]:
        """Return the messages that match at `now`, by ascending ID."""
        found = [message for message in self._candidates(query, now) if query.accepts(message, now)]
        return sorted(found)

    def _candidates(self, query: Query, now: float) -> Iterable[StoredMessage]:
        if query.id is not None:
            message = self._by_id.get(query.id)
            return () if message is None else (message,)
        if query.group is not None:
            return self._by_group.get(query.group, ())
        return chain(self._sent(query, now), self._open(query, now))

    def _sent(self, query: Query, now: float) -> Iterator[StoredMessage]:
        if query.status not in OPEN_STATUSES:
            for message in self._by_sent.between(query.start, min(query.end, int(now))):
                if message.life.sent_at <= now:
                    yield message

    def _open(self, query: Query, now: float) -> Iterator[StoredMessage]:
        if query.status is None or query.status in OPEN_STATUSES:
            # In the window of acceptance or in the backlog of the phones, whichever is shorter: a day's window holds a
            # million messages sent long ago, a day's backlog a million outside this window.
            window = (self._by_accepted, query.start, query.end)
            backlog = (self._by_sent, int(now), LAST_SECOND)
            index, start, end = min(window, backlog, key=lambda part: part[0].count(part[1], part[2]))
            for message in index.between(start, end):
                if message.life.sent_at > now:
                    yield message


@dataclass(slots=True)
class _TimeIndex:
    """Messages by whole second, the unit that clients use."""

    _buckets: dict[int, list[StoredMessage]] = field(default_factory=dict)
    _seconds: list[int] = field(default_factory=list)

    def add(self, second: int, message: StoredMessage) -> None:
        bucket = self._buckets.get(second)
        if bucket is None:
            self._buckets[second] = [message]
            insort(self._seconds, second)
        else:
            bucket.append(message)

    def drop(self, seconds: Iterable[int], ids: Container[int]) -> None:
        for second in seconds:
            self._buckets[second] = [message for message in self._buckets[second] if message.id not in ids]

    def between(self, start: int, end: int) -> Iterator[StoredMessage]:
        for second in self._range(start, end):
            yield from self._buckets[second]

    def count(self, start: int, end: int) -> int:
        return sum(len(self._buckets[second]) for second in self._range(start, end))

    def _range(self, start: int, end: int) -> list[int]:
        return self._seconds[bisect_left(self._seconds, start) : bisect_right(self._seconds, end)]
