"""The whole product on a bench: real store, throttle, dispatcher and ticks; the test controls clock and gateway."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa
from dramatiq.brokers.stub import StubBroker
from pydantic import SecretStr
from sqlmodel import col, select

from campaigns.codes import PausedBy
from campaigns.definition import Kind
from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.planning.batching import BatchLimits
from campaigns.protocol.declarations import Declared
from scheduler.intake.outcome import Intake
from scheduler.intake.repeating import PLAN_AHEAD, ZONES_APART, repeat
from scheduler.intake.taking import read_file, take_up
from scheduler.ticks.table import Tick, Ticks
from tests.protocol.world.sandbox_gateway import KEY, SandboxGateway
from tests.protocol.world.scripted_gateway import ScriptedGateway
from tests.support.clocks import FakeClock
from worker.definitions import Definitions
from worker.gateway import GatewayClient
from worker.gateway.reading import MAX_MESSAGES
from worker.jobs import JobQueue
from worker.limits.batch_limits import Limits
from worker.limits.ledger import StoreLedger
from worker.limits.live_limits import live_ceilings
from worker.limits.live_prices import LivePrices
from worker.marker import NoMarker
from worker.runtime import Runtime
from worker.sending.dispatch import Dispatched, Dispatcher
from worker.servers.troubles import Troubles
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.models import Account, Attempt, Batch, Event, MessageGroup, Recipient, Run
from worker.store.people import stored_replies
from worker.store.reports import counts
from worker.store.runs import held, runs
from worker.store.runs.resends import create_resend
from worker.store.runs.runs import RunView
from worker.store.sending import accounts
from worker.throttle import InMemoryThrottle
from worker.throttle.levels import no_records

SETTLE: Final = timedelta(seconds=30)
SEND_BY: Final = timedelta(seconds=6)
SETTLED: Final = SEND_BY + SETTLE
STEP_SECONDS: Final = 10.0

SELDOM: Final = frozenset({"alerts", "metrics"})
SELDOM_SECONDS: Final = 10.0
"""While time passes, what only looks is called this often, as by the service; it is a third of the work of a tick."""


class HeldQueue(JobQueue):
    """A queue that keeps its jobs until the bench works on them, one by one."""

    def __init__(self, send_batch: Callable[[int], object]) -> None:
        super().__init__(StubBroker(middleware=[]), send_batch, lambda: len(self.jobs), is_shared=True)
        self.jobs: list[int] = []
        self.is_away = False

    def enqueue(self, batch_ids: Iterable[int], kind: Kind = Kind.MARKETING) -> int:
        """Keep the jobs, of every kind in one queue."""
        if self.is_away:
            raise ConnectionError(f"no queue for {kind}")
        before = len(self.jobs)
        self.jobs += batch_ids
        return len(self.jobs) - before


class Installation:
    """One account, one gateway; `tick` does what all schedulers and workers of an installation do at a moment."""

    def __init__(
        self,
        folder: Path,
        store: Store,
        clock: FakeClock,
        gateway: ScriptedGateway | None = None,
        max_messages: int = MAX_MESSAGES,
        sandbox: SandboxGateway | None = None,
        **more: Any,
    ) -> None:
        """An account whose gateway was read already, and was empty; `gateway` is that of the bench before this one.

        A process's memory starts afresh with each bench. `more` are settings. `max_messages`: in one reply. `sandbox`
        takes the place of the scripted gateway.
        """
        self.clock = clock
        self.folder = folder
        self.gateway = gateway or ScriptedGateway(clock)
        self.settings = Settings(
            database_url=store.url.render_as_string(),
            timezone="UTC",
            send_by_seconds=SEND_BY.total_seconds(),
            settle_seconds=SETTLE.total_seconds(),
            # It works on one job after the other.
            **({"first_poll_seconds": 5, "max_poll_seconds": 60, "device_rate": None, "threads": 1} | more),
        )
        with store.write() as session:
            account_id = accounts.ensure_account(session, "bench")
            if gateway is None:
                accounts.record_gateway_state(session, account_id, newest_id=0, seen_at=None, now=clock.now())
        client = GatewayClient(
            "https://sms.example/",
            SecretStr(KEY),
            clock=clock,
            transport=sandbox or self.gateway,
            max_messages=max_messages,
        )
        ceilings = live_ceilings(store, account_id, self.settings, clock)
        definitions = Definitions(store)
        prices = LivePrices(self.settings.prices, clock)
        self.dispatcher = Dispatcher(
            store=store,
            definitions=definitions,
            gateway=client,
            throttle=InMemoryThrottle(clock, StoreLedger(store, account_id) if gateway else no_records),
            clock=clock,
            settings=self.settings,
            limits=Limits("bench", self.settings.zone),
            ceilings=ceilings,
            prices=prices,
            marker=NoMarker(),
            troubles=Troubles(clock),
        )
        self.queue = HeldQueue(self.dispatcher.dispatch)
        self.runtime = Runtime(
            self.settings,
            store,
            clock,
            client,
            self.queue,
            definitions,
            NoMarker(),
            account_id,
            rehearsal=False,
            ceilings=ceilings,
            prices=prices,
        )
        self.store = store
        self.ticks = Ticks()
        self._named = by_name(self.ticks.all)
        self._looked_at = -SELDOM_SECONDS

    def after_restart(self, *, max_messages: int = MAX_MESSAGES) -> "Installation":
        """Another process on the same database and gateway; this one may still have jobs."""
        return Installation(self.folder, self.store, self.clock, self.gateway, max_messages=max_messages)

    def hear(self) -> None:
        """Pretend that replies were read a moment ago, so that a first text waits for nothing."""
        with self.store.write() as session:
            stored_replies.record_read(session, self.runtime.account_id, self.clock.now())

    def forget_gateway(self) -> None:
        """Pretend that nothing has been read from it yet, as on the first day."""
        with self.store.write() as session:
            session.execute(sa.update(Account).values(met_at=None, witness_id=None, highest_gateway_id=0))

    # Campaigns.

    def campaign(
        self,
        how_many: int = 4,
        *,
        name: str = "sale",
        first: int = 0,
        per_request: int = 10,
        more: str = "",
        text: str = "Ciao {{ first_name }}",
    ) -> int:
        """Drop a campaign to this many people; return its run. A second one with this `text` would need approval."""
        people = "".join(f"+39333{place:07},N{place}\n" for place in range(first, first + how_many))
        (self.folder / f"{name}.csv").write_text(f"number,first_name\n{people}")
        return self.drop(
            f"campaign: {name}\nmessage: {text}\naudience:\n  - file: {name}.csv\n"
            f"throughput:\n  batch_size: {per_request}\n{more}",
            name,
        ).run_id

    def drop(self, text: str, name: str = "sale") -> Intake:
        """Process a campaign file."""
        path = self.folder / f"{name}.yaml"
        path.write_text(text)
        return take_up(self.runtime, read_file(path, self.runtime.settings), source=path.name)

    # Time.

    def tick(self, *, looks: bool = True) -> None:
        """Do everything that is due now; without `looks`, alerts and metrics only if they are due as well."""
        self.send()
        now = self.clock.elapsed_seconds()
        rests = {"start", "drain"}
        if looks or now >= self._looked_at + SELDOM_SECONDS:
            self._looked_at = now
        else:
            rests |= SELDOM
        for name in self._named:
            if name not in rests:
                self.call(name)
        repeat(self.runtime, lambda _: self.folder, self.clock.now())

    def call(self, name: str) -> Mapping[str, int]:
        """Run one tick; return its counts."""
        return self._named[name](self.runtime, self.clock.now())

    def work_only_on(self, run_ids: set[int]) -> None:
        """From now on, the ticks are those of a command that has only these runs."""
        self._named = by_name(self.ticks.for_runs(run_ids))

    def work(self) -> list[Dispatched]:
        """Work on every job in the queue."""
        jobs, self.queue.jobs = self.queue.jobs, []
        return [self.dispatcher.dispatch(job) for job in jobs]

    def enqueue(self) -> None:
        """Start and enqueue what is due; do nothing else."""
        self.call("start")
        self.call("drain")

    def send(self) -> list[Dispatched]:
        """Send what is due; do nothing else."""
        self.enqueue()
        return self.work()

    def pass_time(self, duration: timedelta | float, *, step: float = STEP_SECONDS) -> None:
        """Tick until this much time has passed; time for which a tick itself waits counts."""
        end = self.clock.now() + (duration if isinstance(duration, timedelta) else timedelta(seconds=duration))
        while self.clock.now() < end:
            self.tick(looks=False)
            self.clock.advance(min(step, (end - self.clock.now()).total_seconds()) if self.clock.now() < end else 0)
        self.tick()

    def until(
        self, is_so: Callable[[], bool], *, within: timedelta = timedelta(minutes=10), step: float = STEP_SECONDS
    ) -> None:
        """Tick until it is so."""
        end = self.clock.now() + within
        self.tick()
        while not is_so():
            assert self.clock.now() < end, f"not so within {within}: {self.report()}"
            self.clock.advance(step)
            self.tick()

    def finish(self, *run_ids: int, within: timedelta = timedelta(minutes=10)) -> None:
        """Let the phones deliver everything until the runs are over."""

        def is_over() -> bool:
            self.gateway.set_all("Delivered")
            return all(self.run(run_id).finished_at is not None for run_id in run_ids)

        self.until(is_over, within=within)

    def finish_from_due_to_due(self, *run_ids: int, within: timedelta = timedelta(days=4)) -> None:
        """Like `finish`, over days: the clock jumps from one due moment to the next."""
        end = self.clock.now() + within
        while True:
            self.gateway.set_all("Delivered")
            self.tick(looks=False)
            if all(self.run(run_id).finished_at is not None for run_id in run_ids):
                return
            assert self.clock.now() < end, f"not over within {within}: {self.report()}"
            due = self.next_due() or self.clock.now() + timedelta(seconds=STEP_SECONDS)
            self.clock.advance(max(due - self.clock.now(), timedelta(milliseconds=10)))

    def live_until(self, end: datetime) -> None:
        """Run the service, with phones delivering, until then; the clock jumps from one due moment to the next."""
        while True:
            for _ in range(4):  # what one tick plans is started by the next one, and sent by the one after that
                self.gateway.set_all("Delivered")
                self.tick(looks=False)
            if self.clock.now() >= end:
                return
            due = max(self.next_due() or end, self.clock.now() + timedelta(milliseconds=10))
            self.clock.advance(min(due, end) - self.clock.now())

    def next_due(self) -> datetime | None:
        """The next moment at which something is due, as far as the database knows."""
        now = self.clock.now()
        waiting = col(Batch.state).in_([BatchState.PLANNED, BatchState.QUEUED])
        late = now - timedelta(milliseconds=10)
        moments = (
            sa.select(sa.func.min(Batch.not_before)).where(waiting, col(Batch.not_before) > now),
            sa.select(sa.func.min(Batch.latest)).where(waiting, col(Batch.latest) >= late),
            sa.select(sa.func.min(Run.starts_at)).where(col(Run.starts_at) > now),
            sa.select(sa.func.min(Run.sent_at)).where(col(Run.finished_at).is_(None), col(Run.sent_at) > now),
            sa.select(sa.func.min(MessageGroup.next_poll_at)).where(col(MessageGroup.next_poll_at) > now),
        )
        with self.store.read() as session:
            found = [session.scalars(query).one() for query in moments]
            unplanned = col(Run.planned_at).is_(None), col(Run.state) == RunState.SCHEDULED
            for starts_at in session.scalars(sa.select(col(Run.starts_at)).where(*unplanned)):
                found += [starts_at - PLAN_AHEAD - ZONES_APART, starts_at - PLAN_AHEAD]
        ahead = (moment for moment in found if moment is not None and moment > now - timedelta(milliseconds=10))
        return min(ahead, default=None)

    # State.

    def run(self, run_id: int) -> RunView:
        with self.store.read() as session:
            return runs.run_view(session, run_id)

    def states(self, run_id: int) -> dict[RecipientState, int]:
        with self.store.read() as session:
            return counts.books(session, run_id).by_state

    def audience(self, run_id: int) -> int:
        return sum(self.states(run_id).values())

    def recipients(self, run_id: int) -> list[Recipient]:
        with self.store.read() as session:
            return list(session.scalars(sa.select(Recipient).filter_by(run_id=run_id).order_by(sa.column("id"))))

    def batches(self, run_id: int) -> list[Batch]:
        with self.store.read() as session:
            return list(session.scalars(sa.select(Batch).filter_by(run_id=run_id).order_by(sa.column("ordinal"))))

    def attempts(self, run_id: int) -> list[Attempt]:
        with self.store.read() as session:
            return list(session.scalars(sa.select(Attempt).filter_by(run_id=run_id).order_by(sa.column("id"))))

    def outcomes(self, run_id: int) -> list[str]:
        return [attempt.outcome for attempt in self.attempts(run_id)]

    def events(self) -> list[str]:
        with self.store.read() as session:
            return list(session.exec(select(Event.name).order_by(col(Event.id))))

    def paused_because(self) -> str:
        with self.store.read() as session:
            return accounts.account_view(session, self.runtime.account_id).paused_reason

    def report(self) -> str:
        with self.store.read() as session:
            return "; ".join(f"{run.campaign} is {run.state}: {self.states(run.id)}" for run in runs.list_runs(session))

    # Control.

    def pause(self, run_id: int) -> None:
        with self.store.write() as session:
            assert runs.pause_run(session, run_id, PausedBy.PERSON, "by hand", now=self.clock.now())

    def resume(self, run_id: int) -> None:
        with self.store.write() as session:
            assert runs.resume_run(session, run_id) is RunState.RUNNING

    def cancel(self, run_id: int) -> None:
        with self.store.write() as session:
            assert runs.cancel_run(session, run_id, "by hand", self.clock.now()) is not None

    def resolve_not_sent(self, run_id: int) -> None:
        with self.store.write() as session:
            held.resolve_held(session, run_id, Declared.NOT_SENT, number=None, by="the test", now=self.clock.now())

    def resend(self, run_id: int) -> int:
        """Do what `campaigns resend` does in its transaction; return the run that it makes."""
        with self.store.write() as session:
            again = create_resend(
                session,
                runs.run_view(session, run_id),
                account_id=self.runtime.account_id,
                limits=BatchLimits(5, 1_000),
                suppressed=lambda _: set(),
                now=self.clock.now(),
            )
        assert again is not None
        return again

    def close(self) -> None:
        self.queue.stop()


def by_name(ticks: Iterable[Tick]) -> dict[str, Tick]:
    return {tick.name: tick for tick in ticks}


def exactly_once(bench: Installation, *run_ids: int) -> bool:
    """Return whether the gateway has one message for every recipient who should get one, and none for anybody else."""
    wanted = Counter(row.number for run_id in run_ids for row in bench.recipients(run_id))
    return bench.gateway.copies() == wanted
