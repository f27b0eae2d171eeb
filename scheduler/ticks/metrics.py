"""Facts of the database for the metrics: looked at by the process that runs the clock, and by no other."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from campaigns.lifecycle import RecipientState, RunState
from scheduler.ticks.account_probe import set_credits
from scheduler.ticks.every import RESTS, Every
from worker import metrics
from worker.gateway import GatewayError
from worker.limits.batch_limits import Limits, LimitScope, routes
from worker.limits.ledger import StoreLedger
from worker.logs import get_logger
from worker.metrics import Labels
from worker.runtime import Runtime
from worker.store import leases
from worker.store.reports import facts
from worker.store.reports.facts import Begun, StateCounts
from worker.store.sending import accounts
from worker.throttle import Budget, Limit

LOOK_SECONDS: Final = 5.0
"""How old a fact is at least; what takes longer to count is older."""

SHARE: Final = 50
"""Counting takes at most a fiftieth of the time: a million recipients take 0.7 s of the processor on SQLite (measured
with 200,000), and are counted every 35 s; a campaign of 10,000 every five seconds."""

SPENT_AT_ONCE_SECONDS: Final = LOOK_SECONDS / SHARE

CREDITS_SECONDS: Final = 300.0
"""How often the gateway is asked for the balance while anything is sent; the question costs nothing."""

DAY: Final = timedelta(hours=36)
"""A day of a zone is never longer, a month never shorter."""


@dataclass(slots=True)
class _Look:
    """The last count of a run, and when it is counted again."""

    counts: StateCounts | None = None
    again: Every = field(default_factory=lambda: Every(LOOK_SECONDS))


@dataclass(slots=True)
class MetricsTick:
    """Shows what campaigns, limits and the account are like; rests in a process that serves no metrics."""

    looks: dict[int, _Look] = field(default_factory=dict)
    counting: Every = field(default_factory=Every)
    limits: Every = field(default_factory=Every)
    balance: Every = field(default_factory=lambda: Every(CREDITS_SECONDS))

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        if not metrics.is_on():
            return RESTS
        with runtime.store.read() as session:
            begun = facts.begun_runs(session, runtime.account_id)
            account = accounts.account_view(session, runtime.account_id)
            since = facts.oldest(session, runtime.account_id, now=now)
            queued = facts.queued_batches(session, runtime.account_id)
            lease_age = 0.0 if runtime.store.is_sqlite else leases.age(session, rehearsal=runtime.rehearsal)
        outstanding = runtime.queue.outstanding()
        metrics.set_gauge(metrics.ACCOUNT_PAUSED, {(): account.is_paused})
        metrics.set_gauge(metrics.QUEUE_MESSAGES, {(): queued if outstanding is None else outstanding})
        metrics.set_gauge(metrics.LEASE_AGE, {(): lease_age})
        self._show_ages(since, now)
        self._count(runtime, begun)
        at_work = [run for run in begun if run.state is RunState.RUNNING]
        self._show_limits(runtime, at_work, now)
        if at_work and not account.is_paused:
            self._ask_balance(runtime)
        return {"begun": len(begun)}

    def _show_ages(self, since: Mapping[RecipientState, datetime], now: datetime) -> None:
        ages = {state: (now - at).total_seconds() for state, at in since.items()}
        on_phones = metrics.values(metrics.DEVICE_OLDEST).values()
        if any(on_phones):
            ages[RecipientState.ACCEPTED] = max(on_phones)
        metrics.set_gauge(metrics.OLDEST, {(state.value,): age for state, age in ages.items()})

    def _count(self, runtime: Runtime, begun: Sequence[Begun]) -> None:
        """Count the runs that were not counted for longest, as far as the share of the time allows."""
        shown = set(list(dict.fromkeys(run.campaign for run in begun))[: metrics.MOST_CAMPAIGNS])
        mine = {run.id: run for run in begun if run.campaign in shown}
        self.looks = {id_: self.looks.get(id_, _Look()) for id_ in mine}
        began = runtime.clock.elapsed_seconds()
        spent = 0.0
        for id_, look in sorted(self.looks.items(), key=lambda each: each[1].again.next_seconds):
            at = began + spent
            if spent >= SPENT_AT_ONCE_SECONDS or not self.counting.is_due(began) or not look.again.is_due(at):
                break
            with runtime.store.read() as session:
                look.counts = facts.count_states(session, id_)
            _check(mine[id_], look.counts)
            spent = runtime.clock.elapsed_seconds() - began
            look.again.rest(began + spent)
        if spent:
            self.counting.rest(began, SHARE * spent)
        total: Counter[Labels] = Counter()
        for id_, look in self.looks.items():
            if look.counts is not None:
                total.update({(mine[id_].campaign, state.value): n for state, n in look.counts.by_state.items()})
        metrics.set_gauge(metrics.RECIPIENTS, total)

    def _show_limits(self, runtime: Runtime, at_work: Sequence[Begun], now: datetime) -> None:
        began = runtime.clock.elapsed_seconds()
        if not self.limits.is_due(began):
            return
        ledger = StoreLedger(runtime.store, runtime.account_id)
        used: dict[Labels, float] = {}
        left: dict[Labels, float] = {}
        for name, limit in _limits(runtime, at_work, now):
            share = sum(segments for _, segments in ledger(limit, now)) / limit.limit_segments
            if isinstance(limit, Budget):
                period = "day" if limit.ends_at - limit.starts_at < DAY else "month"
                left[name, period] = min(left.get((name, period), 1.0), max(0.0, 1.0 - share))
            else:
                used[(name,)] = max(used.get((name,), 0.0), share)
        metrics.set_gauge(metrics.RATE_USED, used)
        metrics.set_gauge(metrics.BUDGET_LEFT, left)
        self.limits.rest(began, SHARE * (runtime.clock.elapsed_seconds() - began))

    def _ask_balance(self, runtime: Runtime) -> None:
        at = runtime.clock.elapsed_seconds()
        if self.balance.is_due(at):
            self.balance.rest(at)
            try:
                set_credits(runtime.gateway.balance())
            except GatewayError as error:
                get_logger().info("credits.not_read", problem=str(error))


def _limits(runtime: Runtime, at_work: Sequence[Begun], now: datetime) -> Iterable[tuple[str, Limit]]:
    """Return every limit on what is being sent, once, with its name in the metrics."""
    ceilings, limits = runtime.ceilings.current(), Limits("", runtime.settings.zone)
    found: dict[str, tuple[str, Limit]] = {}
    for run in at_work[: metrics.MOST_CAMPAIGNS]:
        definition = runtime.definitions.find(run.definition_id)
        if definition is None:
            continue
        for route in routes(definition, first=0, stuck=ceilings.stuck):
            names = {LimitScope.RUN: f"campaign:{run.campaign}", LimitScope.DEVICE: f"device:{route.level_key}"}
            for limit in limits.of(ceilings, definition, run.id, route, now=now):
                scope = LimitScope(limit.key.partition(":")[0])
                found[limit.name] = names.get(scope, scope.value), limit
    return found.values()


def _check(run: Begun, counts: StateCounts) -> None:
    """Count a run whose books do not add up, at each look: somebody would get nothing, or is missing."""
    missing = max(0, run.planned - sum(counts.by_state.values()))
    if counts.stray or missing:
        metrics.count(metrics.VIOLATIONS)
        get_logger().error("ledger.does_not_add_up", run=run.id, stray=counts.stray, missing=missing)
