"""What a reckoning asks of the gateway, whoever answers."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Protocol


class GatewayUnread(Exception):
    """The gateway could not be read; the message says why."""


class SeenMessage(Protocol):
    """A message as the gateway shows it."""

    @property
    def id(self) -> int: ...
    @property
    def number(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def group_id(self) -> str | None: ...
    @property
    def status(self) -> str: ...


class GatewayReads(Protocol):
    """What is asked of the gateway. Every method may raise `GatewayUnread`."""

    def between(self, start: datetime, end: datetime) -> Iterator[Sequence[SeenMessage]]:
        """Yield the messages that were sent, or are to be, in this time, a reply at a time; some come twice."""
        ...

    def group(self, group_id: str) -> Sequence[SeenMessage]:
        """Return the messages of a group."""
        ...

    def message(self, id_: int) -> SeenMessage | None:
        """Return a message; None: there is none."""
        ...
