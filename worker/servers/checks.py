"""Checks whether the servers would do what sending needs, for processes that send nothing themselves."""

import errno
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from worker.servers.conditions import ServerTrouble, Trouble, detail_of, sentence, trouble_of
from worker.store.engine import Store

if TYPE_CHECKING:
    import redis

LOOK: Final = "campaigns:look"
"""A key that is written to see whether writing works; it expires a millisecond later."""


PROBE_BYTES: Final = 65_536
"""What is written to see whether there is room: a commit of a request takes a few pages of 4 KiB."""

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
NOT_OURS: Final = frozenset({errno.EACCES, errno.EPERM})
"""What this user may not do says nothing of the service's."""


def write_in(folder: Path) -> None:
    """Write a file that has no name and is gone at once. Raises `OSError` where the folder takes none."""
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        left = PROBE_BYTES
        while left:
            left -= file.write(bytes(left))


def look_at_database(store: Store) -> None:
    """Raises `ServerTrouble` where the database takes no changes: a standby, a full disk, or one that is read-only.

    Raises `DBAPIError` where it does not answer.
    """
    if store.is_sqlite:
        _look_at_folder(store.sqlite_path)
        return
    with store.primary().look() as connection:  # a replica takes none either, and need not
        if connection.execute(sa.text("SELECT current_setting('transaction_read_only')")).scalar_one() == "on":
            raise ServerTrouble(Trouble.DATABASE_READ_ONLY)


def _look_at_folder(database: Path | None) -> None:
    """The disk of an SQLite database, and of the mark beside it."""
    if database is None:
        return
    try:
        write_in(database.parent)
    except OSError as error:
        if error.errno in NOT_OURS:
            return
        trouble = Trouble.DATABASE_FULL if error.errno in FULL else Trouble.DATABASE_FILE
        raise ServerTrouble(trouble, error.strerror or "") from error


def look_at_redis(client: "redis.Redis") -> None:
    """Raise `RedisError` if it accepts no changes or does not answer."""
    client.set(LOOK, 1, px=1)


def troubles_of(store: Store, redis_url: str) -> list[str]:
    """Return a sentence for each server in trouble, the same as in the log of processes that work with it."""
    found = []
    try:
        look_at_database(store)
    except (ServerTrouble, sa.exc.DBAPIError) as error:
        found.append(said(error))
    if redis_url:
        from redis import RedisError  # 142 modules that nobody without Redis needs

        from worker.throttle.redis import connect_for_throttle

        try:
            with closing(connect_for_throttle(redis_url)) as client:
                look_at_redis(client)
        except (RedisError, ValueError) as error:
            found.append(said(error))
    return list(filter(None, found))


def said(error: Exception) -> str:
    """Return the sentence for the condition behind this error; empty for any other kind of error."""
    trouble = trouble_of(error)
    return sentence(trouble, detail_of(error)) if trouble else ""
