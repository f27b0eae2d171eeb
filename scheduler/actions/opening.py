"""The database for actions: nothing is made or upgraded on the way, unless something has to be stored."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from scheduler.actions.refusals import Refusal, Refused
from worker.marker import FileMarker, beside
from worker.settings.privacy import privacy_key
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.errors import DatabaseLost, Loss
from worker.store.relocation.handover import require_here

NOTHING_YET = "there are no campaigns yet; drop a file into the inbox, or run one: campaigns run FILE"


@contextmanager
def existing_store(settings: Settings, *, replica_url: str = "") -> Iterator[Store | None]:
    """The database, or None if nothing was ever stored in it. Raises `StoreError`, also if it has disappeared.

    `replica_url`: where what is only shown may be read.
    """
    store = Store(settings.database_url, replica_url, privacy_key=privacy_key(settings))
    try:
        path = store.sqlite_path
        if path is not None and not path.exists():
            if FileMarker(beside(path)).read():
                raise DatabaseLost(store.url, Loss.GONE)
            if not path.parent.is_dir():
                advice = "make it, or set CAMPAIGNS_DATABASE_URL"
                raise Refused(Refusal.INVALID, f"the folder of the database, {path.parent}, does not exist: {advice}")
            yield None
            return
        with store.read() as session:
            is_empty = not sa.inspect(session.connection()).has_table("run")
        yield None if is_empty else store
    finally:
        store.close()


@contextmanager
def campaign_store(settings: Settings) -> Iterator[Store]:
    """Like `existing_store`, for actions on a named campaign. Raises `Refused` if there is no database yet."""
    with existing_store(settings) as store:
        yield required(store)


def required(store: Store | None) -> Store:
    """Return the database. Raises `Refused` if there is none yet."""
    if store is None:
        raise Refused(Refusal.NOTHING_YET, NOTHING_YET)
    return store


@contextmanager
def report_store(settings: Settings, tell: Callable[[str], object]) -> Iterator[Store | None]:
    """Like `existing_store`, for what only shows: it may be read from the replica, whose trouble is told at the end."""
    with existing_store(settings, replica_url=settings.read_database_url) as store:
        yield store and store.from_replica()
        if store is not None and store.replica is not None and store.replica.trouble is not None:
            tell(f"warning: {store.replica.trouble}")


@contextmanager
def own_store(settings: Settings) -> Iterator[Store]:
    """The database with its schema up to date, made if there is none. Raises `StoreError`."""
    from worker.database import open_store  # what migrates, which no reader needs

    store = open_store(settings)
    try:
        require_here(store)
        yield store
    finally:
        store.close()
