"""The database of the settings, and the mark that says how far it was."""

from worker.marker import FileMarker, Marker, NoMarker, beside
from worker.servers.troubles import Troubles
from worker.settings.privacy import privacy_key
from worker.settings.settings import Settings, SettingsError
from worker.store.connections.same_database import MIXED, Belonging
from worker.store.engine import Store
from worker.store.errors import NO_KEY
from worker.store.migrate import migrate
from worker.store.people import erased


def open_store(settings: Settings, troubles: Troubles | None = None) -> Store:
    """Return the database with its schema up to date; `troubles` hears of its replica's. Raises `StoreError`."""
    store = Store(settings.database_url, settings.read_database_url, troubles, privacy_key=privacy_key(settings))
    try:
        migrate(store)
    except Exception:
        store.close()
        raise
    return store


def require_privacy(store: Store, settings: Settings) -> None:
    """Raise `StoreError` or `SettingsError` if people were erased, or are to be, and their hashes cannot be made."""
    with store.read() as session:
        erased.require_key(session)
    if settings.keep_people_days is None:
        return
    read = privacy_key(settings)
    if read is None:
        raise SettingsError(f"CAMPAIGNS_KEEP_PEOPLE_DAYS is set, but {NO_KEY}")
    read()


def watch_database(store: Store, marker: Marker, name: str, *, is_behind: bool) -> None:
    """Let the store notice when its database is another one, and keep the mark so that the next process is quarantined.

    `is_behind`: the mark is ahead of the database from the start, which the quarantine reports.
    """
    marker.adopt(name)

    def promised() -> int:
        return marker.promised() if is_behind else max(marker.promised(), marker.read())

    store.belongs(Belonging(name, promised), lambda loss: marker.keep(loss in MIXED))


def marker_of(settings: Settings, store: Store, *, on_redis: bool) -> Marker:
    """Return the mark that says how far the database of the settings was."""
    if on_redis:
        from worker.redis_marker import REDIS_KEY, RedisMarker
        from worker.throttle.redis import connect_for_throttle

        return RedisMarker(connect_for_throttle(settings.redis_url), REDIS_KEY)
    path = store.sqlite_path
    return NoMarker() if path is None else FileMarker(beside(path))
