"""The limits on what is being sent, by the names that metrics and alerts have for them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from campaigns.money.budgets import MoneyBudget
from worker import metrics
from worker.limits.batch_limits import Limits, routes
from worker.limits.bills import limit_of
from worker.limits.money import money_budgets
from worker.limits.planned_limits import LimitScope
from worker.runtime import Runtime
from worker.store.money.spending import SpendingLimit, spent_of
from worker.store.reports.facts import Begun
from worker.throttle import Limit


@dataclass(frozen=True, slots=True)
class LimitAtWork:
    """`label`: `account`, `device:2`, `campaign:SLUG`. `runs`: the runs that it holds for."""

    label: str
    limit: Limit
    runs: dict[int, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MoneyAtWork:
    """A budget of money that holds for what is being sent, and what of it is spent, in millionths.

    `campaign`: what it holds for; empty: all of them.
    """

    label: str
    subject: str
    campaign: str
    budget: MoneyBudget
    spent: int


def money_at_work(runtime: Runtime, begun: Sequence[Begun], now: datetime) -> list[MoneyAtWork]:
    """Return every budget of money on these runs, once, as `limits_at_work`."""
    ceilings, zone = runtime.ceilings.current(), runtime.settings.zone
    found: dict[SpendingLimit, tuple[str, str, str, MoneyBudget]] = {}
    for run in islice(begun, metrics.MOST_CAMPAIGNS):
        definition = runtime.definitions.find(run.definition_id)
        for budget in money_budgets(ceilings, zone, definition) if definition is not None else ():
            limit = limit_of(budget, runtime.account_id, run.campaign_id, now)
            if budget.of_campaign:
                names = f"campaign:{run.campaign}", f"{run.campaign}: {budget.whose}", run.campaign
            else:
                names = "account", budget.whose, ""
            found.setdefault(limit, (*names, budget))
    if not found:
        return []
    with runtime.store.read() as session:
        spent = spent_of(session, list(found))
    return [MoneyAtWork(*names, spent.get(limit.key, 0)) for limit, names in found.items()]


def limits_at_work(runtime: Runtime, at_work: Sequence[Begun], now: datetime) -> list[LimitAtWork]:
    """Return every limit on these runs, once; of the last campaigns to begin, as many as have metrics."""
    ceilings, limits = runtime.ceilings.current(), Limits("", runtime.settings.zone)
    found: dict[str, LimitAtWork] = {}
    for run in islice(at_work, metrics.MOST_CAMPAIGNS):
        definition = runtime.definitions.find(run.definition_id)
        if definition is None:
            continue
        for route in routes(definition, first=0, stuck=ceilings.stuck):
            labels = {LimitScope.RUN: f"campaign:{run.campaign}", LimitScope.DEVICE: f"device:{route.level_key}"}
            for limit in limits.of(ceilings, definition, run.id, route, now=now):
                scope = LimitScope(limit.key.partition(":")[0])
                label = labels.get(scope, scope.value)
                found.setdefault(limit.name, LimitAtWork(label, limit)).runs[run.id] = None
    return list(found.values())
