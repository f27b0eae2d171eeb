"""Signing in and out. Every sign-in and every failure is in the audit; no password is anywhere."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from campaigns.access import SCOPES_OF, Role
from scheduler.actions.access.naming import readable_name
from scheduler.actions.acting import Actor, ActorKind, acting, nothing_done
from worker.store.access import passwords, sessions, users
from worker.store.engine import Store

FIRST_NAME: Final = "first-run"
"""Who signed in with the link that is printed while there is no user."""

FIRST_ROLE: Final = Role.OPERATOR

UNKNOWN: Final = "unknown"
"""Stands in the audit for a name that no user has: people type passwords into the field of the name."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Who signed in; `secret` is what the cookie is to hold."""

    name: str
    role: Role
    secret: str


def sign_in(
    store: Store, name: str, password: str, *, origin: str, replaces: str = "", now: datetime
) -> SignedIn | None:
    """Begin a session of a user; None: the name or the password is wrong, which takes the same time.

    `replaces`: the session that this browser had, which ends. `origin`: the address that it came from.
    """
    name = readable_name(name)
    with store.look() as connection:
        known = users.credentials(connection, name)
    if not passwords.is_right(password, known.password_hash if known else None) or known is None:
        _failed(store, name if known else UNKNOWN, origin, now)
        return None
    with acting(store, user(name, known.role, origin), "sign_in", subject=name, now=now) as session:
        if users.credentials(session, name, lock=True) != known:
            nothing_done(session)  # removed or changed while the password was checked
            return None
        sessions.end(session, replaces, now=now)
        secret = sessions.create(session, known.user_id, name, known.role, now=now)
        return SignedIn(name, known.role, secret)


def sign_in_first(store: Store, *, origin: str, replaces: str = "", now: datetime) -> SignedIn | None:
    """Begin a session for the first-run link; None: there is a user by now, so nobody else gets in."""
    with acting(store, user(FIRST_NAME, FIRST_ROLE, origin), "sign_in_first", subject=FIRST_NAME, now=now) as session:
        if users.is_anybody(session):
            nothing_done(session)
            return None
        sessions.end(session, replaces, now=now)
        secret = sessions.create(session, None, FIRST_NAME, FIRST_ROLE, now=now)
        return SignedIn(FIRST_NAME, FIRST_ROLE, secret)


def sign_out(store: Store, actor: Actor, secret: str, *, now: datetime) -> None:
    """End the session with this secret."""
    with acting(store, actor, "sign_out", subject=actor.name, now=now) as session:
        sessions.end(session, secret, now=now)


def is_nobody_there(store: Store) -> bool:
    """Return whether there is no user yet."""
    with store.look() as connection:
        return not users.is_anybody(connection)


def user(name: str, role: Role, origin: str) -> Actor:
    """Return the actor that a user of this role is."""
    return Actor(ActorKind.USER, name, SCOPES_OF[role], origin)


def _failed(store: Store, name: str, origin: str, now: datetime) -> None:
    actor = Actor(ActorKind.USER, name, frozenset(), origin)
    with acting(store, actor, "sign_in_failed", subject=name, now=now):
        pass
