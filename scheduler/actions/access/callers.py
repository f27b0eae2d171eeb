"""Who calls: found by a token, a cookie, or the name that a trusted proxy gives."""

from contextlib import suppress
from datetime import datetime

from campaigns.access import Scope
from scheduler.actions.access.naming import readable_name
from scheduler.actions.access.signing_in import user
from scheduler.actions.acting import Actor, ActorKind
from worker.store.access import sessions, tokens, users
from worker.store.engine import Store
from worker.store.errors import STORE_FAILS


def by_token(store: Store, secret: str, *, origin: str, now: datetime) -> Actor | None:
    """Return the program whose token this is; None: it is unknown, has expired or was removed."""
    with store.look() as connection:
        token = tokens.find(connection, secret, now=now)
    if token is None:
        return None
    if tokens.is_use_to_note(token.last_used_at, now=now):
        # A call is not refused because its use cannot be recorded.
        with suppress(*STORE_FAILS), store.write("note_token") as session:
            tokens.note_use(session, token.id, now=now)
    return Actor(ActorKind.TOKEN, token.name, frozenset(map(Scope, token.scopes)), origin)


def by_session(store: Store, secret: str, *, origin: str, now: datetime) -> Actor | None:
    """Return the user whose cookie this is, with the user's current role; None: the session has ended."""
    with store.look() as connection:
        found = sessions.find(connection, secret, now=now)
    if found is None:
        return None
    if sessions.is_seen_to_note(found.seen_at, now=now):
        with suppress(*STORE_FAILS), store.write("note_session") as session:
            sessions.note_seen(session, secret, now=now)
    return user(found.name, found.role, origin)


def by_name(store: Store, name: str, *, origin: str) -> Actor | None:
    """Return the user whom a trusted proxy names; None: there is none."""
    with store.look() as connection:
        found = users.find(connection, readable_name(name)) if readable_name(name) else None
    return user(found.name, found.role, origin) if found else None
