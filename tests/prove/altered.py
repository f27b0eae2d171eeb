"""The ordinary command line with one thing altered in its process: `python -m tests.prove.altered [ALTERATIONS] -- COMMAND`.

`--without RULE` leaves a rule of the send protocol out (the names of `RULES`), `--clock SECONDS` moves the wall clock,
`--stall SECONDS` lets every fourth request hang before it connects. The process ends with the one that started it.
"""

import argparse
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlmodel import Session

from campaigns import verdicts
from campaigns.clock import SystemClock
from scheduler.cli import main as command_line
from scheduler.ticks import reconcile
from worker import crashpoints, dispatch, runtime
from worker.gateway import GatewayClient, GatewayError, SendOutcome
from worker.gateway.errors import FailureUnknown
from worker.marker import FileMarker
from worker.outcomes import Outcomes
from worker.store import accounts, sending
from worker.store.engine import Store

NUMBER_LOCK: Final = "uq_recipient_in_doubt"
STALL_AT: Final = "post:before_connect"
STALL_EVERY: Final = 4


def patch(owner: Any, name: str, make: Callable[[Any], Any]) -> None:
    """Put what `make` makes of it in the place of `owner.name`, for this process alone."""
    setattr(owner, name, make(getattr(owner, name)))


def _posted_again(believed: Callable[[GatewayError], bool]) -> None:
    """Errors that are `believed` count as a proof that nothing was sent."""

    def make(record_failure: Callable[..., bool]) -> Callable[..., bool]:
        def record(self: Outcomes, intent: sending.Intent, error: GatewayError) -> bool:
            if believed(error):
                error.outcome = SendOutcome.NOT_SENT  # type: ignore[misc]  # a constant of the class, but not here
            return record_failure(self, intent, error)

        return record

    patch(Outcomes, "record_failure", make)


def _retry_every_error() -> None:
    _posted_again(lambda error: True)


def _trust_refusals() -> None:
    _posted_again(lambda error: isinstance(error, FailureUnknown))


class _TimelessClock(SystemClock):
    """No time ever seems to pass."""

    def elapsed_seconds(self) -> float:
        return 0.0


def _no_send_by() -> None:
    def make(post: Callable[..., Any]) -> Callable[..., Any]:
        def timeless(self: Any, *args: Any) -> Any:
            self._clock = _TimelessClock()
            return post(self, *args)

        return timeless

    patch(dispatch.Dispatcher, "_post", make)


def _settle_at_once() -> None:
    def make(verdict: Callable[..., verdicts.Verdict]) -> Callable[..., verdicts.Verdict]:
        def hasty(looks: Sequence[verdicts.LookUp], *, settled_at: datetime, **rest: Any) -> verdicts.Verdict:
            return verdict([*looks, replace(looks[-1])], settled_at=looks[-1].at, **rest)

        return hasty

    patch(reconcile, "verdict", make)


def _no_number_lock() -> None:
    def without_index(migrate: Callable[[Store], str]) -> Callable[[Store], str]:
        def make_schema(store: Store) -> str:
            revision = migrate(store)
            with store.engine.begin() as connection:
                connection.execute(text(f"DROP INDEX IF EXISTS {NUMBER_LOCK}"))
            return revision

        return make_schema

    def without_condition(move: Callable[..., Any]) -> Callable[..., Any]:
        def move_all(to: Any, *where: Any, **values: Any) -> Any:
            return move(to, *(each for each in where if "NOT IN" not in str(each)), **values)

        return move_all

    patch(runtime, "migrate", without_index)
    patch(sending, "move_recipients", without_condition)


def _no_quarantine() -> None:
    patch(accounts, "quarantine", lambda _: lambda *args, **values: None)


_open = threading.local()


def _intent_not_committed() -> None:
    """The intent becomes durable only after the reply, and no mark outside of the database tells of it."""

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

    patch(Store, "write", promised)
    patch(GatewayClient, "send_bulk", posted)
    patch(FileMarker, "advance", lambda _: lambda self, attempt_id: None)


class _Unfinished(AbstractContextManager[Session]):
    """A transaction that stays open when its block ends well and it has anything to commit."""

    def __init__(self, transaction: AbstractContextManager[Session]) -> None:
        self._transaction = transaction

    def __enter__(self) -> Session:
        self._session = self._transaction.__enter__()
        return self._session

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool | None:
        if kind is None and self._session.in_transaction():
            _open.transaction = self._transaction
            return None
        return self._transaction.__exit__(kind, error, trace)


RULES: Final[dict[str, Callable[[], None]]] = {
    "retry every error": _retry_every_error,
    "trust success: false": _trust_refusals,
    "no send_by": _no_send_by,
    "settle at once": _settle_at_once,
    "no number lock": _no_number_lock,
    "no quarantine": _no_quarantine,
    "intent not committed": _intent_not_committed,
}
"""What leaves each rule of the protocol out of this process."""


def move_clock(offset: timedelta) -> None:
    """The wall clock of this process is off by so much; how time passes is not."""
    patch(SystemClock, "now", lambda _: lambda self: datetime.now(UTC) + offset)


def stall(seconds: float) -> None:
    """Every fourth request hangs for so long after its intent: a name server, a suspended machine."""
    count = itertools.count(1)

    def act(name: str) -> None:
        if name == STALL_AT and next(count) % STALL_EVERY == 0:
            time.sleep(seconds)

    crashpoints.arm(act)


def end_with_parent() -> None:
    """The other end of standard input is the parent's: the system closes it however the parent ends."""

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def main(arguments: Sequence[str]) -> None:
    """Alter this process and run the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.prove.altered")
    parser.add_argument("--without", choices=sorted(RULES))
    parser.add_argument("--clock", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--stall", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("command", nargs="+")
    chosen = parser.parse_args(arguments)
    end_with_parent()
    if chosen.without:
        RULES[chosen.without]()
    if chosen.clock:
        move_clock(timedelta(seconds=chosen.clock))
    if chosen.stall:
        stall(chosen.stall)
    sys.argv = ["campaigns", *chosen.command]
    command_line()


if __name__ == "__main__":
    main(sys.argv[1:])
