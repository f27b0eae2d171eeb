"""Actions that a program asks for by a key of its own: one effect and one answer, however often it asks."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from scheduler.actions.acting import joined
from scheduler.actions.refusals import Refusal, Refused
from worker.store.access import calls
from worker.store.access.calls import KeptCall
from worker.store.engine import Store

WAIT_SECONDS: Final = 5
"""How long a call waits for another one with its key. Then its caller is told to come back."""

_LOCK_TIMEOUT: Final = "55P03"
"""PostgreSQL's code for a lock that was waited for in vain."""


@dataclass(frozen=True, slots=True)
class KeyedCall:
    """A call. `key` is unique for its `caller`; `digest` is that of everything that is asked for."""

    caller: str
    key: str
    digest: str


@dataclass(frozen=True, slots=True)
class MadeCall:
    """The answer of a call; `is_news`: it did something just now."""

    answer: str
    is_news: bool


def made_before(store: Store, call: KeyedCall) -> MadeCall | None:
    """Return the answer of this call if it was made. Raises `Refused` if its key was used for another one."""
    with store.look() as connection:
        found = calls.find(connection, call.caller, call.key)
    return None if found is None else _again(found, call)


def make_once(store: Store, call: KeyedCall, act: Callable[[], str], *, now: datetime) -> MadeCall:
    """Do it and return its answer, or return the answer that it had before. Raises `Refused`.

    `act` is one action, whose transaction also keeps the answer. What `act` raises undoes all of it: a call that was
    refused has changed nothing, and its key can be used again.
    """
    if (known := made_before(store, call)) is not None:
        return known
    try:
        with store.write("call_once") as session:
            digest, wait = call.digest, WAIT_SECONDS
            if not calls.claim(session, call.caller, call.key, request_digest=digest, wait_seconds=wait, now=now):
                found = calls.find(session, call.caller, call.key)
                if found is None:
                    raise LookupError("the answer of a call that was made is gone")
                return _again(found, call)
            with joined(session):
                answer = act()
            calls.keep(session, call.caller, call.key, answer=answer)
            return MadeCall(answer, is_news=True)
    except sa.exc.OperationalError as error:
        if getattr(error.orig, "sqlstate", "") != _LOCK_TIMEOUT:
            raise
        sentence = "the call with this Idempotency-Key is still in progress; send it again to get its answer"
        raise Refused(Refusal.UNDER_WAY, sentence) from None


def _again(found: KeptCall, call: KeyedCall) -> MadeCall:
    if found.request_digest != call.digest:
        sentence = "this Idempotency-Key was used for another call: use a new key for each call"
        raise Refused(Refusal.KEY_REUSED, sentence)
    return MadeCall(found.answer, is_news=False)
