"""`users`: who may sign in, and what they may do."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlmodel import Session

from campaigns.access import Role
from scheduler.actions.access.naming import known_name
from scheduler.actions.acting import Actor, acting, audited
from scheduler.actions.refusals import Refusal, Refused
from worker.store.access import passwords, users
from worker.store.access.users import UserView
from worker.store.engine import Store

SHORTEST: Final = 12
"""Of a password, in characters. Length is what makes guessing hopeless; rules about digits make passwords worse."""


def list_users(store: Store | None) -> Sequence[UserView]:
    """Return every user, by name; `store` None: there is no database yet."""
    if store is None:
        return []
    with store.read() as session:
        return users.listed(session)


def add_user(
    store: Store,
    actor: Actor,
    name: str,
    role: Role,
    password: str | None,
    *,
    is_first: bool = False,
    now: datetime,
) -> str:
    """Add a user and return the name as it is stored. Raises `Refused`.

    `password` None: the user cannot sign in with one, and comes through a trusted proxy. `is_first`: only while there
    is no user.
    """
    name, hash_ = known_name(name), "" if password is None else _hashed(password)
    with acting(store, actor, "add_user", subject=name, now=now) as session:
        if is_first and users.is_anybody(session):
            raise Refused(Refusal.WRONG_STATE, "there is a user already, who can add others")
        if not users.add(session, name, role, hash_, by=actor.name, now=now):
            command = f"to change the role: campaigns users set-role {name} ROLE"
            raise Refused(Refusal.WRONG_STATE, f"there is a user {name} already", command=command)
        audited(session, role=role.value)
    return name


def set_role(store: Store, actor: Actor, name: str, role: Role, *, is_last_meant: bool = False, now: datetime) -> None:
    """Change the role of a user: at once, also where somebody is signed in. Raises `Refused`.

    `is_last_meant`: also of the last admin.
    """
    name = known_name(name)
    with acting(store, actor, "set_role", subject=name, now=now) as session:
        if role is not Role.ADMIN and not is_last_meant:
            _refuse_last_admin(session, name)
        _require(users.set_role(session, name, role), name)
        audited(session, role=role.value)


def set_password(store: Store, actor: Actor, name: str, password: str, *, now: datetime) -> None:
    """Change the password of a user, and end every session that the user has. Raises `Refused`."""
    name, hash_ = known_name(name), _hashed(password)
    with acting(store, actor, "set_password", subject=name, now=now) as session:
        _require(users.set_password(session, name, hash_, now=now), name)


def remove_user(store: Store, actor: Actor, name: str, *, is_last_meant: bool = False, now: datetime) -> None:
    """Remove a user, and end all sessions of the user; `is_last_meant`: also the last admin. Raises `Refused`."""
    name = known_name(name)
    with acting(store, actor, "remove_user", subject=name, now=now) as session:
        if not is_last_meant:
            _refuse_last_admin(session, name)
        _require(users.remove(session, name, now=now), name)


def _refuse_last_admin(session: Session, name: str) -> None:
    if users.is_last_admin(session, name):
        sentence = f"{name} is the only admin; add another one first"
        raise Refused(Refusal.WRONG_STATE, sentence, command="or use --yes")


def _hashed(password: str) -> str:
    if len(password) < SHORTEST:
        raise Refused(Refusal.INVALID, f"a password has at least {SHORTEST} characters", field="password")
    if len(password) > passwords.LONGEST:
        raise Refused(Refusal.INVALID, f"a password has at most {passwords.LONGEST} characters", field="password")
    return passwords.hashed(password)


def _require(is_known: bool, name: str) -> None:
    if not is_known:
        raise Refused(Refusal.UNKNOWN_USER, f"there is no user {name}", command="list them with: campaigns users list")
