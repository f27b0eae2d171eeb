"""Writes down how far runs are over time, and what keeps them back."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from campaigns.codes import PausedBy, WaitsFor
from campaigns.definition import Definition
from campaigns.following.course import Bottleneck, bottlenecks
from campaigns.lifecycle import RunState
from campaigns.timing.sending_hours import hours_of
from scheduler.ticks.every import Every, Quiet
from worker.limits.batch_limits import routes
from worker.limits.limits_in_force import Ceilings
from worker.runtime import Runtime
from worker.store.reports import courses
from worker.store.reports.counts import kept, states
from worker.store.reports.courses import RunStanding
from worker.store.sending import queue

MINUTE_SECONDS: Final = 60

SOON: Final = timedelta(seconds=1)
"""What is due later than this waits for its moment: drain queues less than a second ahead."""

OF_WAITS: Final[Mapping[WaitsFor, Bottleneck]] = {
    WaitsFor.BUDGET: Bottleneck.BUDGET,
    WaitsFor.PRICE: Bottleneck.BUDGET,
    WaitsFor.WINDOW: Bottleneck.WINDOW,
    WaitsFor.DOUBT: Bottleneck.DOUBT,
    WaitsFor.NUMBER: Bottleneck.DOUBT,
    WaitsFor.CAP: Bottleneck.CAP,
    WaitsFor.CAP_PASSED: Bottleneck.CAP,
    WaitsFor.OPT_OUTS: Bottleneck.OPT_OUTS,
    WaitsFor.BACK_OFF: Bottleneck.GATEWAY,
    WaitsFor.RETRY: Bottleneck.GATEWAY,
}
"""What a batch waits for says it, except for a rate: several rates apply to it."""


@dataclass(slots=True)
class _Seen:
    """What was last written about a run, and what kept it back at each look in this minute."""

    counts: tuple[int, ...] = ()
    bottleneck: Bottleneck | None = None
    written: Every = field(default_factory=Every)
    minute: int = 0
    looks: Counter[Bottleneck] = field(default_factory=Counter)

    def look(self, minute: int, bottleneck: Bottleneck) -> Bottleneck:
        """Return what kept the run back for the most of this minute so far."""
        if minute != self.minute:
            self.minute, self.looks = minute, Counter()
        self.looks[bottleneck] += 1
        return self.looks.most_common(1)[0][0]


@dataclass(slots=True)
class CourseTick:
    """Notes what changed, at most once in each step of a run's course: a long run is written seldom."""

    seen: dict[int, _Seen] = field(default_factory=dict)
    quiet: Quiet = field(default_factory=Quiet)

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        version = runtime.store.version()
        if self.quiet.lasts(version, now):
            return {"written": 0}
        with runtime.store.read() as session:
            standings = courses.standings(session, runtime.account_id)
            if not standings:
                self.quiet.found_nothing(version, lambda: None)
            begun = [each for each in standings if runtime.includes(each.run_id)]
            if not begun:
                self.seen = {}
                return {"written": 0}
            figures = kept(session, [each.run_id for each in begun])
            in_doubt = queue.has_too_much_in_doubt(session, runtime.account_id)
        self.seen = {each.run_id: self.seen.get(each.run_id, _Seen()) for each in begun}
        minute = int(now.timestamp()) // MINUTE_SECONDS
        at = runtime.clock.elapsed_seconds()
        due: dict[int, tuple[tuple[int, ...], Bottleneck]] = {}
        for each in begun:
            seen = self.seen[each.run_id]
            counts = courses.stages(states(figures[each.run_id]))
            bottleneck = seen.look(minute, bottleneck_of(runtime, each, in_doubt=in_doubt, now=now))
            if bottleneck is not seen.bottleneck or (counts != seen.counts and seen.written.is_due(at)):
                due[each.run_id] = counts, bottleneck
        if due:
            self._write(runtime, due, minute, now, at)
        return {"written": len(due)}

    def _write(
        self,
        runtime: Runtime,
        due: Mapping[int, tuple[tuple[int, ...], Bottleneck]],
        minute: int,
        now: datetime,
        at: float,
    ) -> None:
        with runtime.store.write("courses") as session:
            for run_id, (counts, bottleneck) in due.items():
                course, known = courses.load_course(session, run_id)
                grown = [count - before for count, before in zip(counts, course.totals, strict=True)]
                if any(grown):
                    course.add(now.timestamp(), *grown)
                courses.save_course(session, run_id, course, bottlenecks(known, minute * MINUTE_SECONDS, bottleneck))
                seen = self.seen[run_id]
                seen.counts, seen.bottleneck = counts, bottleneck
                seen.written.rest(at, course.step_seconds)


def bottleneck_of(runtime: Runtime, run: RunStanding, *, in_doubt: bool, now: datetime) -> Bottleneck:
    """Return what keeps a run that has begun from sending faster."""
    if run.state is RunState.SETTLING:
        return Bottleneck.RECEIPTS
    if run.state is RunState.PAUSED or run.account_paused_by is PausedBy.PERSON:
        return Bottleneck.PAUSE
    if run.account_paused_by is not PausedBy.NOBODY:
        return Bottleneck.GATEWAY
    if in_doubt:
        return Bottleneck.DOUBT
    if run.due_at is None:  # its last requests are under way
        return Bottleneck.GATEWAY
    if run.waits_for in OF_WAITS:
        return OF_WAITS[run.waits_for]
    definition = runtime.definitions.find(run.definition_id)
    if definition is None:
        return Bottleneck.GATEWAY
    if run.waits_for is WaitsFor.NOTHING and run.due_at > now + SOON:
        hours = hours_of(definition.schedule, run.zones, within=runtime.settings.policy.hours_in_force(definition))
        return Bottleneck.MOMENT if hours is None or hours.allowed(now) else Bottleneck.WINDOW
    return slowest(runtime.ceilings.current(), definition)


def slowest(ceilings: Ceilings, definition: Definition) -> Bottleneck:
    """Return which rate a campaign waits for: the lowest one. Without any, the gateway takes no more."""
    phones = routes(definition, first=0, stuck=ceilings.stuck)
    of_phones = [ceilings.device_rates.get(phone.level_key, ceilings.device_rate) for phone in phones]
    rates = {
        Bottleneck.RATE: ceilings.campaign_rates.get(definition.campaign, definition.throughput.rate),
        Bottleneck.ACCOUNT: ceilings.account_rate,
    }
    found = {bottleneck: rate.per_second for bottleneck, rate in rates.items() if rate is not None}
    known = [rate.per_second for rate in of_phones if rate is not None]
    if known and len(known) == len(of_phones):
        found[Bottleneck.PHONE] = sum(known)
    return min(found, key=found.__getitem__, default=Bottleneck.GATEWAY)
