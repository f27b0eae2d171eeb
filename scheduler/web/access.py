"""Who calls: a program with a token."""

from typing import Final

from starlette.requests import HTTPConnection

from campaigns.access import Scope
from scheduler.actions.acting import Actor, ActorKind
from worker.runtime import Runtime
from worker.store.access import tokens

BEARER: Final = "bearer"


def authenticate(connection: HTTPConnection) -> Actor | None:
    """Return who makes this call; None: nobody who is known. The app's state has the `runtime`."""
    runtime: Runtime = connection.app.state.runtime
    scheme, _, secret = connection.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != BEARER:
        return None
    with runtime.store.look() as session:
        token = tokens.find(session, secret.strip(), now=runtime.clock.now())
    if token is None:
        return None
    origin = connection.client.host if connection.client else ""
    return Actor(ActorKind.TOKEN, token.name, frozenset(map(Scope, token.scopes)), origin)
