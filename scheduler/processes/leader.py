"""Who may run the clock: one process per database. On PostgreSQL a fence undoes the writes of one that lost it."""

import fcntl
import os
import socket
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from campaigns.clock import Clock, SystemClock
from worker.servers.troubles import Troubles
from worker.store import leases
from worker.store.engine import Store
from worker.store.errors import STORE_FAILS

_LEASE: Final = "lease"


class LeaderLock(Protocol):
    """A lock that ends with the process that holds it, however the process ends."""

    def acquire(self) -> bool:
        """Take the lock; False if another process has it. Harmless if it is held already."""
        ...

    def is_held(self) -> bool:
        """Return whether this process still holds it, as far as it can tell."""
        ...

    def guard(self, store: Store) -> Store:
        """Return the store for the ticks: `LostLease` undoes writes after the lock was lost. Call once acquired."""
        ...

    def release(self) -> None:
        """Release it."""
        ...

    def holder(self) -> str:
        """Return who holds it, in words for people; empty if nobody does or nobody knows."""
        ...


def leader_lock(store: Store, troubles: Troubles | None = None, *, rehearsal: bool = False) -> LeaderLock:
    """Return the lock of this database: `flock` beside an SQLite file, a lease in PostgreSQL."""
    path = store.sqlite_path
    if path is not None:
        return FileLock(_beside(path))
    return LeaseLock(store, leases.REHEARSAL if rehearsal else leases.CLOCK, troubles=troubles)


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


class FileLock:
    """`flock` on a file beside the database. The file stays; only the lock on it counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._handle: int | None = None

    def acquire(self) -> bool:
        if self._handle is not None:
            return True
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        self._handle = handle
        return True

    def is_held(self) -> bool:
        return self._handle is not None

    def guard(self, store: Store) -> Store:
        return store  # the system keeps the lock for as long as the process lives: it cannot be lost

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def holder(self) -> str:
        """Return the process id that the holder wrote down; empty if unknown."""
        with suppress(OSError):
            return self._path.read_text().strip()
        return ""


class LeaseLock:
    """A lease in PostgreSQL, renewed by a thread of its own while it is held."""

    def __init__(self, store: Store, name: str, clock: Clock | None = None, troubles: Troubles | None = None) -> None:
        self._store = store
        self._name = name
        self._clock = clock or SystemClock()
        self._troubles = troubles or Troubles(self._clock)
        self._term: _Term | None = None

    def acquire(self) -> bool:
        if self.is_held():
            return True
        self._end_term()
        asked = self._clock.elapsed_seconds()
        try:
            with self._store.write("lease_take") as session:
                token = leases.take(session, self._name, leases.holder_name(os.getpid(), socket.gethostname()))
        except STORE_FAILS as error:
            self._troubles.failed(_LEASE, error, event="lease.unreachable", lease=self._name)
            return False
        self._troubles.worked(_LEASE)
        if token is None:
            return False
        self._term = _Term(self._store, self._name, token, self._clock, asked, self._troubles)
        return True

    def is_held(self) -> bool:
        return self._term is not None and self._term.is_held()

    def guard(self, store: Store) -> Store:
        if self._term is None:
            raise RuntimeError("a lease guards a store only after it was acquired")
        return store.fenced(leases.fence(self._name, self._term.token))

    def release(self) -> None:
        self._end_term()

    def holder(self) -> str:
        """Return who holds the lease; empty if nobody does."""
        with self._store.read() as session:
            return leases.holder(session, self._name) or ""

    def _end_term(self) -> None:
        if self._term is not None:
            self._term.end()
            self._term = None


class _Term:
    """One period of holding the lease, from one token to the next."""

    def __init__(
        self, store: Store, name: str, token: int, clock: Clock, asked_seconds: float, troubles: Troubles
    ) -> None:
        self.token = token
        self._store = store
        self._name = name
        self._clock = clock
        self._troubles = troubles
        # Counted from before the question: the server's own count began later.
        self._until_seconds = asked_seconds + leases.LEASE.total_seconds()
        self._over = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="lease", daemon=True)
        self._keeper.start()

    def is_held(self) -> bool:
        """Return whether no other process can have taken it yet."""
        return not self._over.is_set() and self._clock.elapsed_seconds() < self._until_seconds

    def end(self) -> None:
        """Stop renewing it, and release it."""
        self._over.set()
        self._keeper.join()
        with suppress(*STORE_FAILS), self._store.write("lease_end") as session:
            leases.give_back(session, self._name, self.token)

    def _keep(self) -> None:
        while not self._over.wait(leases.RENEW_EVERY.total_seconds()):
            asked = self._clock.elapsed_seconds()
            try:
                with self._store.write("lease_renew") as session:
                    is_ours = leases.renew(session, self._name, self.token)
            except STORE_FAILS as error:
                # The next renewal may still come in time; if none does, `is_held` says so.
                self._troubles.failed(_LEASE, error, event="lease.unreachable", lease=self._name)
                continue
            self._troubles.worked(_LEASE)
            if not is_ours:
                self._over.set()
            self._until_seconds = asked + leases.LEASE.total_seconds()


def lock_holder(store: Store) -> str | None:
    """Return who holds the lock of this database, in words for people; None if nobody. Takes and writes nothing."""
    path = store.sqlite_path
    if path is None:
        with store.read() as session:
            return leases.holder(session, leases.CLOCK)
    lock_path = _beside(path)
    try:
        handle = os.open(lock_path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # released at once, with the handle
    except BlockingIOError:
        return f"process {FileLock(lock_path).holder() or 'unknown'} on this machine"
    finally:
        os.close(handle)
    return None
