"""Facts of the database for the metrics: looked at by the process that runs the clock, and by no other."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from campaigns.lifecycle import RecipientState, RunState
from scheduler.report.devices import people_of_month
from scheduler.ticks.counting import SHARE, RunCounts, shown
from scheduler.ticks.credits import Credits
from scheduler.ticks.every import RESTS, Every
from scheduler.ticks.limits_at_work import limits_at_work, money_at_work
from worker import metrics
from worker.limits.ledger import StoreLedger
from worker.metrics import Labels
from worker.runtime import Runtime
from worker.store import leases
from worker.store.reports import facts
from worker.store.reports.counts import kept
from worker.store.reports.facts import Begun
from worker.store.sending import accounts
from worker.throttle import Budget

DAY: Final = timedelta(hours=36)
"""A day of a zone is never longer, a month never shorter."""


@dataclass(slots=True)
class MetricsTick:
    """Shows what campaigns, limits and the account are like; rests in a process that serves no metrics."""

    counts: RunCounts = field(default_factory=RunCounts)
    credits: Credits = field(default_factory=Credits)
    limits: Every = field(default_factory=Every)

    def __call__(self, runtime: Runtime, now: datetime) -> Mapping[str, int]:
        if not metrics.is_on():
            return RESTS
        ceilings = runtime.ceilings.current()
        most = ceilings.device_people_monthly
        with runtime.store.read() as session:
            begun = facts.begun_runs(session, runtime.account_id)
            account = accounts.account_view(session, runtime.account_id)
            since = facts.oldest(session, runtime.account_id, now=now)
            queued = facts.queued_batches(session, runtime.account_id)
            people = people_of_month(session, runtime.account_id, ceilings, runtime.settings.zone, now=now)
            lease_age = 0.0 if runtime.store.is_sqlite else leases.age(session, rehearsal=runtime.rehearsal)
        outstanding = runtime.queue.outstanding()
        metrics.set_gauge(metrics.ACCOUNT_PAUSED, {(): account.is_paused})
        metrics.set_gauge(metrics.QUEUE_MESSAGES, {(): queued if outstanding is None else outstanding})
        metrics.set_gauge(metrics.LEASE_AGE, {(): lease_age})
        metrics.set_gauge(metrics.DEVICE_PEOPLE, {(name,): texted / (most or 1) for name, texted in people.items()})
        lag = runtime.store.replica_lag_seconds()
        metrics.set_gauge(metrics.REPLICA_LAG, {} if lag is None else {(): lag})
        self._show_ages(since, now)
        self._count(runtime, begun)
        at_work = [run for run in begun if run.state is RunState.RUNNING]
        self._show_limits(runtime, at_work, now)
        self._show_money(runtime, [run for run in begun if run.state in {RunState.RUNNING, RunState.PAUSED}], now)
        if at_work and not account.is_paused:
            self.credits.ask(runtime)
        return {"begun": len(begun)}

    def _show_money(self, runtime: Runtime, unsent: Sequence[Begun], now: datetime) -> None:
        left: dict[Labels, float] = {
            (each.label, each.budget.within.value): max(0.0, 1.0 - each.spent / each.budget.amount.millionths)
            for each in money_at_work(runtime, unsent, now)
        }
        metrics.set_gauge(metrics.MONEY_LEFT, left)
        metrics.set_gauge(metrics.PRICES_UNUSABLE, {(): float(bool(runtime.prices.problem()))})

    def _show_ages(self, since: Mapping[RecipientState, datetime], now: datetime) -> None:
        ages = {state: (now - at).total_seconds() for state, at in since.items()}
        on_phones = metrics.values(metrics.DEVICE_OLDEST).values()
        if any(on_phones):
            ages[RecipientState.ACCEPTED] = max(on_phones)
        metrics.set_gauge(metrics.OLDEST, {(state.value,): age for state, age in ages.items()})

    def _count(self, runtime: Runtime, begun: Sequence[Begun]) -> None:
        self.counts.count(runtime, begun)
        campaigns = {run.id: run.campaign for run in shown(begun)}
        total: Counter[Labels] = Counter()
        with runtime.store.read() as session:
            found = kept(session, campaigns)
        for id_, figures in found.items():
            # Also where nobody is: a figure that vanished would not be drawn as none.
            total.update({(campaigns[id_], state.value): figures.get(state, (0, 0))[0] for state in RecipientState})
        metrics.set_gauge(metrics.RECIPIENTS, total)

    def _show_limits(self, runtime: Runtime, at_work: Sequence[Begun], now: datetime) -> None:
        began = runtime.clock.elapsed_seconds()
        if not self.limits.is_due(began):
            return
        ledger = StoreLedger(runtime.store, runtime.account_id)
        used: dict[Labels, float] = {}
        left: dict[Labels, float] = {}
        for name, limit in ((each.label, each.limit) for each in limits_at_work(runtime, at_work, now)):
            share = sum(segments for _, segments in ledger(limit, now)) / limit.limit_segments
            if isinstance(limit, Budget):
                period = "day" if limit.ends_at - limit.starts_at < DAY else "month"
                left[name, period] = min(left.get((name, period), 1.0), max(0.0, 1.0 - share))
            else:
                used[(name,)] = max(used.get((name,), 0.0), share)
        metrics.set_gauge(metrics.RATE_USED, used)
        metrics.set_gauge(metrics.BUDGET_LEFT, left)
        self.limits.rest(began, SHARE * (runtime.clock.elapsed_seconds() - began))
