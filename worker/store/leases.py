"""Leases on PostgreSQL: the right of one process to do something for some seconds, and the fence around it.

Every time is the server's. A session lock would need no clock, but the server keeps it for a host that vanished until
TCP gives up on it, which takes two hours by default.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session

from worker.store.tables import leases as _leases
from worker.store.transitions import changed

LEASE: Final = timedelta(seconds=10)
"""How long a lease lasts without a renewal."""

RENEW_EVERY: Final = timedelta(seconds=3)
"""Two renewals may fail; a third failure is too late."""

CLOCK: Final = "clock"
"""The lease of the process that runs the clock of a PostgreSQL database."""

REHEARSAL: Final = "rehearsal"
"""The lease of a rehearsal, which has an account of its own and need not wait for the service."""

_now = sa.func.clock_timestamp()
_end = _now + sa.cast(LEASE, sa.Interval)


class LostLease(Exception):
    """Another process holds the lease: the transaction is undone, and this process must stand by."""


def holder_name(pid: int, host: str) -> str:
    """Return what a process calls itself as the holder of a lease."""
    return f"process {pid} on {host}"[:100]


def take(session: Session, name: str, holder: str) -> int | None:
    """Take the lease for `LEASE` if nobody holds it; return its token, larger than every earlier one. None: it is held.

    Waits for the fenced transactions of the previous holder. Raises `sqlalchemy.exc.OperationalError` after waiting for
    a second: try again later.
    """
    if session.scalar(sa.select(_leases.c.name).where(_leases.c.name == name)) is None:
        new = {"name": name, "holder": "", "token": 0, "expires_at": _now}
        session.execute(insert(_leases).values(new).on_conflict_do_nothing())
    session.execute(sa.select(sa.func.set_config("lock_timeout", "1s", True)))
    free = sa.select(_leases.c.token).where(_leases.c.name == name, _leases.c.expires_at <= _now)
    # FOR UPDATE, unlike the UPDATE below, waits for the share of the row that every fenced transaction holds.
    if session.scalar(free.with_for_update()) is None:
        return None
    taken = sa.update(_leases).where(_leases.c.name == name)
    values = {"holder": holder, "token": _leases.c.token + 1, "expires_at": _end}
    token: int = session.execute(taken.values(values).returning(_leases.c.token)).scalar_one()
    return token


def renew(session: Session, name: str, token: int) -> bool:
    """Hold the lease for `LEASE` from now on. False: another process took it."""
    return bool(changed(session, _held(name, token).values(expires_at=_end)))


def give_back(session: Session, name: str, token: int) -> None:
    """Let the next process have it at once; harmless if another one already took it."""
    session.execute(_held(name, token).values(expires_at=_now))


def _held(name: str, token: int) -> sa.Update:
    return sa.update(_leases).where(_leases.c.name == name, _leases.c.token == token)


def fence(name: str, token: int) -> Callable[[Session], None]:
    """Return what a holder's transaction begins with: nobody takes the lease before it ends. Raises `LostLease`.

    A process that is stopped in the middle must not keep the next one waiting: the server ends its transaction after
    `LEASE`, and its connection soon after its host has vanished.
    """
    # A share of the key: a renewal changes no key, so it need not wait for the transactions that it protects.
    held = sa.select(_leases.c.name).where(_leases.c.name == name, _leases.c.token == token)
    share = held.with_for_update(read=True, key_share=True)
    limits = {
        "idle_in_transaction_session_timeout": f"{LEASE.total_seconds():.0f}s",
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "2",
        "tcp_keepalives_count": "3",
    }
    limit = sa.select(*(sa.func.set_config(setting, value, True) for setting, value in limits.items()))

    def check(session: Session) -> None:
        session.execute(limit)
        if session.scalar(share) is None:
            raise LostLease(f"another process took the lease `{name}` while this one did not answer; it stands by")

    return check


def age(session: Session, *, rehearsal: bool) -> float:
    """Return the seconds since the lease of the clock was last renewed."""
    name = REHEARSAL if rehearsal else CLOCK
    left = session.scalar(
        sa.select(sa.func.extract("epoch", _leases.c.expires_at - _now)).where(_leases.c.name == name)
    )
    return LEASE.total_seconds() - float(left or 0.0)


def holder(session: Session, name: str) -> str | None:
    """Return who holds the lease, in words for people; None: nobody, as in a database without a schema yet."""
    if not sa.inspect(session.connection()).has_table(_leases.name):
        return None
    query = sa.select(_leases.c.holder).where(_leases.c.name == name, _leases.c.expires_at > _now)
    found: str | None = session.scalar(query)
    return found
