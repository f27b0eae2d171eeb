"""Ending runs: nothing left to send, every receipt in or following over, and the books closed."""

from datetime import datetime, timedelta
from typing import Final

from sqlmodel import Session

from campaigns.backoff import pause_after
from campaigns.lifecycle import RunState
from scheduler.ticks.follow import FOLLOW
from scheduler.ticks.unread import reads_fail
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store import counts, doubts, ending, runs
from worker.store.retries import waiting_retries
from worker.store.runs import RunView

COUNT_SHARE: Final = 20
"""Counting a million recipients takes a second: a count is followed by a pause 20 times as long as it took."""

LONGEST_PAUSE_SECONDS: Final = 5.0
"""One that took 5 s once would keep a run that is over open for 100 s."""

LAST_LOOK: Final = timedelta(minutes=10)
"""A gateway that cannot be read when following ends keeps a run open for no longer than this."""


def finish(runtime: Runtime, now: datetime) -> dict[str, int]:
    """Settle runs that have sent everything; complete those that are followed to their end."""
    with runtime.store.read() as session:
        if not ending.any_at_work(session, runtime.account_id):
            return {"settled": 0, "finished": 0}
        settleable = [id_ for id_ in ending.settleable_runs(session, runtime.account_id) if runtime.includes(id_)]
    if settleable:
        with runtime.store.write("settle") as session:
            for run_id in settleable:
                ending.settle_run(session, run_id, now)
    with runtime.store.read() as session:
        followed = [run for run in runs.unfinished_runs(session, runtime.account_id) if runtime.includes(run.id)]
    finished = sum(_finish(runtime, run, now) for run in followed)
    return {"settled": len(settleable), "finished": finished}


def _finish(runtime: Runtime, run: RunView, now: datetime) -> bool:
    with runtime.store.read() as session:
        in_doubt = doubts.batches_in_doubt(session, [run.id])
        retries = waiting_retries(session, run.id) if run.state is RunState.SETTLING else 0
        waiting = _waits_for_receipts(runtime, session, run.id)
    over = now >= (run.sent_at or now) + timedelta(seconds=run.follow_seconds)
    if not over:
        runtime.last_looks.pop(run.id, None)  # it may have sent again since
    if in_doubt or retries or (waiting and not (over and _has_looked_once_more(runtime, run, now))):
        return False
    with runtime.store.write("finish") as session:
        finished = ending.finish_run(session, run.id, now, sent_at=run.sent_at)
        if finished:  # else somebody let it send again since the look above
            runs.cancel_leftovers(session, run.id)
            if over:
                ending.expire_open(session, run.id)
    if finished:
        runtime.last_looks.pop(run.id, None)
        with runtime.store.read() as session:
            by_state = counts.books(session, run.id).by_state
        get_logger().info(
            "run.finished",
            campaign=run.campaign,
            run=run.id,
            **{s.value: n for s, n in by_state.items()},
        )
    return finished


def _has_looked_once_more(runtime: Runtime, run: RunView, now: datetime) -> bool:
    """Whether every message was read once after following ended: polls lie up to half an hour apart."""
    is_first = run.id not in runtime.last_looks
    since = runtime.last_looks.setdefault(run.id, now)
    with runtime.store.read() as session:
        is_read = ending.is_read_since(session, run.id, since)
    if is_first or (is_read and reads_fail(runtime, FOLLOW) and now < since + LAST_LOOK):
        with runtime.store.write("last_look") as session:
            ending.look_once_more(session, run.id, since)
        return False
    return is_read or now >= since + LAST_LOOK


def _waits_for_receipts(runtime: Runtime, session: Session, run_id: int) -> bool:
    """Whether receipts may still come; a run whose last count was just made is taken to wait for them."""
    began = runtime.clock.elapsed_seconds()
    if began < runtime.next_counts.get(run_id, began):
        return True
    waiting = ending.open_receipts(session, run_id) > 0
    ended = runtime.clock.elapsed_seconds()
    runtime.next_counts[run_id] = ended + pause_after(ended - began, share=COUNT_SHARE, longest=LONGEST_PAUSE_SECONDS)
    return waiting
