"""Connections kept open between short uses: a pool resets and wraps one each time, a tenth of the work of a send."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import sqlalchemy as sa

MOST_KEPT: Final = 4
"""As many as there are threads that send, by default."""

KEPT_SECONDS: Final = 1.0
"""How long one is kept idle."""


class KeptConnections:
    """Connections without a transaction, the last used one first."""

    def __init__(self, engine: sa.Engine, most: int) -> None:
        self._engine = engine
        self._most = most
        self._kept: deque[tuple[sa.Connection, float]] = deque()  # its ends are changed atomically

    @contextmanager
    def one(self) -> Iterator[sa.Connection]:
        """Use a connection. What the block leaves uncommitted is undone."""
        connection = self._taken()
        try:
            yield connection
            if connection.in_transaction():
                connection.rollback()
        except BaseException:
            connection.close()
            raise
        if len(self._kept) < self._most:
            self._kept.append((connection, time.monotonic()))
        else:
            connection.close()

    def close(self) -> None:
        """Give all connections back."""
        while self._kept:
            self._kept.pop()[0].close()

    def _taken(self) -> sa.Connection:
        try:
            connection, since = self._kept.pop()
        except IndexError:
            return self._engine.connect()
        if time.monotonic() - since < KEPT_SECONDS:
            return connection
        connection.close()
        self.close()  # the others have been idle for longer
        return self._engine.connect()
