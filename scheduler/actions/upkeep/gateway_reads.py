"""The gateway's messages for a reckoning, read without haste: the service has to read, too."""

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Final, TypeVar

from campaigns.clock import Clock
from scheduler.verify.gateway import GatewayUnread
from worker.gateway import GatewayClient, GatewayError, MessageStatus, ReplyTooLong
from worker.gateway.results import Message

T = TypeVar("T")

OUTGOING: Final = (
    MessageStatus.DELIVERED,
    MessageStatus.SENT,
    MessageStatus.FAILED,
    MessageStatus.PENDING,
    MessageStatus.QUEUED,
    MessageStatus.SCHEDULED,
    MessageStatus.CANCELLED,
)
"""A window is read once for each of these."""

LEAST_REST_SECONDS: Final = 0.02
"""After each read, the gateway rests for as long as the read took, and at least so long."""


class PacedReads:
    """Reads one account, and counts the `reads`. Every method may raise `GatewayUnread`."""

    def __init__(self, client: GatewayClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self.reads = 0

    def between(self, start: datetime, end: datetime) -> Iterator[Sequence[Message]]:
        """Yield the outgoing messages between two aware times. A window that is too much for a reply is halved.

        What a single second has too much of is left out: it is asked for by its group.
        """
        for status in OUTGOING:
            spans = [(math.floor(start.timestamp()), math.ceil(end.timestamp()))]
            while spans:
                first, last = spans.pop()
                try:
                    yield self._read(partial(self._client.read_status, status, _at(first), _at(last)))
                except ReplyTooLong:
                    if last - first > 1:
                        middle = (first + last) // 2
                        spans += [(middle, last), (first, middle)]

    def group(self, group_id: str) -> Sequence[Message]:
        """Return the messages of a group; none if the gateway ignores it and shows too much."""
        try:
            return self._read(lambda: self._client.read_group(group_id))
        except ReplyTooLong:
            return ()

    def message(self, id_: int) -> Message | None:
        """Return a message; None: there is none."""
        return self._read(lambda: self._client.read_message(id_))

    def _read(self, read: Callable[[], T]) -> T:
        began = self._clock.elapsed_seconds()
        self.reads += 1
        try:
            return read()
        except ReplyTooLong:
            raise
        except GatewayError as error:
            raise GatewayUnread(str(error)) from error
        finally:
            self._clock.sleep(max(LEAST_REST_SECONDS, self._clock.elapsed_seconds() - began))


def _at(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)
