"""The limits on what is being sent, by the names that metrics and alerts have for them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice

from worker import metrics
from worker.limits.batch_limits import Limits, LimitScope, routes
from worker.runtime import Runtime
from worker.store.reports.facts import Begun
from worker.throttle import Limit


@dataclass(frozen=True, slots=True)
class LimitAtWork:
    """`label`: `account`, `device:2`, `campaign:SLUG`. `runs`: the runs that it holds for."""

    label: str
    limit: Limit
    runs: dict[int, None] = field(default_factory=dict)


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
