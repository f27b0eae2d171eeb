"""Sessions of short transactions: they cost nothing until the ORM is needed. SQLAlchemy's took a tenth of a send."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from worker.store.connections.kept import KeptConnections
from worker.store.statements import execute

_NAME: Final = "short"


class ShortSession(Session):
    """A session on a connection that is in a transaction already, which `rollback` undoes as far as `undo` does."""

    def __init__(self, connection: sa.Connection, undo: Callable[[], None], **options: Any) -> None:
        super().__init__(connection, **options)
        self._given = connection
        self._undo = undo

    def connection(self, *_: Any, **__: Any) -> sa.Connection:
        """Return the connection as it is; SQLAlchemy's session would begin a transaction in the one that there is."""
        return self._given

    def end(self) -> None:
        """Commit what the ORM has, and close it if it was used: that takes as long as three statements."""
        if self.in_transaction():
            self.commit()
            self.close()

    def rollback(self) -> None:
        super().rollback()
        self._undo()


@contextmanager
def in_savepoint(connection: sa.Connection) -> Iterator[ShortSession]:
    """Open a savepoint in the transaction of others; it is undone if the block raises. SQLite alone."""

    def undo() -> None:
        if connection.connection.in_transaction:  # a full disk and the like undo all of it
            execute(connection, f"ROLLBACK TO SAVEPOINT {_NAME}")

    execute(connection, f"SAVEPOINT {_NAME}")
    session = ShortSession(connection, undo, join_transaction_mode="create_savepoint")
    try:
        yield session
        session.end()
        execute(connection, f"RELEASE SAVEPOINT {_NAME}")
    except BaseException:
        session.rollback()
        session.close()
        raise


@contextmanager
def alone(connections: KeptConnections) -> Iterator[ShortSession]:
    """Open a transaction of its own on a connection where each statement stands alone. PostgreSQL alone."""
    with connections.one() as connection:
        driver: Any = connection.connection.driver_connection
        driver.autocommit = False
        with (
            connection.begin() as transaction,
            ShortSession(connection, transaction.rollback, join_transaction_mode="rollback_only") as session,
        ):
            yield session
            session.end()
        driver.autocommit = True  # whoever raised gave the connection back to the pool, which does the same
