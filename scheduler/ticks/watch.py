"""Watching for a day whether a request that was concluded as missed shows up after all: a text too many."""

from datetime import datetime, timedelta
from typing import Final

from campaigns.matching import Candidate, match
from scheduler.ticks.looks import MARGIN, read_request
from scheduler.ticks.reconcile import alarm
from worker.runtime import Runtime
from worker.store import doubts

LATE: Final = "a request that had been concluded as lost arrived after all; somebody may have got a text twice"


def watch(runtime: Runtime, now: datetime) -> dict[str, int]:
    """Look again at missed requests whose next look is due; raise `late_acceptance` for those that are there now."""
    with runtime.store.read() as session:
        due = doubts.due_watches(session, now=now, account_id=runtime.account_id)
    late = 0
    for missed in due:
        if not runtime.includes(missed.run_id):
            continue
        settle = timedelta(seconds=runtime.settings.settle_seconds)
        seen = read_request(runtime, missed, missed.send_by + settle + MARGIN)
        with runtime.store.read() as session:
            # Asked after the look, and before who has which message: a request that these people are in meanwhile,
            # again or by a `resend`, may have stored what the look showed, and nobody has these messages yet.
            is_unclear = doubts.is_somebody_in_doubt(session, missed)
            people = doubts.people_of_batch(session, missed)
            attributed = doubts.attributed_ids(session, runtime.account_id, seen.messages)
            # A reply may leave out people whom the gateway has taken all the same: their messages are nobody's, and in
            # the group of a request that was answered, not of the lost one.
            answered = doubts.known_groups(
                session, runtime.account_id, {m.group_id for m in seen.messages.values() if m.group_id}
            )
        candidates = [
            Candidate(m.id, m.number, m.text, m.group_id) for m in seen.messages.values() if m.group_id not in answered
        ]
        found = match(people, candidates, attributed=attributed)
        with runtime.store.write("watch") as session:
            doubts.schedule_watch(session, missed, now=now, settle=settle)
            if found.found and not is_unclear:
                late += 1
                doubts.end_watch(session, missed)
                alarm(session, missed, "late_acceptance", LATE, now)
    return {"watched": len(due), "late": late}
