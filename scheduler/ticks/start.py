"""Starting runs whose moment has come."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Final

from campaigns.approval import is_needed, to_approve
from scheduler.inbox.status import CAN_WAIT
from scheduler.ticks.looks import read_around
from scheduler.ticks.replies import has_heard
from worker.definitions import AHEAD
from worker.gateway.results import Message
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store import accounts, approvals, starting
from worker.store.offsets import FARTHEST

START_AHEAD: Final = timedelta(seconds=1.5)
"""So long before its moment a run begins, so that its first requests stand ready: they wait for the moment itself.

The tick comes every 0.4 s and took 0.2 s for 100 runs; after that their first requests are queued (`LONGEST_LEAD`).
"""

MANY: Final = 10
REST_SECONDS: Final = 2.0
"""How long what can wait does so after the moment of so many runs that start together: with 100 of them status texts,
notices and replies took half of the scheduler's processor time, just when their first requests needed it. Replies are
read all the same: one of them may be STOP."""


def start(runtime: Runtime, now: datetime) -> dict[str, int]:
    """Move planned runs to `running` once they are due."""
    with runtime.store.read() as session:
        next_at = starting.next_start(session, runtime.account_id)
        if next_at is None or next_at > now + AHEAD:
            return {"started": 0}
        if next_at <= now + START_AHEAD:
            due = starting.starting_definitions(session, runtime.account_id, until=now + START_AHEAD)
            doubtful = starting.definitions_to_look_at(session, runtime.account_id, until=now + START_AHEAD)
            is_met = accounts.is_met(session, runtime.account_id)
    has_all = has_heard(runtime, now)  # some seconds ahead, so that nothing waits for it
    if next_at > now + START_AHEAD:
        runtime.definitions.prepare_starting(runtime.account_id, now)
        return {"started": 0}
    if not has_all:
        return {"started": 0}
    if not is_met:
        _meet(runtime, now)
    found = ((id_, runtime.definitions.find(id_)) for id_ in due)
    guarded = [
        (id_, definition)
        for id_, definition in found
        if definition is not None and is_needed(definition, to_look_at=id_ in doubtful)
    ]
    with runtime.store.write("start") as session:
        for id_, definition in guarded:  # resumed, or planned by another version: what was approved is what starts
            approval = to_approve(definition, "") or None
            only_doubtful, until = not definition.approval, now + START_AHEAD
            approvals.hold_unapproved(
                session, runtime.account_id, id_, approval, only_doubtful=only_doubtful, until=until
            )
        started = starting.start_due_runs(session, runtime.account_id, now, ahead=START_AHEAD, only=runtime.only_runs)
    for run_id in started:
        get_logger().info("run.started", run=run_id)
    at = runtime.clock.elapsed_seconds()
    runtime.beginning.update(dict.fromkeys(started, at + START_AHEAD.total_seconds()))
    if len(started) >= MANY:
        runtime.next_looks[CAN_WAIT] = at + START_AHEAD.total_seconds() + REST_SECONDS
    return {"started": len(started)}


def _meet(runtime: Runtime, now: datetime) -> None:
    """Read the gateway once before anything is sent: a first request in doubt is then told from what was there.

    As far as a look-up reads, for its clock may be hours off. A gateway that cannot be read now is sent to all the
    same, and read before the next run.
    """
    seen = read_around(runtime, now - FARTHEST, now + FARTHEST, keep=_newest)
    if not seen.complete:
        return
    newest = seen.messages.get(seen.newest)
    with runtime.store.write("meet") as session:
        accounts.meet(
            session,
            runtime.account_id,
            newest_id=newest.id if newest else 0,
            seen_at=newest.sent_at if newest else None,
            now=now,
        )


def _newest(messages: Sequence[Message]) -> Sequence[Message]:
    return sorted(messages, key=attrgetter("id"))[-1:]
