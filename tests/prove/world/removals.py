"""What takes a rule of the send protocol away, for `victim --patch tests.prove.world.removals:NAME`: never in the
product.

Each function changes the process that calls it, for good. The last three change only its circumstances, no rule.
"""

import ctypes
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import text
from sqlmodel import Session

from campaigns.protocol.verdicts import LookUp, Verdict
from scheduler.ticks.sending import reconcile
from worker import database
from worker.gateway import GatewayClient, GatewayError, SendOutcome
from worker.gateway.errors import FailureUnknown
from worker.limits.ledger import StoreLedger
from worker.marker import FileMarker
from worker.sending import dispatch
from worker.sending.outcomes import Outcomes
from worker.store.engine import Store
from worker.store.sending import accepted_before, accounts, intent, outcome
from worker.store.sending.intent import Intent
from worker.store.statements import Statement
from worker.throttle.memory import InMemoryThrottle

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


def trust_allow_list() -> None:
    """Believe that what the allow-list calls a refusal was not stored."""
    _believe(lambda error: error.outcome not in {SendOutcome.UNKNOWN, SendOutcome.NOT_SENT})


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


def no_control() -> None:
    """Believe whole reads that show nothing, whether or not they would have shown anything."""

    def make(verdict: Callable[..., Verdict]) -> Callable[..., Verdict]:
        def trusting(looks: Sequence[LookUp], **rest: Any) -> Verdict:
            return verdict([replace(look, control=True) for look in looks], **rest)

        return trusting

    _patch(reconcile, "verdict", make)


def _without(update: sa.Update, part: str) -> Statement:
    """The statement without the conditions in which this stands: first without its WHERE, then with all others."""
    kept = [each for each in update._where_criteria if part not in str(each)]
    update._where_criteria = ()
    return Statement(update.where(*kept))


def close_twice() -> None:
    """Record an outcome although another one was recorded before."""
    _patch(outcome, "CLOSE_ATTEMPT", lambda closing: _without(closing.clause, "attempt.state"))


def no_opt_out_in_intent() -> None:
    """Look at the list of opt-outs in plans alone."""
    _patch(intent, "PROMISE", lambda promise: _without(promise.clause, "suppression"))


def no_limit() -> None:
    """Grant every request at once."""

    def make(reserve: Callable[..., Any]) -> Callable[..., Any]:
        return lambda self, cost_segments, _limits, **rest: reserve(self, cost_segments, [], **rest)

    _patch(InMemoryThrottle, "reserve", make)


def no_fence() -> None:
    """Let whoever once held the lease write on."""
    _patch(Store, "fenced", lambda _: lambda self, _fence: self)


def forget_grants() -> None:
    """Begin every limit anew when the process begins."""
    _patch(StoreLedger, "__call__", lambda _: lambda *_args: [])


def no_number_lock() -> None:
    """Let a number be in doubt in several requests at once."""

    def without_index(migrate: Callable[[Store], str]) -> Callable[[Store], str]:
        def make_schema(store: Store) -> str:
            revision = migrate(store)
            with store.engine.begin() as connection:
                connection.execute(text(f"DROP INDEX IF EXISTS {NUMBER_LOCK}"))
            return revision

        return make_schema

    _patch(database, "migrate", without_index)
    _patch(intent, "PROMISE", lambda promise: _without(promise.clause, "NOT IN"))


def no_quarantine() -> None:
    """Use a database that is behind its marker as it is."""
    _patch(accounts, "quarantine", _nothing)


def keep_nothing() -> None:
    """Ignore what `recover` assigns to nobody, and plan it anew."""
    _patch(accepted_before, "keep", lambda _: lambda *_args: 0)


_open = threading.local()


class _Unfinished(AbstractContextManager[Session]):
    """A transaction that stays open if its block ends well and has promised a request."""

    def __init__(self, transaction: AbstractContextManager[Session]) -> None:
        self._transaction = transaction

    def __enter__(self) -> Session:
        _open.promises = False
        return self._transaction.__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool | None:
        if kind is None and _open.promises:
            _open.transaction = self._transaction
            return None
        return self._transaction.__exit__(kind, error, trace)


def intent_not_committed() -> None:
    """Make the intent durable only with the reply, and do not move the mark outside the database either."""

    def promised(write: Callable[..., AbstractContextManager[Session]]) -> Callable[..., Any]:
        def begin(self: Store, name: str = "unnamed", *, is_short: bool = False) -> AbstractContextManager[Session]:
            # Not in a group with others, who would wait for its commit.
            is_intent = name == "intent"
            transaction = write(self, name, is_short=is_short and not is_intent)
            return _Unfinished(transaction) if is_intent else transaction

        return begin

    def noted(record_intent: Callable[..., Any]) -> Callable[..., Any]:
        def record(*args: Any, **values: Any) -> Any:
            found = record_intent(*args, **values)
            _open.promises = isinstance(found, Intent)
            return found

        return record

    def posted(send: Callable[..., Any]) -> Callable[..., Any]:
        def send_first(self: GatewayClient, *args: Any, **values: Any) -> Any:
            try:
                return send(self, *args, **values)
            finally:
                _open.transaction.__exit__(None, None, None)

        return send_first

    _patch(Store, "write", promised)
    _patch(dispatch, "record_intent", noted)
    _patch(dispatch, "may_still_send", lambda _: lambda *_args: True)  # nobody else sees the attempt
    _patch(GatewayClient, "send_bulk", posted)
    _patch(FileMarker, "advance", _nothing)


def suspend_before_verdict() -> None:
    """Stop this process once, between its first decisive look at a request and the transaction that records it."""
    count = itertools.count()

    def make(verdict: Callable[..., Verdict]) -> Callable[..., Verdict]:
        def suspended(*args: Any, **values: Any) -> Verdict:
            concluded = verdict(*args, **values)
            if concluded is not Verdict.WAIT and next(count) == 0:
                os.kill(os.getpid(), signal.SIGSTOP)
            return concluded

        return suspended

    _patch(reconcile, "verdict", make)


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
