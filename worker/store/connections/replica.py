"""A replica of a PostgreSQL database, which pages, exports and other reports read instead of the primary."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa
from sqlmodel import Session

from worker.servers.conditions import ServerTrouble, Trouble, detail_of
from worker.servers.troubles import Troubles
from worker.store.connections.engines import UNDEFINED_TABLE, postgresql_engine
from worker.store.connections.kept import KeptConnections
from worker.store.connections.same_database import SameDatabase
from worker.store.errors import StoreError

READ_SETTING: Final = "CAMPAIGNS_READ_DATABASE_URL"

PATIENCE_SECONDS: Final = 0.25
"""How long a reader waits for the replica to catch up. One in the same network is some milliseconds behind."""

LOOK_SECONDS: Final = 0.005
REST_SECONDS: Final = 5.0
"""How long readers pass by a replica that failed one of them: each would wait for it."""

CONNECT: Final = {"connect_timeout": 2, "tcp_user_timeout": 5_000}
"""Shorter than for the primary, without which nothing works: seconds, and milliseconds without an acknowledgement."""

# A restored copy has the same name, and a server that follows an old primary the same identifier.
_ON_PRIMARY: Final = sa.text(
    "SELECT CAST(flushed AS text) AS flushed, system_identifier, left(pg_walfile_name(flushed), 8) AS timeline,"
    " (SELECT name FROM installation) AS name FROM pg_current_wal_flush_lsn() AS flushed, pg_control_system()"
)
_ON_REPLICA: Final = sa.text(
    "SELECT pg_is_in_recovery() AS is_standby, system_identifier,"
    " lpad(upper(to_hex(timeline_id)), 8, '0') AS timeline, (SELECT name FROM installation) AS name,"
    " pg_last_wal_replay_lsn() >= CAST(:flushed AS pg_lsn) AS has_replayed"
    " FROM pg_control_system(), pg_control_checkpoint()"
)
_LAG: Final = sa.text(
    "SELECT CASE WHEN pg_last_wal_replay_lsn() >= CAST(:flushed AS pg_lsn) THEN 0"
    " ELSE greatest(0, extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())) END"
)


@dataclass(frozen=True, slots=True)
class Written:
    """What a primary had written at a moment, and which database it is."""

    flushed: str  # a position in its log: every commit that anybody was told of is before it
    system_identifier: int
    timeline: str
    name: str | None

    @classmethod
    def of(cls, primary: KeptConnections) -> "Written | None":
        """Ask the primary; None if it does not say: whoever reads it then is told why."""
        try:
            with primary.one() as connection:
                return cls(*connection.execute(_ON_PRIMARY).one())
        except sa.exc.SQLAlchemyError:
            return None


class Replica:
    """The replica at an address. What is wrong with it is its `trouble`, and reported to `troubles`; it never raises.

    Raises `StoreError` for an address that cannot be one.
    """

    def __init__(self, address: str, troubles: Troubles | None = None) -> None:
        try:
            url = sa.make_url(address)
        except sa.exc.ArgumentError:
            raise StoreError(f"{READ_SETTING} is not a database address; use postgresql+psycopg://...") from None
        if url.get_backend_name() != "postgresql":
            raise StoreError(f"{READ_SETTING} must name a replica of a PostgreSQL database")
        self._engine = postgresql_engine(url, SameDatabase(None), **CONNECT)
        self._troubles = troubles
        self._rests_until = 0.0
        self.trouble: ServerTrouble | None = None

    @property
    def rests(self) -> bool:
        """Whether it failed a moment ago, and is left alone for now."""
        return time.monotonic() < self._rests_until

    def begin(self, written: Written) -> Session | None:
        """Return a session in which everything `written` shows; None if the replica cannot give one.

        The check is part of the transaction: behind one address there may be several servers.
        """
        if self.rests:
            return None
        session = Session(self._engine, expire_on_commit=False)
        try:
            _require_shown(session, written)
        except (ServerTrouble, sa.exc.SQLAlchemyError) as error:
            self._failed(error)
            session.close()
            return None
        self.trouble = None
        if self._troubles is not None:
            self._troubles.worked("replica")
        return session

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Let what fails in the block be the last that is asked of the replica for a while."""
        try:
            yield
        except sa.exc.OperationalError as error:  # it went away, or cancelled what was in the way of its replay
            self._failed(error)
            raise

    def lag_seconds(self, primary: KeptConnections) -> float | None:
        """Return how far the replica is behind the primary; 0: it has everything. None: nobody knows."""
        written = None if self.rests else Written.of(primary)
        if written is None:
            return None
        try:
            with self._engine.connect() as connection:
                lag = connection.execute(_LAG, {"flushed": written.flushed}).scalar()
        except sa.exc.SQLAlchemyError as error:
            self._failed(error)
            return None
        return None if lag is None else float(lag)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    def _failed(self, error: ServerTrouble | sa.exc.SQLAlchemyError) -> None:
        found = error if isinstance(error, ServerTrouble) else _trouble_of(error)
        self.trouble, self._rests_until = found, time.monotonic() + REST_SECONDS
        if self._troubles is not None:
            self._troubles.failed("replica", found)


def _require_shown(session: Session, written: Written) -> None:
    """Raise `ServerTrouble` unless this is a replica of that primary, and has replayed what it had written."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        found = session.execute(_ON_REPLICA, {"flushed": written.flushed}).one()
        if not found.is_standby:
            raise ServerTrouble(Trouble.REPLICA_WRONG, "it is not a standby")
        if (found.system_identifier, found.name) != (written.system_identifier, written.name):
            raise ServerTrouble(Trouble.REPLICA_WRONG, "it belongs to another database")
        if found.timeline != written.timeline:
            raise ServerTrouble(Trouble.REPLICA_BEHIND, "it has not followed the primary's last fail-over yet")
        if found.has_replayed:
            return
        if time.monotonic() >= until:
            raise ServerTrouble(Trouble.REPLICA_BEHIND)
        time.sleep(LOOK_SECONDS)


def _trouble_of(error: sa.exc.SQLAlchemyError) -> ServerTrouble:
    if getattr(getattr(error, "orig", None), "sqlstate", "") == UNDEFINED_TABLE:
        return ServerTrouble(Trouble.REPLICA_WRONG, "it has no campaigns")
    return ServerTrouble(Trouble.REPLICA_AWAY, detail_of(error))
