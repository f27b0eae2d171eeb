"""Watches for a day whether a request that was concluded as missed shows up after all: one text too many."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from campaigns.protocol.matching import Candidate, match
from scheduler.ticks.lookups.reads import by_number, read_request
from scheduler.ticks.lookups.windows import WindowMemory
from scheduler.ticks.sending.auto_pause import alarm
from worker import metrics
from worker.runtime import Runtime
from worker.servers.conditions import trouble_of
from worker.store.events import EventName
from worker.store.following.clock_offsets import MARGIN
from worker.store.leases import LostLease
from worker.store.money import charges
from worker.store.sending import accounts, doubts
from worker.store.sending.doubts import Doubt

LATE: Final = "a request that had been concluded as lost arrived after all; somebody may have got a text twice"


@dataclass(slots=True)
class WatchTick:
    """Looks again at missed requests that are due; raises `late_acceptance` for those that have appeared."""

    windows: WindowMemory = field(default_factory=WindowMemory)

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        with runtime.store.read() as session:
            due = doubts.due_watches(session, now=now, account_id=runtime.account_id)
            if due and accounts.is_another_gateway(session, runtime.account_id):
                due = []
        late = 0
        for missed in due:
            if not runtime.includes(missed.run_id):
                continue
            source = f"missed {missed.attempt_id}"
            try:
                late += _look_again(runtime, self.windows, missed, now)
            except LostLease:
                raise
            except Exception as error:
                if trouble_of(error) is not None:  # affects the whole database
                    raise
                runtime.troubles.failed(source, error, event="watch.failed", batch=missed.batch_id)
                with runtime.store.write("watch_put_off") as session:
                    settle = timedelta(seconds=runtime.settings.settle_seconds)
                    doubts.schedule_watch(session, missed, now=now, settle=settle)
            else:
                runtime.troubles.worked(source)
        return {"watched": len(due), "late": late}


def _look_again(runtime: Runtime, windows: WindowMemory, missed: Doubt, now: datetime) -> bool:
    settle = timedelta(seconds=runtime.settings.settle_seconds)
    with runtime.store.read() as session:
        people = doubts.people_of_batch(session, missed)
    is_sought = by_number(people.recipients)
    seen = read_request(runtime, windows, missed, missed.send_by + settle + MARGIN, is_sought=is_sought)
    with runtime.store.read() as session:
        # Asked after the look, and before who has which message: in the meantime another request for these people,
        # again or by a `resend`, may have stored what the look showed, and nobody has these messages yet.
        is_unclear = doubts.is_somebody_in_doubt(session, missed)
        mine = {id_ for id_, message in seen.messages.items() if is_sought(message)}
        attributed = doubts.attributed_ids(session, runtime.account_id, mine)
        # A reply may leave out people whom the gateway has accepted: their messages belong to nobody, but their group
        # is that of an answered request, not of the lost one.
        answered = doubts.known_groups(
            session, runtime.account_id, {m.group_id for m in seen.messages.values() if m.group_id}
        )
    candidates = [
        Candidate(m.id, m.number, m.text, m.group_id) for m in seen.messages.values() if m.group_id not in answered
    ]
    found = match(people, candidates, attributed=attributed)
    is_late = bool(found.found) and not is_unclear
    now = runtime.clock.now()  # it may have been put back by hours during the reads
    with runtime.store.write("watch") as session:
        doubts.schedule_watch(session, missed, now=now, settle=settle)
        if is_late:
            doubts.end_watch(session, missed)
            charges.charge_again(session, missed.attempt_id, list(found.found))
            alarm(session, missed, EventName.LATE_ACCEPTANCE, LATE, now)
    metrics.count(metrics.LATE_ARRIVALS, amount=is_late)
    return is_late
