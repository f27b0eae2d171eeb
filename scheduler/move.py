"""`campaigns move`: move a database with campaigns in flight to another one, and send nothing twice.

1. The old database stops sending, and remembers the state of its accounts. 2. Everything is copied and compared in
one transaction; the copy does not send. 3. The old database is retired for good and names that copy. 4. The copy
sends. If the move is killed between two steps, neither sends; run it again to finish it. Up to step 3, `--undo`
gives it up.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import redis
import sqlalchemy as sa
from sqlmodel import Session

from campaigns.clock import Clock
from campaigns.codes import PAUSED, PausedBy
from scheduler.actions.acting import Actor, asked_by
from scheduler.processes.leader import LeaderLock, leader_lock
from worker.marker import FileMarker, beside
from worker.redis_marker import REDIS_KEY, RedisMarker
from worker.settings.settings import Settings
from worker.store import audit, health
from worker.store.engine import Store
from worker.store.errors import StoreError
from worker.store.leases import LEASE
from worker.store.migrate import migrate
from worker.store.relocation import copying, handover
from worker.store.relocation.handover import MoveStage, shown
from worker.store.relocation.installation import become, installation_name
from worker.store.sending import accounts
from worker.throttle.redis import connect_for_throttle

PAUSE_SECONDS: Final = 0.5
"""Between two tries to claim a database."""

EVERY_ROWS: Final = 100_000
"""How often the progress of a large table is reported."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What a move did. `rows`: rows copied, by table; empty if this call only finished an earlier copy."""

    source: str
    target: str
    rows: Mapping[str, int]


def move(settings: Settings, actor: Actor, to: str, *, clock: Clock, told: Callable[[str], None]) -> Moved:
    """Move the database of the settings to the address `to`; if the move has begun, finish it. `told` gets sentences.

    Raises `StoreError` with the obstacle; whatever was copied by then does not send.
    """
    with asked_by(actor), _source(settings, clock) as (source, lock), _target(to, source, clock) as target:
        with source.read() as session:
            standing = handover.standing(session)
        rows: Mapping[str, int] = {}
        copy = standing.copy
        if standing.place is not MoveStage.GONE:
            marks = _marks(settings, source)
            with source.read() as session:
                _refuse_forgetful(marks, accounts.last_attempt_id(session))
            with target.read() as session, source.read() as known:
                _refuse_full(session, known, shown(target.url))
            copy = secrets.token_hex(8)
            rows = _copy(source, target, copy, actor, clock, told)
            if not lock.acquire():
                raise StoreError(
                    "something else began to work on the database in the meantime; stop it and run this again"
                )
            with source.write("move_go") as session:
                handover.go(session, copy=copy, to=shown(target.url), now=clock.now())
        _mark(settings, source, target)
        with target.write("move_open") as session:
            is_new = handover.open_here(session, copy=copy, source=shown(source.url), now=clock.now())
            if is_new:
                audit.append(session, actor, "move_finished", now=clock.now(), subject=shown(source.url))
        if not is_new:
            told("this move was finished before; nothing was changed")
        return Moved(shown(source.url), shown(target.url), rows)


def give_up(settings: Settings, actor: Actor, *, clock: Clock) -> str:
    """Give up an unfinished move: the old database sends again; return its address. Raises `StoreError`."""
    with asked_by(actor), _source(settings, clock) as (source, _):
        with source.write("move_undo") as session:
            handover.give_up(session, now=clock.now())
            audit.append(session, actor, "move_undone", now=clock.now())
        return shown(source.url)


def _copy(
    source: Store, target: Store, copy: str, actor: Actor, clock: Clock, told: Callable[[str], None]
) -> Mapping[str, int]:
    name, to = shown(source.url), shown(target.url)
    with source.write("move_leave") as session:
        handover.leave(session, name=name, to=to, now=clock.now())
        audit.append(session, actor, "move", now=clock.now(), subject=to)
    told(f"{name} sends nothing any more; campaigns move --undo gives the move up until it is finished")

    def progress(table: str, count: int) -> None:
        if count % EVERY_ROWS == 0:
            told(f"copied {count:,} rows of {table}")

    with _plainly(to), source.read() as here, target.write("move_copy") as there:
        copying.hold_still(here)
        _refuse_full(there, here, to)
        copying.clear(there)
        rows = copying.copy_all(here, there, progress)
        if of := installation_name(here):  # the status files in the inbox carry this name
            become(there, of, now=clock.now())
        handover.arrive(there, copy=copy, source=name, now=clock.now())
    told(f"copied and compared {sum(rows.values()):,} rows")
    return rows


def _mark(settings: Settings, source: Store, target: Store) -> None:
    """Make every mark catch a backup of the old file, but not quarantine the new database without cause."""
    with target.read() as session:
        last = accounts.last_attempt_id(session)
    if source.sqlite_path is not None:
        FileMarker(beside(source.sqlite_path)).reset(last + 1)
    for marker in _marks(settings, target):
        marker.reset(last)


def _marks(settings: Settings, store: Store) -> list[FileMarker | RedisMarker]:
    """Return the marks with which these settings compare this database. Raises `StoreError` without Redis."""
    marks: list[FileMarker | RedisMarker] = []
    if settings.redis_url:
        client = connect_for_throttle(settings.redis_url)
        try:
            client.ping()
        except redis.RedisError as error:
            raise StoreError(
                f"Redis does not answer ({type(error).__name__}), and it keeps a mark of how far the database is; "
                "start it or correct CAMPAIGNS_REDIS_URL, then run this again"
            ) from None
        marks.append(RedisMarker(client, REDIS_KEY))
    if store.sqlite_path is not None:
        marks.append(FileMarker(beside(store.sqlite_path)))
    return marks


def _refuse_forgetful(marks: list[FileMarker | RedisMarker], last_attempt_id: int) -> None:
    if any(mark.read() > last_attempt_id for mark in marks):
        raise StoreError(f"{PAUSED[PausedBy.QUARANTINE]}; move it afterwards")


def _refuse_full(target: Session, source: Session, name: str) -> None:
    if not copying.is_empty(target) and not handover.is_spare_copy(target, source):
        raise StoreError(f"the database {name} is not empty; move to a new one")


@contextmanager
def _source(settings: Settings, clock: Clock) -> Iterator[tuple[Store, LeaderLock]]:
    """The database of the settings, with no other clock running on it."""
    store = Store(settings.database_url)
    try:
        path = store.sqlite_path
        if path is not None and not path.exists():
            raise StoreError(f"there is no database {path} to move; see CAMPAIGNS_DATABASE_URL")
        schema = health.schema(store)
        if schema.current != schema.head:
            raise StoreError(
                f"the database {shown(store.url)} is at schema {schema.current or 'none'} and not {schema.head}; "
                "bring it up to date first: campaigns migrate"
            )
        with _claimed(store, clock) as lock:
            yield store, lock
    finally:
        store.close()


@contextmanager
def _target(to: str, source: Store, clock: Clock) -> Iterator[Store]:
    """The new database with its tables, with nobody else working on it."""
    try:
        store = Store(to)
    except StoreError as error:
        raise StoreError(_of_target(error)) from None
    try:
        _make_tables(store, source)
        with _claimed(store, clock):
            yield store
    finally:
        store.close()


def _make_tables(store: Store, source: Store) -> None:
    try:
        _refuse_unfit(store, source)  # before anything is created in it: it may belong to somebody else
        migrate(store)
    except sa.exc.OperationalError as error:
        raise StoreError(
            f"the database {shown(store.url)} cannot be opened ({_first_line(error)}); "
            "check --to and that its server runs"
        ) from None
    except StoreError as error:
        raise StoreError(_of_target(error)) from None


def _refuse_unfit(store: Store, source: Store) -> None:
    path = store.sqlite_path
    if path is not None and not path.exists():
        return
    if copying.is_same(store, source):
        raise StoreError(f"{shown(store.url)} is the database that is to be moved; name another one after --to")
    schema = health.schema(store)
    if schema.current not in {None, schema.head}:
        raise StoreError(f"the database {shown(store.url)} is in use, at schema {schema.current}; move to a new one")


def _of_target(error: StoreError) -> str:
    """Return the sentence with `--to` in place of the setting that it assumes."""
    return str(error).replace("CAMPAIGNS_DATABASE_URL", "--to")


@contextmanager
def _claimed(store: Store, clock: Clock) -> Iterator[LeaderLock]:
    lock = leader_lock(store)
    # A killed process releases an SQLite file at once; its lease in PostgreSQL has to run out.
    until_seconds = clock.elapsed_seconds() + (0 if store.is_sqlite else LEASE.total_seconds() + PAUSE_SECONDS)
    while not lock.acquire():
        if clock.elapsed_seconds() >= until_seconds:
            raise StoreError(
                f"{lock.holder() or 'another process'} works on the database {shown(store.url)}; "
                "stop the service and every worker first"
            )
        clock.sleep(PAUSE_SECONDS)
    try:
        yield lock
    finally:
        lock.release()


@contextmanager
def _plainly(name: str) -> Iterator[None]:
    """Report a database error during the copy in one sentence: its details could contain a number or a text."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        raise StoreError(
            f"copying to {name} failed ({_first_line(error)}); nothing was kept of it and neither database sends: "
            "run this again, or give it up with: campaigns move --undo"
        ) from None


def _first_line(error: sa.exc.DBAPIError) -> str:
    return str(error.orig).strip().partition("\n")[0]
