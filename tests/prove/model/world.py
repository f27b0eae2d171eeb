"""One history: a database, a gateway, processes between two steps, and what must hold at the end."""

import random
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from campaigns.definition import OnUnknown
from campaigns.lifecycle import RunState
from scheduler.receipts.storing import RECEIPT_STATES
from scheduler.ticks.sending.rescue import REPLY_GRACE
from tests.prove.model.database import Database
from tests.prove.model.gateway import Dress, ModelGateway, Mood, Origin, SendFault, status_at
from tests.prove.model.quarantine import quarantine
from tests.prove.model.rows import Attempt, Restored, Run
from tests.prove.model.service import SEND_BY, Flaw, Steps, look_up, send_job
from worker.gateway.seen import Seen
from worker.store.sending.queue import QUEUED_TOO_LONG

START: Final = datetime(2026, 12, 1, 9, tzinfo=UTC)
PLAIN: Final = SendFault()


@dataclass(slots=True)
class World:
    """The whole state of one history. Every method is an event; the drivers choose the order."""

    flaws: frozenset[Flaw] = frozenset()
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    now: datetime = START
    db: Database = field(default_factory=Database)
    gateway: ModelGateway = field(default_factory=ModelGateway)
    jobs: list[int] = field(default_factory=list)
    processes: list[Steps] = field(default_factory=list)
    faults: deque[SendFault] = field(default_factory=deque)
    lists: dict[int, tuple[str, ...]] = field(default_factory=dict)
    backup: tuple[datetime, Database] | None = None
    has_backup: bool = False  # a backup will be taken, and may come back
    has_lied: bool = False
    has_wrong_row: bool = False
    planned: int = 0
    by_hand: Counter[Origin] = field(default_factory=Counter)
    cancelled: set[int] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    # What people do.

    def plan(self, text: str, policy: OnUnknown, batches: Sequence[Sequence[str]]) -> None:
        """Plan a run to these numbers. Not between a backup and its return: the database would not know that run."""
        if self.backup is None:
            self.db.plan_run(text, policy, batches, self.now)
            self.planned += sum(map(len, batches))

    def plan_list(self, text: str, numbers: Sequence[str]) -> None:
        """Plan a run to a contact list of the gateway."""
        if self.backup is None:
            list_id = len(self.lists) + 1
            self.lists[list_id] = tuple(numbers)
            self.db.plan_list_run(text, list_id, self.now)

    def pause(self, run: int) -> None:
        self.db.pause_run(self._run(run))

    def resume(self, run: int) -> None:
        self.db.resume_run(self._run(run))

    def cancel(self, run: int) -> None:
        if self.db.account.restored is None and self.db.cancel_run(self._run(run)):
            self.cancelled.add(self._run(run).id)
            self.counts["cancelled"] += 1

    def resend_held(self, run: int) -> None:
        """A person resends to the held recipients of a run, at their own risk."""
        self.by_hand.update((r.run.id, r.number) for r in self.db.resend_held(self._run(run), self.now))

    def _run(self, run: int) -> Run:
        return self.db.runs[run % len(self.db.runs)]

    def remember(self, text: str, batches: Sequence[Sequence[str]]) -> None:
        """Another tool sent exactly these texts to these people minutes ago; the account's IDs are known so far."""
        for numbers in batches:
            people = [(number, f"{text} {number}") for number in numbers]
            self.gateway.overhear(people, self.now - timedelta(minutes=5))
        self.db.raise_floor([self.gateway.last_id])

    def overhear(self, text: str, numbers: Sequence[str]) -> None:
        """Another tool sends another text to some of the people through this account: to two, or to others as well."""
        if len(numbers) > 2:
            numbers = [*numbers, "+39111"]
        self.gateway.overhear([(number, f"{text} {number}") for number in numbers], self.now)

    # What the machines do.

    def tick(self, skew: timedelta) -> None:
        """A scheduler's round: rescue, probe, quarantine, drain, follow; its look-ups begin."""
        now = self.now + skew
        self.db.requeue_lost(now - QUEUED_TOO_LONG)
        self.db.abandon_stale(now - REPLY_GRACE, now)
        probe_at = self.db.account.next_probe_at
        if probe_at is not None and probe_at <= now:
            self.db.resume_account()
        quarantine(self.db, now)
        self.jobs += self.db.queue_due(now)
        for attempt in self.db.attempts:
            if attempt.state == "unknown" and attempt.next_check_at <= now:
                self.processes.append(look_up(self, attempt, skew))

    def take_job(self, place: int, skew: timedelta, *, leaves_it: bool = False) -> None:
        """A worker starts a job; `leaves_it`: the queue delivers it a second time."""
        if self.jobs:
            place %= len(self.jobs)
            batch_id = self.jobs[place] if leaves_it else self.jobs.pop(place)
            self.counts["doubled jobs"] += leaves_it
            self.processes.append(send_job(self, batch_id, skew))

    def step(self, place: int) -> None:
        """One process advances to its next step."""
        if self.processes:
            place %= len(self.processes)
            if next(self.processes[place], None) is None:
                del self.processes[place]

    def crash(self, place: int) -> None:
        """One process dies where it is."""
        if self.processes:
            self.processes.pop(place % len(self.processes)).close()
            self.counts["crashes"] += 1

    def crash_all(self) -> None:
        """The machine loses power."""
        self.counts["crashes"] += len(self.processes)
        self.processes.clear()

    def lose_jobs(self) -> None:
        """The queue is flushed."""
        self.counts["lost jobs"] += len(self.jobs)
        self.jobs.clear()

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def follow(self) -> None:
        """Receipts of everybody arrive, each of them twice."""
        for stored in self.gateway.messages * 2:
            state = RECEIPT_STATES.get(status_at(stored, self.now))
            if stored.visible_at <= self.now and state is not None:
                self.db.apply_receipt(stored.message.id, state, 0)

    def take_backup(self) -> None:
        if self.backup is None:
            self.backup = self.now, self.db.backup()

    def restore_backup(self) -> None:
        """The older database comes back; every process ended before."""
        if self.backup is None:
            return
        made_at, self.db = self.backup
        self.backup = None
        self.crash_all()
        self.cancelled = {run.id for run in self.db.runs if run.state is RunState.CANCELLED}
        self.counts["restored"] += 1
        if Flaw.NO_QUARANTINE not in self.flaws:
            self.db.account.restored = Restored(made_at, self.now + SEND_BY, self.db.account.highest_gateway_id)
            quarantine(self.db, self.now)

    # What the gateway does.

    def set_mood(self, mood: Mood) -> None:
        """Set how reads answer from now on. One reason for doubt in the reads at a time: see `next_fault`."""
        if mood is not Mood.EMPTY or not self.has_wrong_row:
            self.has_lied |= mood is Mood.EMPTY
            self.gateway.mood = mood
            self.counts[f"reads {mood}"] += 1

    def next_fault(self) -> SendFault:
        """What happens to the next POST.

        Only as long as reads tell the truth at once does a wrong row of the classifier cost just a read, and no double.
        """
        fault = self.faults.popleft() if self.faults else PLAIN
        if fault.is_wrong_row and self.has_lied:
            return PLAIN
        if self.has_backup and fault.dress is Dress.REWRITTEN:
            return PLAIN  # without the intent, which is lost, nobody can tell whose other text it is
        self.has_wrong_row |= fault.is_wrong_row
        return fault

    def post(self, attempt: Attempt, fault: SendFault) -> Seen:
        """The request is written to its last byte."""
        run = attempt.batch.run
        if run.id in self.cancelled:
            self.broken.append(f"run {run.id} was sent after it was cancelled")
        self.counts["posts"] += 1
        if fault != PLAIN:
            self.counts[f"send {fault.name}"] += 1
        if run.list_id is not None:
            if fault.dress is Dress.STRANGER:
                fault = replace(fault, dress=Dress.PLAIN)  # those whom the gateway adds to its own list are on it
            if fault.shape == "foreign_row":
                fault = replace(fault, shape="reset")  # and nobody here knows who does not belong on it
            numbers = self.lists[run.list_id]
            return self.gateway.receive([((run.id, n), n, run.text) for n in numbers], fault, self.now)
        doubts = Counter(r.number for r in self.db.in_doubt())
        if max(doubts.values(), default=0) > 1:
            self.broken.append("one number is in doubt twice")
        return self.gateway.receive([((run.id, r.number), r.number, r.text) for r in attempt.people], fault, self.now)
