"""The end of a history: faults stop, time passes, and everything is compared with what the gateway really has."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from campaigns.lifecycle import BatchState, RecipientState, RunState
from tests.prove.model.gateway import Mood, Origin
from tests.prove.model.rows import Attempt, Batch, Recipient
from tests.prove.model.service import Flaw
from tests.prove.model.world import World
from worker.store.sending.queue import QUEUED_TOO_LONG

LONGEST_END: Final = timedelta(hours=3)
"""Liveness: everybody has an end this long after the last fault. Blind looks take 13 minutes, a pause at most 16.5."""

_WAITING: Final = frozenset({BatchState.PLANNED, BatchState.QUEUED, BatchState.SENDING, BatchState.UNKNOWN})
_CLOCK_ERROR: Final = timedelta(seconds=6)


@dataclass(frozen=True, slots=True)
class Books:
    """The result of a history: the people by what became of them, and every broken promise in words."""

    recipients: int
    doubled: int  # messages that the gateway has beyond one for each person
    lost: int  # people who are said to have a text and have none, or a different one
    held: int
    broken: tuple[str, ...]

    @property
    def is_kept(self) -> bool:
        """Return whether every promise was kept."""
        return not (self.doubled or self.lost or self.broken)


def settle(world: World) -> None:
    """No more faults: people resume what is paused, and time jumps from one due moment to the next."""
    world.gateway.mood = Mood.HONEST
    world.faults.clear()
    ends_at = world.now + LONGEST_END
    while world.now < ends_at:
        for run in world.db.runs:
            world.db.resume_run(run)
        world.db.resume_account()
        world.tick(timedelta(0))
        while world.jobs:
            world.take_job(0, timedelta(0))
        while world.processes:
            world.step(0)
        world.follow()
        for run in world.db.runs:
            if not any(b.run is run and b.state in {BatchState.SENDING, BatchState.UNKNOWN} for b in world.db.batches):
                world.db.cancel_leftovers(run, spares_held=Flaw.CANCEL_HELD not in world.flaws)
        due = [moment for batch in world.db.batches for moment in _next_moments(batch)]
        due += [_due(attempt) for attempt in world.db.attempts if attempt.state != "closed"]
        if not due:
            return
        world.now = max(world.now + timedelta(seconds=1), min(due) + _CLOCK_ERROR)
    world.broken.append("not everything was settled in time")


def _next_moments(batch: Batch) -> list[datetime]:
    if batch.state not in _WAITING or batch.run.state not in {RunState.RUNNING, RunState.PAUSED}:
        return []
    if batch.state is BatchState.QUEUED and batch.queued_at is not None:
        return [batch.queued_at + QUEUED_TOO_LONG]
    return [batch.not_before] if batch.state is BatchState.PLANNED else []


def _due(attempt: Attempt) -> datetime:
    return attempt.send_by if attempt.state == "open" else attempt.next_check_at


def judge(world: World) -> Books:
    """Compare the database with the gateway, after `settle`."""
    broken = list(world.broken)
    own: dict[Origin, set[int]] = defaultdict(set)
    for stored in world.gateway.messages:
        if stored.origin is not None:
            own[stored.origin].add(stored.message.id)
    doubled = sum(max(0, len(ids) - 1 - world.by_hand[origin]) for origin, ids in own.items())
    lost = 0
    for recipient in world.db.recipients:
        origin = recipient.run.id, recipient.number
        wrong = _wrong(recipient, own[origin], was_held=world.by_hand[origin] > 0)
        if wrong:
            lost += 1
            broken.append(f"recipient {recipient.id} of run {recipient.run.id} {wrong}")
    planned = [r for r in world.db.recipients if r.run.list_id is None]
    if len(planned) != world.planned or len({(r.run.id, r.number) for r in planned}) != world.planned:
        broken.append("the books do not add up")
    for batch in world.db.batches:
        if batch.state in _WAITING:
            broken.append(f"batch {batch.id} is still {batch.state}")
        if batch.run.list_id is not None:
            recorded = {r.number for r in world.db.recipients if r.batch is batch}
            stored_numbers = {number for (run_id, number), ids in own.items() if run_id == batch.run.id and ids}
            if recorded != stored_numbers and batch.state is not BatchState.HELD:
                lost += len(recorded ^ stored_numbers)
                broken.append(f"the list of run {batch.run.id} ({batch.state}) is not who got the text")
    states = Counter(r.state for r in world.db.recipients)
    return Books(len(world.db.recipients), doubled, lost, states[RecipientState.HELD], tuple(broken))


def _wrong(recipient: Recipient, own: set[int], *, was_held: bool) -> str:
    """What is wrong with this recipient's end, given that the gateway has the messages `own` to them; "": nothing.

    `was_held`: a person chose to send again, knowing that the gateway may have the text already.
    """
    if recipient.state in {RecipientState.PENDING, RecipientState.IN_DOUBT}:
        return f"is still {recipient.state}"
    if recipient.gateway_id is not None:
        return "" if recipient.gateway_id in own else "has the ID of somebody else's message"
    if not recipient.reason:
        return f"is {recipient.state} without a reason"
    if recipient.state is RecipientState.HELD or was_held:
        return ""
    return f"is {recipient.state} although the gateway has the text" if own else ""
