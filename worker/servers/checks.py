"""Checks whether the servers would do what sending needs, for processes that send nothing themselves."""

from contextlib import closing
from typing import Final

import redis
import sqlalchemy as sa

from worker.servers.conditions import ServerTrouble, Trouble, detail_of, sentence, trouble_of
from worker.store.engine import Store
from worker.throttle import connect_for_throttle

LOOK: Final = "campaigns:look"
"""A key that is written to see whether writing works; it expires a millisecond later."""


def look_at_database(store: Store) -> None:
    """Raise `ServerTrouble` if PostgreSQL accepts no changes, like a standby; `DBAPIError` if it does not answer."""
    if store.is_sqlite:
        return
    with store.look() as session:
        if session.execute(sa.text("SELECT current_setting('transaction_read_only')")).scalar_one() == "on":
            raise ServerTrouble(Trouble.DATABASE_READ_ONLY)


def look_at_redis(client: redis.Redis) -> None:
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
        try:
            with closing(connect_for_throttle(redis_url)) as client:
                look_at_redis(client)
        except (redis.RedisError, ValueError) as error:
            found.append(said(error))
    return list(filter(None, found))


def said(error: Exception) -> str:
    """Return the sentence for the condition behind this error; empty for any other kind of error."""
    trouble = trouble_of(error)
    return sentence(trouble, detail_of(error)) if trouble else ""
