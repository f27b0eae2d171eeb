"""How a database fails, and whether it may soon do what it was asked to."""

from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from worker.servers.conditions import ServerTrouble, Trouble, trouble_of


class Loss(StrEnum):
    """What happened to the database, in the words for people."""

    GONE = "is no longer there"
    ANOTHER = "is not the one that was opened"
    OVERWRITTEN = "was overwritten by another program"
    NO_LOG = "has lost its write-ahead log (-wal)"
    OLDER = "has forgotten what was sent from it"
    DAMAGED = "is damaged"


class StoreError(Exception):
    """The database cannot be used. The message says what is wrong with it and what to do."""


class DatabaseLost(ServerTrouble, StoreError):
    """The database is not the one that this process has worked on: what it writes there would be lost or forgotten."""

    def __init__(self, url: sa.URL, loss: Loss) -> None:
        name = url.database if url.get_backend_name() == "sqlite" else "the database in CAMPAIGNS_DATABASE_URL"
        trouble = Trouble.DATABASE_DAMAGED if loss is Loss.DAMAGED else Trouble.DATABASE_LOST
        super().__init__(trouble, f"{name} {loss.value}")


class PrivacyKeyProblem(StoreError):
    """The hashes of those who were erased cannot be made, so nobody can tell who of them opted out."""


KEY_MISSING: Final = (
    "people were erased, and without the key of their hashes nobody can tell who of them opted out; "
    "set CAMPAIGNS_PRIVACY_KEY_FILE to the file with the key"
)
KEY_CHANGED: Final = (
    "people were erased with another key than the one in CAMPAIGNS_PRIVACY_KEY_FILE, so nobody can tell who of them "
    "opted out; put that key back"
)
NO_KEY: Final = (
    "nobody can be erased without a key for the hashes that stand for numbers; set CAMPAIGNS_PRIVACY_KEY_FILE to where "
    "it is to be, and make it: campaigns erase --make-key"
)


STORE_FAILS: Final = (sa.exc.SQLAlchemyError, DatabaseLost)
"""Every way in which a database fails to do what it is asked."""


def is_away(error: sa.exc.DBAPIError | DatabaseLost) -> bool:
    """Return whether the database itself failed and may soon work again: it restarts, is locked or is read-only."""
    if isinstance(error, DatabaseLost):
        return True  # a file that was moved away comes back
    return isinstance(error, sa.exc.OperationalError) or error.connection_invalidated or trouble_of(error) is not None


def takes_connections(url: str) -> bool:
    """Return whether a failed connection is the client's fault: the server listens, neither starting nor stopping.

    libpq gives no SQLSTATE for a connection that failed, and its messages are in the server's language. An SQLite file
    needs no server.
    """
    address = sa.make_url(url)
    if address.get_backend_name() == "sqlite":
        return True
    conninfo = address.set(drivername="postgresql").render_as_string(hide_password=False)
    from psycopg.pq import PGconn, Ping

    return PGconn.ping(conninfo.encode()) not in {Ping.NO_RESPONSE, Ping.REJECT}
