"""Starts runs whose moment has come."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from operator import attrgetter
from typing import Final

from campaigns.planning.approval import is_needed, to_approve
from scheduler.rush import Rush
from scheduler.ticks.every import Quiet
from scheduler.ticks.lookups.reads import read_around
from scheduler.ticks.lookups.windows import WindowMemory
from scheduler.ticks.replies import FirstLook
from worker.definitions import AHEAD
from worker.gateway.results import Message
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.following.clock_offsets import FARTHEST
from worker.store.runs import approvals, due_runs
from worker.store.sending import accounts

START_AHEAD: Final = timedelta(seconds=1.5)
"""How long before its moment a run begins, so that its first requests are ready: they wait for the moment itself.

The tick comes every 0.4 s and took 0.2 s for 100 runs; after that their first requests are queued (`LONGEST_LEAD`).
"""


@dataclass(slots=True)
class StartTick:
    """Moves planned runs to `running` once they are due."""

    rush: Rush = field(default_factory=Rush)
    windows: WindowMemory = field(default_factory=WindowMemory)
    first_look: FirstLook = field(default_factory=FirstLook)
    quiet: Quiet = field(default_factory=Quiet)

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        version = runtime.store.version()
        if self.quiet.lasts(version, now):
            return {"started": 0}
        with runtime.store.read() as session:
            next_at = due_runs.next_start(session, runtime.account_id)
            if next_at is None or next_at > now + AHEAD:
                self.quiet.found_nothing(version, lambda: next_at and next_at - AHEAD)
                return {"started": 0}
            if next_at <= now + START_AHEAD:
                due = due_runs.starting_definitions(session, runtime.account_id, until=now + START_AHEAD)
                doubtful = due_runs.definitions_to_look_at(session, runtime.account_id, until=now + START_AHEAD)
                is_met = accounts.is_met(session, runtime.account_id)
        has_all = self.first_look.has_heard(runtime, now)  # some seconds ahead, so that nothing waits for it
        if next_at > now + START_AHEAD:
            runtime.definitions.prepare_starting(runtime.account_id, now)
            return {"started": 0}
        if not has_all:
            return {"started": 0}
        if not is_met:
            self._meet(runtime, now)
        found = ((id_, runtime.definitions.find(id_)) for id_ in due)
        known = [(id_, definition) for id_, definition in found if definition is not None]
        policy, until = runtime.settings.policy, now + START_AHEAD
        with runtime.store.write("start") as session:
            for id_, definition in known:  # resumed, or planned by another version: exactly what was approved starts
                hold = partial(approvals.hold_unapproved, session, runtime.account_id, id_, until=until, now=now)
                if is_needed(definition, to_look_at=id_ in doubtful):
                    hold(to_approve(definition, "") or None, only_doubtful=not definition.approval)
                if definition.kind in policy.approval and not definition.approval:  # required since it was planned
                    hold(None, only_once=True)
                for path, problem, hint in islice(policy.forbidden(definition), 1):
                    reason = f"{'.'.join(map(str, path))}: {problem} ({hint})"
                    due_runs.hold_forbidden(session, runtime.account_id, id_, reason, until=until, now=now)
            started = due_runs.start_due_runs(
                session, runtime.account_id, now, ahead=START_AHEAD, only=runtime.only_runs
            )
        for run_id in started:
            get_logger().info("run.started", run=run_id)
        at = runtime.clock.elapsed_seconds()
        self.rush.begin(started, at=at, moment=at + START_AHEAD.total_seconds())
        return {"started": len(started)}

    def _meet(self, runtime: Runtime, now: datetime) -> None:
        """Read the gateway once before anything is sent: a first request in doubt can then be told from what was there.

        It reads as much as a look-up, because the gateway's clock may be hours off. If the gateway cannot be read now,
        sending starts anyway, and it is read before the next run.
        """
        seen = read_around(runtime, self.windows, now - FARTHEST, now + FARTHEST, keep=_newest)
        if not seen.complete:
            return
        newest = seen.messages.get(seen.newest)
        with runtime.store.write("meet") as session:
            accounts.record_gateway_state(
                session,
                runtime.account_id,
                newest_id=newest.id if newest else 0,
                seen_at=newest.sent_at if newest else None,
                now=now,
            )


def _newest(messages: Sequence[Message]) -> Sequence[Message]:
    return sorted(messages, key=attrgetter("id"))[-1:]
