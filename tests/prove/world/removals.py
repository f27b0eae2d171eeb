"""What takes a rule of the send protocol away, for `victim --patch tests.prove.world.removals:NAME`: never in the
product.

Each function changes the process that calls it, for good. The last two change only its circumstances, no rule.
"""

import ctypes
import itertools
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlmodel import Session

from campaigns.protocol.verdicts import LookUp, Verdict
from scheduler.ticks.sending import reconcile
from worker import runtime
from worker.gateway import GatewayClient, GatewayError, SendOutcome
from worker.gateway.errors import FailureUnknown
from worker.marker import FileMarker
from worker.sending import dispatch
from worker.sending.outcomes import Outcomes
from worker.store.engine import Store
from worker.store.sending import accepted_before, accounts, intent
from worker.store.sending.intent import Intent
from worker.store.statements import Statement

NUMBER_LOCK: Final = "uq_recipient_in_doubt"

STALL_SECONDS: Final = 12.0
"""Well above the 7 s after which the stage's times let a request be concluded as lost, even on a busy machine."""

STALL_EVERY: Final = 4

PR_SET_PDEATHSIG: Final = 1


def _patch(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    setattr(owner, name, make(getattr(owner, name)))


def _nothing(_: Callable[..., Any]) -> Callable[..., None]:
    return lambda *_args, **_values: None


def _believe(is_proof: Callable[[GatewayError], bool]) -> None:
    """Accept such errors as proof that nothing was sent."""

    def make(record_failure: Callable[..., bool]) -> Callable[..., bool]:
        def record(self: Outcomes, intent: Intent, error: GatewayError) -> bool:
            if is_proof(error):
                error.outcome = SendOutcome.NOT_SENT  # type: ignore[misc]  # a class's constant, changed for one error
            return record_failure(self, intent, error)

        return record

    _patch(Outcomes, "record_failure", make)


def retry_every_error() -> None:
    """Post again, whatever went wrong."""
    _believe(lambda _: True)


def trust_refusals() -> None:
    """Believe that `success: false` means that nothing was stored."""
    _believe(lambda error: isinstance(error, FailureUnknown))


def no_last_check() -> None:
    """Write a request whenever its connection stands: after `send_by`, and after it was concluded as lost."""

    def make(send: Callable[..., Any]) -> Callable[..., Any]:
        def unchecked(self: GatewayClient, *args: Any, **values: Any) -> Any:
            return send(self, *args, **{**values, "before_first_byte": None})

        return unchecked

    _patch(GatewayClient, "send_bulk", make)


def settle_at_once() -> None:
    """Believe the first look that finds nothing."""

    def make(verdict: Callable[..., Verdict]) -> Callable[..., Verdict]:
        def hasty(looks: Sequence[LookUp], *, settled_at: datetime, **rest: Any) -> Verdict:
            return verdict([*looks, replace(looks[-1])], settled_at=min(settled_at, looks[-1].at), **rest)

        return hasty

    _patch(reconcile, "verdict", make)


def no_number_lock() -> None:
    """Let a number be in doubt in several requests at once."""

    def without_index(migrate: Callable[[Store], str]) -> Callable[[Store], str]:
        def make_schema(store: Store) -> str:
            revision = migrate(store)
            with store.engine.begin() as connection:
                connection.execute(text(f"DROP INDEX IF EXISTS {NUMBER_LOCK}"))
            return revision

        return make_schema

    def without_condition(promise: Statement) -> Statement:
        # The statement without its WHERE, and then with all of it except the lock.
        update = promise.clause
        kept = [each for each in update._where_criteria if "NOT IN" not in str(each)]
        update._where_criteria = ()
        return Statement(update.where(*kept))

    _patch(runtime, "migrate", without_index)
    _patch(intent, "PROMISE", without_condition)


def no_quarantine() -> None:
    """Use a database that is behind its marker as it is."""
    _patch(accounts, "quarantine", _nothing)


def keep_nothing() -> None:
    """Ignore what `recover` assigns to nobody, and plan it anew."""
    _patch(accepted_before, "keep", lambda _: lambda *_args: 0)


_open = threading.local()


class _Unfinished(AbstractContextManager[Session]):
    """A transaction that stays open if its block ends well and has something to commit."""

    def __init__(self, transaction: AbstractContextManager[Session]) -> None:
        self._transaction = transaction

    def __enter__(self) -> Session:
        self._session = self._transaction.__enter__()
        return self._session

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool | None:
        if kind is None and self._session.in_transaction():
            self._session.flush()
            _open.transaction = self._transaction
            return None
        return self._transaction.__exit__(kind, error, trace)


def intent_not_committed() -> None:
    """Make the intent durable only with the reply, and do not move the mark outside the database either."""

    def promised(write: Callable[..., AbstractContextManager[Session]]) -> Callable[..., Any]:
        def begin(self: Store, name: str = "unnamed") -> AbstractContextManager[Session]:
            transaction = write(self, name)
            return _Unfinished(transaction) if name == "intent" else transaction

        return begin

    def posted(send: Callable[..., Any]) -> Callable[..., Any]:
        def send_first(self: GatewayClient, *args: Any, **values: Any) -> Any:
            try:
                return send(self, *args, **values)
            finally:
                _open.transaction.__exit__(None, None, None)

        return send_first

    _patch(Store, "write", promised)
    _patch(GatewayClient, "send_bulk", posted)
    _patch(FileMarker, "advance", _nothing)


def stall() -> None:
    """Let every fourth request hang between its intent and its connection, as on a suspended machine."""
    count = itertools.count(1)

    def make(reached: Callable[[str], None]) -> Callable[[str], None]:
        def hang(name: str) -> None:
            if name == "post:before_connect" and next(count) % STALL_EVERY == 0:
                time.sleep(STALL_SECONDS)
            reached(name)

        return hang

    _patch(dispatch, "reached", make)


def end_with_parent() -> None:
    """Ask the system for a SIGKILL when the process that started this one ends, however it ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
