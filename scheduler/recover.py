"""`campaigns recover`: after a database was lost or restored, find at the gateway what it forgot, then send on."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from sqlmodel import Session

from campaigns.access import SCHEDULER
from campaigns.codes import PausedBy
from campaigns.protocol.matching import same_number
from scheduler.actions.acting import Actor, asked_by
from scheduler.processes.sender_lock import claim_database
from scheduler.ticks.lookups.reads import Keep, read_around
from scheduler.ticks.lookups.windows import WindowMemory
from worker.building import build_runtime
from worker.gateway.results import Message
from worker.runtime import Runtime
from worker.settings.settings import Settings
from worker.store import audit
from worker.store.events import EventName, record_event
from worker.store.following.clock_offsets import FARTHEST as CLOCK_FARTHEST
from worker.store.following.clock_offsets import MARGIN
from worker.store.relocation import installation, recovery
from worker.store.relocation.recovery import Unsent
from worker.store.runs import runs
from worker.store.runs.runs import RunView
from worker.store.sending import accepted_before, accounts, doubts
from worker.store.sending.accepted_before import Before

SLICE: Final = timedelta(minutes=10)
"""The length of the first slice. Slices grow while messages are few: a month of silence is read in minutes."""

SHORTEST_SLICE: Final = timedelta(seconds=10)
LONGEST_SLICE: Final = timedelta(hours=6)
FEW: Final = 1_000
MANY: Final = 20_000
"""After a slice with at most `FEW` messages, the next one is twice as long; from `MANY` on, half as long.

All its messages that the database does not know are in memory at once.
"""

FARTHEST: Final = timedelta(days=31)
"""How far back the gateway is swept if the database does not know what was sent before it was created."""


class RecoveryFailed(Exception):
    """The gateway could not be read to the end: nothing may be concluded, and the account stays as it is."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """The messages found that the database did not know.

    Some belonged to a waiting recipient. The others are kept until their number and text are planned; `waiting` counts
    those kept by now.
    """

    since: datetime
    unknown: int
    attributed: int
    waiting: int
    was_quarantined: bool


def recover_database(settings: Settings, actor: Actor, told: Callable[[str], None]) -> Recovered:
    """Like `recover`, for the database of the settings, on which nobody else may work meanwhile.

    Raises `SettingsError` if somebody does.
    """
    runtime = build_runtime(settings, shared_queue=False)
    lock = claim_database(runtime)
    try:
        with asked_by(actor):
            return recover(runtime, runtime.clock.now(), told, actor)
    finally:
        runtime.close()
        lock.release()


def recover(
    runtime: Runtime, now: datetime, told: Callable[[str], None] = lambda _: None, by: Actor = SCHEDULER
) -> Recovered:
    """Sweep the gateway for messages that the database does not know, and give them to their recipients or keep them.

    The quarantine then ends. Nothing may be sent meanwhile: stop the service first. The last forgotten request may
    still be on its way: `recover` waits for it, and reports that to `told` in a sentence. Raises `RecoveryFailed` when
    a read fails; sweeping again is harmless.
    """
    now = _wait_for_the_last(runtime, now, told)
    with runtime.store.read() as session:
        account = accounts.account_view(session, runtime.account_id)
        last, floor = recovery.known_until(session, runtime.account_id)
        if _forgot_everything(runtime, session, now):
            last, floor = None, 0
        unfinished = [run for run in runs.list_runs(session) if run.finished_at is None]
    ahead = _starts_at_gateway(runtime, unfinished, now)
    since = (last or now - FARTHEST) - CLOCK_FARTHEST
    unknown = attributed = 0
    windows = WindowMemory()
    # Whatever a lost database had learned about the gateway's clock is lost as well.
    spans = [(since, now + CLOCK_FARTHEST), *((start - MARGIN, start + MARGIN) for start in ahead)]

    def fresh_among(messages: Iterable[Message]) -> list[Message]:
        above = [m for m in messages if m.id > floor]
        ids = {m.id for m in above}
        with runtime.store.read() as session:
            known = doubts.attributed_ids(session, runtime.account_id, ids)
            known |= accepted_before.kept_ids(session, runtime.account_id, ids)
        return [m for m in above if m.id not in known]

    for shown in chain.from_iterable(_sweep(runtime, windows, *span, keep=fresh_among) for span in spans):
        fresh = fresh_among(shown)  # again: slices share their edges
        unknown += len(fresh)
        attributed += _attribute(runtime, fresh, now)
    was_quarantined = account.paused_by is PausedBy.QUARANTINE
    with runtime.store.write("recover_end") as session:
        if was_quarantined:
            accounts.resume_account(session, runtime.account_id)
        waiting = accepted_before.count_kept(session, runtime.account_id)
        detail = {
            "account": runtime.account_id,
            "unknown": unknown,
            "attributed": attributed,
            "since": since.isoformat(),
        }
        record_event(session, EventName.ACCOUNT_RECOVERED, now, detail=detail)
        audit.append(session, by, "recover", now=now, detail=detail | {"quarantined": was_quarantined})
        last_attempt = accounts.last_attempt_id(session)
    runtime.marker.reset(last_attempt)
    return Recovered(since, unknown, attributed, waiting, was_quarantined)


def _wait_for_the_last(runtime: Runtime, now: datetime, told: Callable[[str], None]) -> datetime:
    """Wait until a request made right before the loss has appeared or never will; return the time then."""
    last = runtime.marker.moved_at()
    if last is None:
        with runtime.store.read() as session:
            known = installation.installation(session)
            if known is None or recovery.known_until(session, runtime.account_id)[0] is not None:
                return now
        last = known.since  # nothing is known about what was sent before
    settings = runtime.settings
    settled = last + timedelta(seconds=settings.send_by_seconds + settings.settle_seconds)
    if settled > now:
        told(
            f"A request of {last:%H:%M:%S} UTC may still be on its way; the gateway is read at {settled:%H:%M:%S} UTC."
        )
        runtime.clock.sleep((settled - now).total_seconds())
        return runtime.clock.now()
    return now


def _forgot_everything(runtime: Runtime, session: Session, now: datetime) -> bool:
    """Return whether the database knows nothing of what was sent before: it is new, or replaced another one."""
    known = installation.installation(session)
    if known is None:
        return False
    is_new = known.since > now - FARTHEST and recovery.recovered_at(session, runtime.account_id) is None
    return is_new or runtime.marker.installation() not in {"", known.name}


def _starts_at_gateway(runtime: Runtime, unfinished: Sequence[RunView], now: datetime) -> list[datetime]:
    """Return the future starts that the gateway waits for: it may list what it was handed under that date only."""
    starts = (runtime.definitions.get(run.definition_id).schedule.at_gateway for run in unfinished)
    return sorted({start for start in starts if start is not None and start > now})


def _sweep(
    runtime: Runtime, windows: WindowMemory, since: datetime, until: datetime, *, keep: Keep
) -> Iterator[list[Message]]:
    start, length = since, SLICE
    while start < until:
        end = min(start + length, until)
        seen = read_around(runtime, windows, start, end, keep=keep)
        if not seen.complete:
            raise RecoveryFailed(
                f"the gateway could not be read from {start:%Y-%m-%d %H:%M} to {end:%H:%M} UTC; "
                "nothing was concluded from it, try again when it answers"
            )
        if seen.count <= FEW:
            length = min(2 * length, LONGEST_SLICE)
        elif seen.count >= MANY:
            length = max(length / 2, SHORTEST_SLICE)
        yield sorted(seen.messages.values(), key=lambda m: m.id)
        start = end


def _attribute(runtime: Runtime, messages: Sequence[Message], now: datetime) -> int:
    """Give each message to the oldest unsent recipient with its number and text; return how many were given.

    The others are kept until their number and text are planned.
    """
    if not messages:
        return 0
    first_poll_at = now + timedelta(seconds=runtime.settings.first_poll_seconds)
    with runtime.store.write("recover") as session:
        unsent: dict[str, list[Unsent]] = {}
        for person in recovery.unsent_people(session, runtime.account_id, {m.number for m in messages}):
            unsent.setdefault(same_number(person.number), []).append(person)
        found: list[tuple[Unsent, Before]] = []
        left: list[Before] = []
        for m in messages:
            message = Before(m.id, m.number, m.text, m.group_id, m.device, m.sim, m.sent_at)
            people = unsent.get(same_number(m.number), [])
            owner = next((p for p in people if message.is_of(p.text, _since(runtime, p))), None)
            if owner is None or owner.waits:
                left.append(message)
            else:
                people.remove(owner)
                found.append((owner, message))
        accepted = accepted_before.accept(session, found, now=now, first_poll_at=first_poll_at)
        left += [message for person, message in found if person.id not in accepted]
        accepted_before.keep(session, runtime.account_id, left)
        accounts.raise_floor(session, runtime.account_id, max(m.id for m in messages))
    return len(accepted)


def _since(runtime: Runtime, person: Unsent) -> datetime | None:
    schedule = runtime.definitions.get(person.definition_id).schedule
    return accepted_before.sent_since(schedule, person.run_type, person.moment, person.departs_at)
