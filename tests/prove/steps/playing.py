"""Plays a world on the bench: time passes from one thing that is due to the next, and things happen in between.

Between any two transactions somebody may write, a phone may report, and the process may end; on PostgreSQL also while
a transaction is open, in another thread, which then waits for its locks or does not.
"""

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

import sqlalchemy as sa

from campaigns.lifecycle import BatchState, RecipientState
from scheduler.actions import approving, control, resending
from scheduler.actions.acting import Actor, ActorKind
from scheduler.actions.refusals import Refused
from scheduler.receipts.storing import store_receipts
from scheduler.replies.inbound import take_in
from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import LOST, RECEIVED, STORED, Answers, Send, Stored, Stores
from tests.prove.steps.ledger import written_so_far
from tests.prove.steps.worlds import BEGIN, NAME, WORDS, StepsWorld
from tests.support.clocks import FakeClock
from worker import crashpoints
from worker.gateway import GatewayError, MessageStatus
from worker.gateway.results import Message
from worker.store.engine import Store
from worker.store.runs import runs
from worker.store.tables import attempts, batches, groups, recipients
from worker.store.tables import runs as run_table

SOMEBODY: Final = Actor(ActorKind.USER, "the proof")
GRAIN: Final = timedelta(milliseconds=10)
WORK: Final = ("steps", "late", "rescue", "reconcile", "follow", "retry", "replies", "finish", "probe", "watch")
"""The ticks that do something to a text, besides those that send; the others are called now and then."""

SELDOM: Final = 0.05
AT_ONCE: Final = 4
"""Rounds at a moment, at most: what one plans is started by the next one, and sent by the one after that."""

LONGEST: Final = timedelta(hours=8)
IN_DOUBT: Final = timedelta(seconds=20)
AHEAD: Final = timedelta(minutes=5)
"""How long before their moment people of a step get their request, so that something may happen in between."""

NONE: Final = timedelta()
PLENTY: Final = 100_000
"""What a campaign may cost in all once that is raised, in cents."""

MORE: Final = 4
"""While a request is on its way, something happens this many times as often as between two transactions."""

LOCKED_SECONDS: Final = 0.1
"""How long a transaction in another thread is waited for: it may need a lock of the one that it meets."""

FAULTS: Final = (LOST, STORED, Send(Answers.LEFT_OUT, Stores.HALF), Send(Answers.NO_CONNECTION, Stores.NONE))


class Killed(BaseException):
    """The process has ended here: none of its transactions commits any more."""


class Play:
    """A world that is played. `moments` says until which entry of the book was written by when."""

    def __init__(self, world: StepsWorld, folder: Path, store: Store) -> None:
        self.world, self.store, self.clock = world, store, FakeClock(BEGIN)
        self._settings = dict(world.settings)
        if world.money is not None:
            self._settings["prices"] = folder / "prices.csv"
            self._settings["prices"].write_text(world.prices)
        self.bench = Installation(folder, store, self.clock, **self._settings)
        self.random = Random(world.seed)
        self.moments: list[tuple[int, datetime]] = []
        self.kills = self.takeovers = self.meanwhile = 0
        self.was_cancelled = False
        self.raised_at: datetime | None = None
        self._older: list[Installation] = []
        self._fates: dict[int, list[tuple[datetime, str]]] = {}
        self._threads: list[threading.Thread] = []
        self._events = sorted(self._planned_events(), key=lambda event: event[0])
        self._ends_in = self._until_kill() if world.chance.kills else 0
        self._is_dead = self._is_busy = False

    # What happens.

    def play(self) -> None:
        """Let time pass until there is nothing left to do."""
        self.bench.hear()
        self._drop(len(self.world.numbers) - self.world.later)
        end = BEGIN + self.world.lasts + timedelta(days=4)
        try:
            crashpoints.arm(self._reached)
            while self.clock.now() < end and not (not self._events and self._is_over()):
                with self._survived():
                    self._work()
                self._go_on()
        finally:
            crashpoints.arm(None)
            self._join()

    def close(self) -> None:
        """End all processes."""
        for bench in (*self._older, self.bench):
            bench.close()

    def _work(self) -> None:
        """Call what a service calls, until nothing changes any more."""
        if self.random.random() < SELDOM:
            self.bench.tick()
        for _ in range(AT_ONCE):
            before = written_so_far(self.store)
            self.bench.send()
            for name in WORK:
                self.bench.call(name)
            if written_so_far(self.store) == before:
                return

    def _go_on(self) -> None:
        """Move the clock to what is due next, and let that happen."""
        self._join()
        self.moments.append((written_so_far(self.store), self.clock.now()))
        due = min(self._due())
        self.clock.advance(max(due - self.clock.now(), GRAIN))
        self._report()
        while self._events and self._events[0][0] <= self.clock.now():
            _, act = self._events.pop(0)
            with self._survived():
                act()

    def _planned_events(self) -> Iterator[tuple[datetime, Callable[[], object]]]:
        world = self.world
        for after, number, text in world.wrote:
            yield BEGIN + after, partial(self._write, number, text)
        for after, act in world.acts:
            yield BEGIN + after, getattr(self, f"_{act}")
        if world.money is not None and world.money.total is not None:
            yield BEGIN + world.money.ends, self._cancel if world.money.is_cancelled else self._raise
        if world.later:
            at = BEGIN + self.random.choice([timedelta(seconds=1), timedelta(minutes=7), timedelta(hours=5)])
            yield at, lambda: self._drop(len(world.numbers))
        for _ in range(world.chance.takeovers):
            yield BEGIN + world.lasts * self.random.random() / 4, self._take_over

    def _write(self, number: str, text: str) -> None:
        self.bench.gateway.receive(number, text)

    def _drop(self, people: int) -> None:
        self._people, world = people, self.world
        if self.raised_at is not None and world.money is not None:
            world = replace(world, money=replace(world.money, total=PLENTY))
        (self.bench.folder / f"{NAME}.csv").write_text(world.table(world.numbers[:people]))
        with suppress(Refused):
            self.bench.drop(world.file, NAME)
        if world.approval:
            with self.store.read() as session:
                run = runs.find_run(session, NAME)
            with suppress(Refused):
                approving.approve(
                    self.store, SOMEBODY, NAME, run.plan_hash if run else "", inbox=self.bench.folder,
                    four_eyes=False, now=self.clock.now(),
                )  # fmt: skip

    def _pause(self) -> None:
        with suppress(Refused):
            control.pause(self.store, SOMEBODY, NAME, now=self.clock.now())

    def _resume(self) -> None:
        with suppress(Refused):
            control.resume(self.store, SOMEBODY, NAME, account=True, now=self.clock.now())

    def _cancel(self) -> None:
        with suppress(Refused):
            control.cancel(self.store, SOMEBODY, NAME, now=self.clock.now())
            self.was_cancelled = True

    def _raise(self) -> None:
        self.raised_at = self.clock.now()
        self._drop(self._people)
        self._resume()

    def _resend(self) -> None:
        with self.store.read() as session:
            roots = [run for run in runs.campaign_runs(session, NAME) if run.parent_id is None]
        for root in roots:
            with suppress(Refused, GatewayError):
                resending.resend(self.bench.runtime, SOMEBODY, root)

    # Phones.

    def _report(self) -> None:
        """Let the phones report what is due by now."""
        for message in self.bench.gateway.stored:
            if message.status == RECEIVED or self.world.chance.only_at:
                continue
            if message.id not in self._fates:
                self._fates[message.id] = self._fate(message)
            fates = self._fates[message.id]
            while fates and fates[0][0] <= self.clock.now():
                message.status = fates.pop(0)[1]
                message.result_code = 2 if message.status == "Failed" else None

    def _fate(self, message: Stored) -> list[tuple[datetime, str]]:
        random = Random(f"{self.world.seed} {message.number} {message.text}")
        ends = random.choices(["Delivered", "Failed", "Sent", "Pending"], [6, 3, 2, 1])[0]
        wait = timedelta(minutes=random.choice([1, 8, 44, 46, 170, 182]) * random.uniform(0.9, 1.1))
        return [(message.at + wait / 2, "Sent"), (message.at + wait, ends)][-1 if ends == "Failed" else 0 :]

    # Meanwhile.

    def _reached(self, name: str) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        if self._is_busy:
            return
        if self._is_dead:
            raise Killed(name)
        if self._ends_in:
            self._ends_in -= 1
            if not self._ends_in:
                self._is_dead = True
                raise Killed(name)
        is_open = name.endswith(":before_commit")
        if self.world.chance.only_at and name not in self.world.chance.only_at:
            return
        chance = self.world.chance.meanwhile * (MORE if name.startswith("post:") else 1)
        if self.random.random() < chance and not (is_open and self.store.is_sqlite):
            self._is_busy = True
            try:
                self._meanwhile(in_thread=is_open)
            finally:
                self._is_busy = False

    def _meanwhile(self, *, in_thread: bool) -> None:
        """Store what somebody writes, or what a phone reports, at this very moment."""
        self.meanwhile += 1
        store = self._writes() if self.random.random() < 0.5 else self._reports()
        if store is None:
            return
        if not in_thread:
            store()
            return
        thread = threading.Thread(target=store, daemon=True)
        thread.start()
        self._threads.append(thread)
        thread.join(LOCKED_SECONDS)

    def _writes(self) -> Callable[[], object]:
        message = self.bench.gateway.receive(self.random.choice(self.world.numbers), self.random.choice(WORDS))
        return lambda: self._take_in(shown(message))

    def _take_in(self, message: Message) -> None:
        runtime = self.bench.runtime
        take_in(
            self.store, runtime.settings, runtime.account_id, [message], came_by="webhook", rehearsal=False,
            now=self.clock.now(),
        )  # fmt: skip

    def _reports(self) -> Callable[[], object] | None:
        sent = [message for message in self.bench.gateway.stored if message.status in {"Pending", "Sent"}]
        if not sent:
            return None
        message = self.random.choice(sent)
        message.status = self.random.choice(["Delivered", "Failed"])
        message.result_code = 2 if message.status == "Failed" else None
        self._fates[message.id] = []
        return lambda: store_receipts(self.bench.runtime, [shown(message)])

    def _join(self) -> None:
        for thread in self._threads:
            thread.join()
        self._threads.clear()

    # Processes.

    def _until_kill(self) -> int:
        return self.random.choice([self.random.randint(1, 60), self.random.randint(1, 600)])

    @contextmanager
    def _survived(self) -> Iterator[None]:
        """If the process ends in the block, another one goes on."""
        try:
            yield
        except Killed:
            self._join()
            self.kills += 1
            self._is_dead = False
            self._ends_in = self._until_kill() if self.kills < self.world.chance.kills else 0
            jobs = self.bench.queue.jobs if self.random.random() < 0.5 else []  # in Redis, or in the process
            self.bench.close()
            self._start(jobs)

    def _take_over(self) -> None:
        """Another process begins, and this one works on its jobs once more when that one has."""
        self.takeovers += 1
        old = self.bench
        old.enqueue()
        self._start(list(old.queue.jobs))
        self._older.append(old)
        self.bench.tick()
        old.tick()

    def _start(self, jobs: list[int]) -> None:
        before, self._is_busy = self.bench, True
        self.bench = Installation(before.folder, self.store, self.clock, before.gateway, **self._settings)
        self.bench.queue.jobs += jobs
        self._is_busy = False

    # Time.

    def _is_over(self) -> bool:
        with self.store.look() as connection:
            return not connection.execute(sa.select(run_table.c.id).where(run_table.c.finished_at.is_(None))).first()

    def _due(self) -> Iterator[datetime]:
        """Yield the moments at which something may happen."""
        now = self.clock.now()
        yield now + LONGEST
        if self._events:
            yield self._events[0][0]
        waiting = batches.c.state.in_([BatchState.PLANNED, BatchState.QUEUED])
        queries = (
            sa.select(sa.func.min(batches.c.not_before)).where(waiting, batches.c.not_before > now),
            sa.select(sa.func.min(run_table.c.starts_at)).where(run_table.c.starts_at > now),
            sa.select(sa.func.min(attempts.c.next_check_at)).where(attempts.c.next_check_at > now),
            sa.select(sa.func.min(groups.c.next_poll_at)).where(groups.c.next_poll_at > now),
        )
        with self.store.look() as connection:
            found = [connection.execute(query).scalar_one() for query in queries]
            in_doubt = sa.select(recipients.c.id).where(recipients.c.state == RecipientState.IN_DOUBT)
            if connection.execute(in_doubt.limit(1)).first() is not None:
                yield now + IN_DOUBT
            accepted = list(connection.execute(sa.select(recipients.c.accepted_at).distinct()).scalars())
        yield from (moment for moment in found if moment is not None)
        pauses = {step.pause for step in self.world.steps}
        due = (at + pause + early for at in accepted if at is not None for pause in pauses for early in (-AHEAD, NONE))
        yield from (moment for moment in due if moment > now)

    def written_at(self, seq: int) -> datetime:
        """Return when this entry of the book was written."""
        place = bisect_left(self.moments, seq, key=lambda mark: mark[0])
        return self.moments[place][1] if place < len(self.moments) else self.clock.now()

    def written_by(self, moment: datetime) -> int:
        """Return up to which entry the book was written at that moment."""
        place = bisect_right(self.moments, moment, key=lambda mark: mark[1])
        return self.moments[place - 1][0] if place else 0


def shown(message: Stored) -> Message:
    """The message as the gateway shows it."""
    return Message(
        message.id, message.number, message.text, 1, 0, MessageStatus(message.status.lower()), message.status,
        message.at, None, message.group, message.result_code, None, message.retries,
    )  # fmt: skip
