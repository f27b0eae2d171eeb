"""`tokens`: keys for programs."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from campaigns.access import Scope
from scheduler.actions.access.naming import known_name
from scheduler.actions.acting import Actor, acting, audited
from scheduler.actions.refusals import Refusal, Refused
from worker.store.access import tokens
from worker.store.access.tokens import TokenView
from worker.store.engine import Store


def list_tokens(store: Store | None) -> Sequence[TokenView]:
    """Return every token that was not removed, by name; `store` None: there is no database yet."""
    if store is None:
        return []
    with store.read() as session:
        return tokens.listed(session)


def known_scopes(text: str) -> frozenset[Scope]:
    """Return the scopes of a list with commas. Raises `Refused` for an unknown one, or for none."""
    words = list(filter(None, (word.strip().lower() for word in text.split(","))))
    known = set(Scope)
    if not words or (unknown := [word for word in words if word not in known]):
        wrong = f"{unknown[0]} is not a scope" if words else "a token needs a scope"
        raise Refused(Refusal.INVALID, f"{wrong}; there are {', '.join(Scope)}", field="scope")
    return frozenset(map(Scope, words))


def add_token(
    store: Store,
    actor: Actor,
    name: str,
    scopes: Collection[Scope],
    *,
    lasts: timedelta | None = None,
    recipients_daily: int | None = None,
    now: datetime,
) -> str:
    """Make a token and return it: it is stored nowhere. Raises `Refused`. `lasts` None: until it is removed."""
    name, expires_at = known_name(name), None if lasts is None else now + lasts
    if recipients_daily is not None and recipients_daily < 1:
        raise Refused(Refusal.INVALID, "must be 1 or more", field="recipients-daily")
    with acting(store, actor, "add_token", subject=name, now=now) as session:
        secret = tokens.create(
            session,
            name,
            scopes,
            recipients_daily=recipients_daily,
            expires_at=expires_at,
            by=actor.name,
            now=now,
        )
        if not secret:
            sentence = f"there is a token {name} already; to replace it: campaigns tokens remove {name}"
            raise Refused(Refusal.WRONG_STATE, sentence)
        audited(session, scopes=sorted(scopes), recipients_daily=recipients_daily, expires_at=expires_at)
    return secret


def remove_token(store: Store, actor: Actor, name: str, *, now: datetime) -> None:
    """Remove a token: it is refused from the next call on. Raises `Refused`."""
    name = known_name(name)
    with acting(store, actor, "remove_token", subject=name, now=now) as session:
        if not tokens.end(session, name, now=now):
            raise Refused(Refusal.UNKNOWN_TOKEN, f"there is no token {name}; campaigns tokens list shows all")
