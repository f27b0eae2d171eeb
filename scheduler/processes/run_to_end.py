"""Runs that a command brings to their end: it sends and follows them itself, or watches while a service does."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from pydantic import SecretStr

from campaigns.codes import PausedBy, RunType
from campaigns.lifecycle import NOT_AT_THE_GATEWAY, RecipientState, RunState
from campaigns.sending.backoff import pause_after
from scheduler.exits import Exit
from scheduler.intake.approving import told_to_approve
from scheduler.loop import Clockwork
from scheduler.processes.leader import LeaderLock, leader_lock
from scheduler.processes.progress import Progress, counted, look
from scheduler.processes.sender_lock import STANDBY_SECONDS, claim_database, is_shared, require_redis, taken
from scheduler.processes.stopping import Stop, stop_signals
from scheduler.ticks.account_probe import TRIAL, account_problem
from scheduler.ticks.table import Ticks
from worker.building import build_runtime
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.settings.settings import Settings
from worker.store.errors import STORE_FAILS
from worker.store.notifications.outbox import GATHERING
from worker.store.runs import held
from worker.store.runs.reminders import unfinished_days
from worker.store.runs.runs import RunView
from worker.store.sending import accounts, queue
from worker.store.steps.planned import steps_of, unfinished_steps

LOOK_SECONDS: Final = 0.2
"""How often progress is read and shown."""

LOOK_SHARE: Final = 20
"""Counting a million recipients takes a second: after a look, rest 20 times as long as it took."""

LONGEST_PAUSE_SECONDS: Final = 5.0
"""Without it, a look that takes 5 s on a slow machine would be followed by 100 s in which nobody sees that the run has
ended."""

PATIENCE: Final = timedelta(seconds=15)
"""How long a due run may wait for the process that has the lock: a service starts one within a second."""

LAST_LOOKS: Final = timedelta(seconds=5)
"""How long a stopped account's requests in doubt are still looked up before `run` gives up."""

BLIND_FOR: Final = 3
"""For how many settling times reads may fail before `run` gives up: somebody waits, and should be told why."""

UNHAPPY: Final = (RecipientState.FAILED, RecipientState.EXPIRED, RecipientState.HELD)

UNUSABLE: Final = frozenset({RecipientState.INVALID, RecipientState.SKIPPED})
"""Rows that were meant to get a text and could not."""

_S = RecipientState
MEANT: Final = frozenset({_S.DUPLICATE, _S.EXCLUDED, _S.SUPPRESSED, _S.CAPPED, _S.HOLDOUT})
"""Rows that get no text on purpose."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How `run_files` ended; `reason` says why it was stopped, in one sentence."""

    exit_code: Exit
    progress: tuple[Progress, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OwnRuns:
    """The tools of a command that sends by itself: a queue of its own, and the runs that it works on (`ids`)."""

    runtime: Runtime
    lock: LeaderLock
    stop: Stop
    ids: set[int]

    def add(self, run: RunView, *, is_planned: bool) -> None:
        """Work on this run and its steps; for a day of reminders that was just planned, on all days of its campaign.

        Steps that are over count, too: an earlier process may have sent them.
        """
        self.ids.add(run.id)
        with self.runtime.store.read() as session:
            self.ids.update(steps_of(session, run.id), unfinished_steps(session, run.id))
        if is_planned and run.type is RunType.REMINDER_DAY:
            with self.runtime.store.read() as session:
                self.ids.update(unfinished_days(session, run.campaign_id))


@contextmanager
def own_runs(
    settings: Settings, sandbox: tuple[str, SecretStr] | None, *, beside_service: bool = False
) -> Iterator[OwnRuns]:
    """The tools of a command, without runs yet, closed when the block ends. SIGINT and SIGTERM are handled meanwhile.

    With `beside_service`, a service may have the database: then the service sends, and the command watches. Raises
    `SettingsError` if it may not, or if a setting is missing, and `StoreError`.
    """
    if settings.redis_url and sandbox is None:
        require_redis(settings)
    ids: set[int] = set()
    runtime = build_runtime(settings, sandbox=sandbox, shared_queue=False, only_runs=frozenset())
    looks_on = beside_service and not runtime.rehearsal
    try:
        lock = leader_lock(runtime.store, runtime.troubles) if looks_on else claim_database(runtime)
        try:
            with stop_signals() as stop:
                yield OwnRuns(runtime, lock, stop, ids)
        finally:
            lock.release()
    finally:
        runtime.close()


def account_stop(runtime: Runtime) -> str:
    """Return why nothing can be sent now; a paused account is probed at once, because somebody is waiting."""
    with runtime.store.read() as session:
        account = accounts.account_view(session, runtime.account_id)
    if not account.is_paused:
        return ""
    if account.next_probe_at is None:
        return account.paused_reason
    problem = account_problem(runtime)
    if not problem:
        with runtime.store.write("probe_now") as session:
            accounts.resume_account(session, runtime.account_id)
            accounts.note_probe(session, runtime.account_id, runtime.clock.now() + TRIAL)
    return problem


def bring_to_end(own: OwnRuns, shown: Callable[[Sequence[Progress]], None]) -> Outcome:
    """Send and follow the runs of this process; if another process has the lock, that one does it and this one watches.

    If the other process ends, this one takes over. If it leaves due runs untouched, it does not send them: they are
    given up.
    """
    runtime = own.runtime
    outcome = _work(_Sender(own), shown)
    return replace(outcome, progress=counted(runtime, outcome.progress))


class _Sender:
    """What this process sends with, from the moment it may."""

    def __init__(self, own: OwnRuns) -> None:
        self.own = own
        self.ticks = Ticks()
        self._clockwork: Clockwork | None = None
        self._next_try_seconds = own.runtime.clock.elapsed_seconds()

    def may_work(self) -> bool:
        """Begin, or try again from time to time; return whether this process sends."""
        now = self.own.runtime.clock.elapsed_seconds()
        if self._clockwork is None and now >= self._next_try_seconds:
            self._next_try_seconds = now + STANDBY_SECONDS
            if is_shared(self.own.runtime) or self.own.lock.acquire():
                self._begin()
        return self._clockwork is not None

    def _begin(self) -> None:
        runtime, ids = self.own.runtime, self.own.ids
        with runtime.store.write("requeue_mine") as session:
            # Whatever an earlier process had in its own queue ended with it.
            queue.requeue_runs(session, sorted(ids))
        runtime.queue.work(runtime.settings.threads)
        self._clockwork = Clockwork(
            runtime, self.ticks.for_runs(ids), self.ticks.rush, renew=lambda: Ticks(self.ticks).for_runs(ids)
        )
        self._clockwork.start()

    def stop(self) -> None:
        if self._clockwork is not None:
            self._clockwork.stop()
            self.own.runtime.queue.stop()

    def tell_the_rest(self) -> None:
        """Send the remaining notifications; what is not accepted now waits in the database for the next process."""
        mine = replace(self.own.runtime, only_runs=frozenset(self.own.ids))
        try:
            self.ticks.notices(mine, mine.clock.now(), ahead=GATHERING)
        except STORE_FAILS as error:
            get_logger().warning("notices.failed", problem=type(error).__name__)

    def left_lying(self, progress: Sequence[Progress]) -> str:
        """Return why nothing happens although a run is due and another process has the lock; empty while it works."""
        now = self.own.runtime.clock.now()
        waiting = (p.run for p in progress if p.run.state is RunState.SCHEDULED and p.run.root_id is None)
        due = any(run.starts_at + PATIENCE < now for run in waiting)
        return f"{taken(self.own.runtime, self.own.lock.holder())}; it does not send this" if due else ""


def _work(hands: _Sender, shown: Callable[[Sequence[Progress]], None]) -> Outcome:
    runtime, stop, ids = hands.own.runtime, hands.own.stop, hands.own.ids
    began_at, settle = runtime.clock.now(), timedelta(seconds=runtime.settings.settle_seconds)
    try:
        stopped_since = None
        while True:
            is_working = hands.may_work()
            began = runtime.clock.elapsed_seconds()
            progress = look(runtime, ids)
            shown(progress)
            took = runtime.clock.elapsed_seconds() - began
            pause = pause_after(took, share=LOOK_SHARE, longest=LONGEST_PAUSE_SECONDS, shortest=LOOK_SECONDS)
            unapproved = {p.run.id for p in progress if p.awaits}
            if all(
                p.run.finished_at is not None or unapproved.intersection({p.run.id, p.run.root_id}) for p in progress
            ):
                waits = " ".join(told_to_approve(p.run, p.awaits) for p in progress if p.awaits)
                return Outcome(Exit.STOPPED if waits else _verdict(runtime, progress), progress, waits)
            if stop.wait(pause):
                break
            if not is_working and (lying := hands.left_lying(progress)):
                return Outcome(Exit.STOPPED, progress, lying)
            now = runtime.clock.now()
            reason = stopped_by(progress, hands.ticks.first_look.given_up, now)
            if blind := _blind(progress, since=began_at, before=now - BLIND_FOR * settle):
                return Outcome(Exit.STOPPED, progress, blind)
            stopped_since = (stopped_since or now) if reason else None
            # Requests in doubt are looked up first: most are decided by the first look.
            if stopped_since is not None and (
                not any(p.in_flight for p in progress) or now - stopped_since > LAST_LOOKS
            ):
                return Outcome(Exit.STOPPED, progress, reason)
    finally:
        hands.stop()
        if not stop.is_set():
            hands.tell_the_rest()
    return Outcome(Exit.INTERRUPTED, look(runtime, ids))


def stopped_by(progress: Sequence[Progress], unheard: str, now: datetime) -> str:
    """Why nothing more can be sent, by the gateway's doing; empty while it can. `unheard`: why no run starts."""
    for p in progress:
        unsent = any(p.books.by_state.get(state) for state in NOT_AT_THE_GATEWAY)
        if p.account_reason and p.run.finished_at is None and unsent:
            return p.account_reason
        if p.run.paused_by not in {PausedBy.NOBODY, PausedBy.PERSON}:
            return f"{p.run.campaign} was paused ({p.run.reason}); resume it with: campaigns resume {p.run.campaign}"
    due = {p.run.state for p in progress if p.run.starts_at <= now and p.run.root_id is None}
    return unheard if RunState.SCHEDULED in due and RunState.RUNNING not in due else ""


def _blind(progress: Sequence[Progress], *, since: datetime, before: datetime) -> str:
    """Return why waiting for what is in doubt is useless; empty while it is not, or while anything else can be sent.

    Only looks `since` this process began count, and only if none of them read everything after `before`: one failed
    read proves nothing, however old the request is.
    """
    for p in progress:
        is_all = p.in_flight >= queue.DOUBTS_PER_ACCOUNT or not p.books.by_state.get(RecipientState.PENDING)
        if is_all and p.unread is not None and p.unread.looked_at >= since and max(p.unread.since, since) < before:
            return (
                f"the gateway cannot be asked what became of {p.run.campaign}'s requests in doubt: {p.unread.problem} "
                "Look with `campaigns doctor`, and run the same command again."
            )
    return ""


def _verdict(runtime: Runtime, progress: Sequence[Progress]) -> Exit:
    states = {state for p in progress for state, count in p.books.by_state.items() if count}
    nobody = states & UNUSABLE and states <= UNUSABLE | MEANT  # a table with nobody to send to is not a success
    if nobody or states.intersection(UNHAPPY):
        return Exit.UNHAPPY
    with runtime.store.read() as session:  # a held request to a contact list has no recipients yet
        return Exit.UNHAPPY if any(held.held_lists(session, p.run.id) for p in progress) else Exit.DONE
