"""Rates and budgets of segments: what was granted in each period of every limit that was in force."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlmodel import Session

from scheduler.verify.arithmetic.limits import (
    LATE,
    InForce,
    Period,
    Sliding,
    Speed,
    day_in,
    loosest,
    month_in,
    speed_of,
    was_set_back,
)
from scheduler.verify.changes import DeviceNames, LimitChanges
from scheduler.verify.checks import Breach, Check, Reckoning
from scheduler.verify.facts import NOT_SENT, Rules, RunFacts
from scheduler.verify.pages import by_time
from worker.store.tables import attempts, runs

SET_BACK: Final = "{} stretches of time in which a clock was set back: nobody can tell what was sent within them"


@dataclass(frozen=True, slots=True)
class Grant:
    """A request that was allowed to leave, at the throttle's moment. `device`: under whose limits it falls."""

    id: int
    at: datetime
    began_at: datetime
    run_id: int
    segments: int
    device: str


@dataclass(slots=True)
class RateReckoner:
    """The rate of one scope. A request of more segments than the limit counts as the limit."""

    scope: str
    speeds: InForce[Speed | None]
    _windows: dict[float, Sliding] = field(init=False)
    _over: set[float] = field(default_factory=set)

    def __post_init__(self) -> None:
        known = {self.speeds.first, *(speed for _, speed in self.speeds.changes)}
        self._windows = {speed.seconds: Sliding(speed.seconds) for speed in known if speed is not None}

    def add(self, grant: Grant, own: frozenset[int], reckoning: Reckoning) -> None:
        """Count a grant in the window that ends with it."""
        for seconds, window in self._windows.items():
            in_force = self.speeds.between(grant.at - timedelta(seconds=seconds), grant.at)
            limit = loosest(
                None if speed is None else speed.count if speed.seconds == seconds else None for speed in in_force
            )
            cost = grant.segments if limit is None else min(grant.segments, limit)
            total = window.add(grant.at, cost, is_own=grant.run_id in own, mark=(grant.id, grant.began_at))
            if limit is None or total <= limit or not window.own:
                self._over.discard(seconds)
                continue
            if seconds in self._over:  # the same stretch of time goes on
                continue
            self._over.add(seconds)
            if was_set_back(window.marks()):
                reckoning.noted(Check.RATES, SET_BACK)
            else:
                reckoning.wrong(
                    Breach.OVER_RATE,
                    run=grant.run_id, segments=total, seconds=f"{seconds:g}", at=grant.at, limit=limit,
                    where=self.scope,
                )  # fmt: skip


@dataclass(slots=True)
class BudgetReckoner:
    """A budget of segments of one scope, for the days or months of a zone."""

    scope: str
    limits: InForce[int | None]
    period: Period
    zone: str
    name: str
    spent: Counter[str] = field(default_factory=Counter)
    is_own: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)

    def add(self, grant: Grant, own: frozenset[int], reckoning: Reckoning) -> None:
        """Count a grant in its period."""
        key = self.period(grant.at, self.zone)
        self.spent[key] += grant.segments
        if grant.run_id in own:
            self.is_own.add(key)
        length = timedelta(days=1 if self.period is day_in else 31)
        limit = loosest(self.limits.between(grant.at - length, grant.at))
        if limit is not None and self.spent[key] > limit and key in self.is_own and key not in self.told:
            self.told.add(key)
            reckoning.wrong(
                Breach.OVER_SEGMENTS,
                run=grant.run_id, segments=self.spent[key], period=self.name, at=key, limit=limit, where=self.scope,
            )  # fmt: skip


def judge_rates(session: Session, mine: Sequence[RunFacts], rules: Rules, reckoning: Reckoning) -> None:
    """Pass over all requests of the account in the time in which these runs (of one account) sent."""
    own = frozenset(run.id for run in mine)
    columns = sa.func.min(attempts.c.granted_at), sa.func.max(attempts.c.granted_at)
    first, last = session.execute(sa.select(*columns).where(attempts.c.run_id.in_(own))).one()
    if first is None:
        return
    changes = LimitChanges(session, mine[0].slug)
    limits = _Limits(mine, rules, changes)
    lead = timedelta(days=32) if limits.by_month else timedelta(days=2)
    for grant in _grants(session, mine[0].account_id, first - lead, last + LATE):
        reckoning.examined(Check.RATES, grant.run_id in own)
        for reckoner in limits.of(grant):
            reckoner.add(grant, own, reckoning)


class _Limits:
    """The reckoners of every scope, made when a request first falls under it."""

    def __init__(self, mine: Sequence[RunFacts], rules: Rules, changes: LimitChanges) -> None:
        self._runs = {run.id: run for run in mine}
        self._rules, self._changes = rules, changes
        self._known: dict[str, Sequence[RateReckoner | BudgetReckoner]] = {}
        throughputs = [run.definition.get("throughput", {}) for run in mine]
        self.by_month = any(
            (rules.account_monthly, rules.device_monthly, *(each.get("monthly") for each in throughputs))
        )

    def of(self, grant: Grant) -> Iterator[RateReckoner | BudgetReckoner]:
        """Yield everything that a grant counts in."""
        yield from self._scope("account", lambda: self._account())
        yield from self._scope(f"device {grant.device}", lambda: self._device(grant.device))
        if grant.run_id in self._runs:
            yield from self._scope(f"run {grant.run_id}", lambda: self._run(self._runs[grant.run_id]))

    def _scope(self, name: str, make: Any) -> Sequence[RateReckoner | BudgetReckoner]:
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = list(make())
        return found

    def _account(self) -> Iterator[RateReckoner | BudgetReckoner]:
        rules, changes = self._rules, self._changes
        rates = changes.of_scope("account", "rate", rules.account_rate)
        yield RateReckoner("account", _speeds(rules.account_rate, rates))
        daily = changes.of_scope("account", "daily", rules.account_daily)
        yield BudgetReckoner("account", _amounts(rules.account_daily, daily), day_in, rules.zone, "day")
        yield BudgetReckoner("account", InForce(rules.account_monthly), month_in, rules.zone, "month")

    def _device(self, device: str) -> Iterator[RateReckoner | BudgetReckoner]:
        rules, scope = self._rules, f"device:{device}"
        rates = self._changes.of_scope(scope, "rate", rules.device_rate)
        name = f"device {device}"
        yield RateReckoner(name, _speeds(rules.device_rate, rates))
        yield BudgetReckoner(name, InForce(rules.device_daily), day_in, rules.zone, "day")
        yield BudgetReckoner(name, InForce(rules.device_monthly), month_in, rules.zone, "month")

    def _run(self, run: RunFacts) -> Iterator[RateReckoner | BudgetReckoner]:
        throughput: Mapping[str, Any] = run.definition.get("throughput", {})
        rates = self._changes.of_campaign(run, "rate")
        yield RateReckoner("throughput.rate", _speeds(speed_of(throughput.get("rate")), rates))
        daily = self._changes.of_campaign(run, "daily")
        yield BudgetReckoner("throughput.daily", _amounts(throughput.get("daily"), daily), day_in, run.zone, "day")
        monthly = throughput.get("monthly")
        yield BudgetReckoner("throughput.monthly", InForce(monthly), month_in, run.zone, "month")


def _speeds(first: Speed | None, changes: Iterable[tuple[datetime, Any]]) -> InForce[Speed | None]:
    return InForce(first, tuple((at, value if isinstance(value, Speed) else speed_of(value)) for at, value in changes))


def _amounts(first: int | None, changes: Iterable[tuple[datetime, Any]]) -> InForce[int | None]:
    return InForce(first, tuple((at, int(value) if value is not None else None) for at, value in changes))


def _grants(session: Session, account_id: int, since: datetime, until: datetime) -> Iterator[Grant]:
    """Yield what was granted to the account, in order of time, without what is proven not sent."""
    columns: tuple[Any, ...] = (
        attempts.c.id, attempts.c.granted_at, attempts.c.started_at, attempts.c.run_id, attempts.c.segments,
        attempts.c.target, runs.c.definition_id,
    )  # fmt: skip
    query = (
        sa.select(*columns)
        .join(runs, runs.c.id == attempts.c.run_id)
        .where(runs.c.account_id == account_id, attempts.c.outcome != NOT_SENT)
        .where(attempts.c.granted_at >= since, attempts.c.granted_at <= until)
    )
    devices = DeviceNames(session)
    for id_, at, began_at, run_id, segments, target, definition_id in by_time(
        session, query, attempts.c.granted_at, attempts.c.id
    ):
        yield Grant(id_, at, began_at, run_id, segments, devices.of(target, definition_id))
