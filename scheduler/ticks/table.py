"""Every tick: how often it is called, and what it remembers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from scheduler.rush import Rush
from scheduler.ticks.account_probe import is_probe_due, probe
from scheduler.ticks.alerts import EVERY_SECONDS, AlertsTick
from scheduler.ticks.clocks import WallClock
from scheduler.ticks.counting import LOOK_SECONDS, RunCounts
from scheduler.ticks.credits import Credits
from scheduler.ticks.every import WhenDue
from scheduler.ticks.following.courses import CourseTick
from scheduler.ticks.following.finish import FinishTick
from scheduler.ticks.following.follow import FollowTick
from scheduler.ticks.following.late_acceptances import WatchTick
from scheduler.ticks.following.retry import is_retry_due, retry
from scheduler.ticks.following.stuck import StuckTick
from scheduler.ticks.forgetting.erasing import ErasingTick
from scheduler.ticks.lookups.unread import ReceiptReads
from scheduler.ticks.lookups.windows import WindowMemory
from scheduler.ticks.metrics import MetricsTick
from scheduler.ticks.notices import NoticesTick
from scheduler.ticks.pulse import Pulse
from scheduler.ticks.replies import FirstLook, RepliesTick
from scheduler.ticks.retention import ForgetTick
from scheduler.ticks.sending.drain import DrainTick
from scheduler.ticks.sending.missed import is_any_late, late
from scheduler.ticks.sending.reconcile import ReconcileTick
from scheduler.ticks.sending.rescue import RescueTick
from scheduler.ticks.sending.start import StartTick
from scheduler.ticks.sending.steps import StepsTick
from scheduler.ticks.unsubscribe import UnsubscribeTick, is_unsubscribe_due
from worker.runtime import Runtime
from worker.store.runs.help_runs import unfinished_answers

Work = Callable[[Runtime, datetime], Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Tick:
    """Something that the clock calls repeatedly, `every` this many seconds. It counts what it did.

    `work` is a plain function, or an object if it remembers something between calls. The clock acts on three counts:
    none at all (`RESTS`), `idle` (nothing is being sent or followed), `started` (something is sent from now on).

    `for_work`: has nothing to do while everything is idle. `can_wait`: can wait some seconds when many runs begin
    together; not replies, one of which may be STOP. `is_first`: is called once before all others.
    """

    name: str
    every: float
    work: Work
    for_work: bool = False
    can_wait: bool = False
    is_first: bool = False

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        return self.work(runtime, now)


class Ticks:
    """One tick of each kind, with its memory, and what several of them share.

    `before`: ticks that these replace, because what they remember of times has become wrong.
    """

    def __init__(self, before: "Ticks | None" = None) -> None:
        self.rush: Rush = before.rush if before else Rush()
        self.pulse: Pulse = before.pulse if before else Pulse()
        self.wall_clock: WallClock = before.wall_clock if before else WallClock()
        self.first_look = FirstLook()
        self.notices = NoticesTick()
        self._replies = RepliesTick()
        windows = WindowMemory()
        receipt_reads = ReceiptReads()
        counts, left = RunCounts(), Credits()
        self.all = (
            Tick("steps", 1.0, StepsTick(), can_wait=True),
            Tick("start", 0.4, StartTick(self.rush, windows, self.first_look)),
            Tick("drain", 0.1, DrainTick(self.rush), for_work=True),
            Tick("late", 1.0, WhenDue(late, is_any_late)),
            Tick("rescue", 1.0, RescueTick(self.wall_clock)),
            Tick("reconcile", 0.5, ReconcileTick(windows)),
            Tick("follow", 0.5, FollowTick(windows, receipt_reads)),
            Tick("retry", 1.0, WhenDue(retry, is_retry_due)),
            Tick("finish", 0.5, FinishTick(receipt_reads), for_work=True, can_wait=True),
            Tick("probe", 1.0, WhenDue(probe, is_probe_due)),
            Tick("watch", 5.0, WatchTick(windows)),
            Tick("stuck", 5.0, StuckTick()),
            Tick("replies", 1.0, self._replies, is_first=True),
            Tick("unsubscribe", 1.0, WhenDue(UnsubscribeTick(), is_unsubscribe_due)),
            Tick("notices", 1.0, self.notices, can_wait=True),
            Tick("metrics", LOOK_SECONDS, MetricsTick(counts, left), can_wait=True),
            Tick("alerts", EVERY_SECONDS, AlertsTick(counts, left, self.pulse), can_wait=True),
            Tick("course", 1.0, CourseTick(), can_wait=True),
            Tick("forget", 60.0, ForgetTick()),
            Tick("erase", 5.0, ErasingTick(), can_wait=True),
        )

    def for_runs(self, ids: set[int]) -> tuple[Tick, ...]:
        """Return the same ticks for these runs only. `ids` grows: who reads questions also sends answers to HELP."""

        def replies(runtime: Runtime, now: datetime) -> Mapping[str, int]:
            done = self._replies(runtime, now)
            if done.get("reads"):
                with runtime.store.read() as session:
                    ids.update(unfinished_answers(session, rehearsal=runtime.rehearsal))
            return done

        def for_ids(work: Work) -> Work:
            return lambda runtime, now: work(replace(runtime, only_runs=frozenset(ids)), now)

        return tuple(
            replace(tick, work=for_ids(replies if tick.work is self._replies else tick.work)) for tick in self.all
        )
