"""Reads by status over a time of any length, in replies that fit into memory.

The gateway has no pages. A window that holds more than one reply may bring is asked for again in parts: divided by when
our ledger says its messages were accepted, then in halves. Parts share the seconds at their edges: nobody has shown to
the fraction of a second which date is compared.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Final

from scheduler.ticks.every import Every
from worker.gateway import GatewayClient, MessageStatus, ReplyTooLong
from worker.gateway.results import Message
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.following import receipts

LONG_AGO: Final = datetime(2001, 1, 1, tzinfo=UTC)
"""A day of this year has no messages: what an empty read looks like."""

MOST_PASSED_OVER: Final = 40
"""Windows of a second that a look may pass over, two for each message: 20 of more than 1 MiB cost some 600 reads."""

REST: Final = timedelta(minutes=10)
"""How long no window is divided after a single second of one was too much for one reply."""

RECENT_SECONDS: Final = (3_600, 300, 30, -30)
"""If the ledger knows nothing, most messages are from shortly before now: halves of 28 hours found them only after 17
full replies."""


@dataclass(slots=True)
class WindowMemory:
    """What a process has learned about how a gateway shows time, for everything that reads by it."""

    dates_after: deque[timedelta] = field(default_factory=lambda: deque(maxlen=500))  # its dates, relative to ours
    divides: Every = field(default_factory=lambda: Every(REST.total_seconds()))

    def may_divide(self, runtime: Runtime) -> bool:
        """Return whether to divide windows: not for some minutes after that led nowhere."""
        return self.divides.is_due(runtime.clock.elapsed_seconds())

    def clock_ahead(self) -> timedelta:
        """How much later than ours the gateway dates a message, roughly: its clock, and its phones' queues."""
        seen = [after.total_seconds() for after in tuple(self.dates_after)]  # another thread adds to them
        return timedelta(seconds=round(median(seen))) if seen else timedelta(0)


@dataclass(slots=True)
class WindowReads:
    """Reads windows and counts the `reads` that it takes. Without a `runtime` there is no ledger: only halves.

    `passes_over`: a single second that is too much for a reply is left out, and the rest is read. For replies alone,
    where one message must not keep all others from being read: such a read does not prove that something is not there.
    `passed_over` has when each of these windows began, and what was the matter with the last one.
    """

    gateway: GatewayClient
    runtime: Runtime | None = None
    memory: WindowMemory = field(default_factory=WindowMemory)
    reads: int = 0
    passes_over: bool = False
    passed_over: dict[datetime, str] = field(default_factory=dict)

    @classmethod
    def of(cls, runtime: Runtime, memory: WindowMemory) -> "WindowReads":
        return cls(runtime.gateway, runtime, memory)

    def read(self, status: MessageStatus, start: datetime, end: datetime) -> Iterator[tuple[Message, ...]]:
        """Yield the messages of one status between two aware times, a reply at a time; some come twice.

        Raises `GatewayError` if one of the reads fails: what was yielded before is true, but incomplete.
        """
        whole = math.floor(start.timestamp()), math.ceil(end.timestamp())  # whole seconds, both included
        spans = [whole]
        while spans:
            first, last = spans.pop()
            self.reads += 1
            problem = ""
            try:
                messages = self.gateway.read_status(status, _moment(first), _moment(last))
            except ReplyTooLong as error:
                problem = str(error)
            if not problem:
                yield messages
            elif last - first <= 1 and self._may_pass_over(status):
                self.passed_over[_moment(first)] = problem
            elif last - first <= 1 or (self.runtime is not None and not self.memory.may_divide(self.runtime)):
                raise self._too_full(status, _moment(first), problem)
            else:
                edges = [first, *(self._edges(*whole) if (first, last) == whole else ()), last]
                if len(edges) == 2:
                    edges.insert(1, (first + last) // 2)
                spans += reversed(list(pairwise(edges)))

    def _may_pass_over(self, status: MessageStatus) -> bool:
        """Not where the gateway ignores the time: then every second would be as much."""
        if not self.passes_over or len(self.passed_over) >= MOST_PASSED_OVER:
            return False
        if not self.passed_over:
            self.reads += 1
            try:
                self.gateway.read_status(status, LONG_AGO, LONG_AGO + timedelta(days=1))
            except ReplyTooLong:
                return False
        return True

    def _edges(self, first: int, last: int) -> list[int]:
        """Return the seconds at which to divide a window: by when its messages were accepted, else near now."""
        if self.runtime is None:
            return []
        ahead = self.memory.clock_ahead()
        with self.runtime.store.read() as session:
            parts = receipts.accepted_parts(
                session,
                self.runtime.account_id,
                _moment(first) - ahead,
                _moment(last) - ahead,
                messages=messages_per_part(self.runtime),
            )
        known = {second for at, _ in parts[:-1] if first < (second := round((at + ahead).timestamp())) < last}
        now = round((self.runtime.clock.now() + ahead).timestamp())
        return sorted(known or {second for away in RECENT_SECONDS if first < (second := now - away) < last})

    def _too_full(self, status: MessageStatus, at: datetime, problem: str) -> ReplyTooLong:
        runtime = self.runtime
        if runtime is not None and self.memory.may_divide(runtime):
            self.memory.divides.rest(runtime.clock.elapsed_seconds())
            get_logger().warning("reads.window_too_full", status=status.value, second=at.isoformat(), problem=problem)
        return ReplyTooLong(
            f"{problem} It does so for the single second {at:%Y-%m-%d %H:%M:%S} UTC, or ignores the requested time: "
            "nothing can be concluded from its reads by status and time."
        )


def messages_per_part(runtime: Runtime) -> int:
    """Return how many messages a read should bring: a quarter of the most in a reply, as they may be uneven."""
    return max(1, runtime.gateway.max_messages // 4)


def _moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
