"""Ends runs: nothing is left to send, all receipts are in or following is over, and the books are closed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from campaigns.lifecycle import RecipientState, RunState
from campaigns.sending.backoff import pause_after
from scheduler.ticks.every import Every
from scheduler.ticks.lookups.unread import ReceiptReads
from worker import metrics
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.following.failed_texts import waiting_retries
from worker.store.reports import counts
from worker.store.runs import run_ends, runs
from worker.store.runs.runs import RunView
from worker.store.sending import doubts

COUNT_SHARE: Final = 20
"""Counting a million recipients takes a second: after each count, rest 20 times as long as it took."""

LONGEST_PAUSE_SECONDS: Final = 5.0
"""Without it, one count that took 5 s would keep a finished run open for 100 s."""

LAST_LOOK: Final = timedelta(minutes=10)
"""If the gateway cannot be read when following ends, a run stays open for at most this long."""


@dataclass(slots=True)
class FinishTick:
    """Settles runs that have sent everything; completes those that were followed to their end."""

    receipt_reads: ReceiptReads = field(default_factory=ReceiptReads)
    looks: dict[int, Every] = field(default_factory=dict)  # run id -> when its open receipts are counted again
    last_looks: dict[int, datetime] = field(default_factory=dict)  # run id -> when following ended

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        with runtime.store.read() as session:
            if not run_ends.any_at_work(session, runtime.account_id):
                return {"settled": 0, "finished": 0}
            settleable = [id_ for id_ in run_ends.settleable_runs(session, runtime.account_id) if runtime.includes(id_)]
        if settleable:
            with runtime.store.write("settle") as session:
                for run_id in settleable:
                    run_ends.settle_run(session, run_id, now)
        with runtime.store.read() as session:
            followed = [
                run for run in run_ends.unfinished_runs(session, runtime.account_id) if runtime.includes(run.id)
            ]
            settling = [run.id for run in followed if run.state is RunState.SETTLING and run.is_own]
            with_steps = run_ends.with_open_steps(session, settling)
        self.looks = {run.id: self.looks.get(run.id, Every()) for run in followed}
        self.last_looks = {id_: ended for id_, ended in self.last_looks.items() if id_ in self.looks}
        finished = sum(self._finish(runtime, run, now, has_steps=run.id in with_steps) for run in followed)
        return {"settled": len(settleable), "finished": finished}

    def _finish(self, runtime: Runtime, run: RunView, now: datetime, *, has_steps: bool) -> bool:
        """End the run if it is over, or all of it but its steps; return whether it was finished."""
        if run.followed_at is not None:
            return not has_steps and self._end(runtime, run, now, expires=False, has_steps=False)
        with runtime.store.read() as session:
            in_doubt = doubts.batches_in_doubt(session, [run.id])
            retries = waiting_retries(session, run.id) if run.state is RunState.SETTLING else 0
            waiting = self._waits_for_receipts(runtime, session, run.id)
        over = now >= (run.sent_at or now) + timedelta(seconds=run.follow_seconds)
        if not over:
            self.last_looks.pop(run.id, None)  # it may have sent again since
        if in_doubt or retries or (waiting and not (over and self._has_looked_once_more(runtime, run, now))):
            return False
        return self._end(runtime, run, now, expires=over, has_steps=has_steps)

    def _end(self, runtime: Runtime, run: RunView, now: datetime, *, expires: bool, has_steps: bool) -> bool:
        expired = 0
        end = run_ends.end_following if has_steps else run_ends.finish_run
        with runtime.store.write("finish") as session:
            ended = end(session, run.id, now, sent_at=run.sent_at)
            if ended:  # otherwise it was made to send again after the look above
                runs.cancel_leftovers(session, run.id)
                if expires:
                    expired = run_ends.expire_open(session, run.id)
        metrics.count_texts(run.kind, RecipientState.EXPIRED, None, expired)
        finished = ended and not has_steps
        if finished:
            with runtime.store.read() as session:
                by_state = counts.books(session, run.id).by_state
            get_logger().info(
                "run.finished",
                campaign=run.campaign,
                run=run.id,
                **{s.value: n for s, n in by_state.items()},
            )
        return finished

    def _has_looked_once_more(self, runtime: Runtime, run: RunView, now: datetime) -> bool:
        """Return whether every message was read once after following ended: polls are up to half an hour apart."""
        is_first = run.id not in self.last_looks
        since = self.last_looks.setdefault(run.id, now)
        with runtime.store.read() as session:
            is_read = run_ends.is_read_since(session, run.id, since)
        if is_first or (is_read and self.receipt_reads.failures and now < since + LAST_LOOK):
            with runtime.store.write("last_look") as session:
                run_ends.look_once_more(session, run.id, since)
            return False
        return is_read or now >= since + LAST_LOOK

    def _waits_for_receipts(self, runtime: Runtime, session: Session, run_id: int) -> bool:
        """Return whether receipts may still come; assume so if the run was counted only just now."""
        began = runtime.clock.elapsed_seconds()
        if not self.looks[run_id].is_due(began):
            return True
        waiting = run_ends.open_receipts(session, run_id) > 0
        ended = runtime.clock.elapsed_seconds()
        pause = pause_after(ended - began, share=COUNT_SHARE, longest=LONGEST_PAUSE_SECONDS)
        self.looks[run_id].rest(ended, pause)
        return waiting
