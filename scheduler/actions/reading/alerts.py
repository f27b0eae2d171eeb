"""The alerts that are raised, and those that were."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from campaigns.alerts.conditions import CONDITIONS, Severity
from campaigns.alerts.figures import AlertName
from campaigns.display import utc
from campaigns.lifecycle import RunState
from scheduler.actions.shapes.seen import AlertShape
from worker.store import leases
from worker.store.engine import Store
from worker.store.notifications import alerts
from worker.store.notifications.alerts import AlertRow
from worker.store.runs.runs import list_runs

MOST_CLEARED: Final = 200

UNHELD_SECONDS: Final = (leases.LEASE + CONDITIONS[AlertName.NO_LEASE_HOLDER].holds).total_seconds()


@dataclass(frozen=True, slots=True)
class AlertView:
    """One alert, with the sentence for people. `raised_at` None: only the process that asks sees it."""

    name: AlertName
    subject: str
    severity: Severity
    says: str
    raised_at: datetime | None
    cleared_at: datetime | None
    detail: dict[str, Any]
    rehearsal: bool

    def as_json(self) -> AlertShape:
        """Return it for programs."""
        return {
            "name": self.name.value,
            "subject": self.subject,
            "severity": self.severity.value,
            "says": self.says,
            "raised_at": utc(self.raised_at) if self.raised_at else None,
            "cleared_at": utc(self.cleared_at) if self.cleared_at else None,
            "detail": self.detail,
            "rehearsal": self.rehearsal,
        }


def read_alerts(store: Store, *, with_cleared: bool = False) -> list[AlertView]:
    """Return the alerts that are raised, the most severe and the oldest first; then the last ones that were cleared.

    That nobody runs the clock is raised by workers and dashboards. Where none runs either, it is seen from here, but on
    SQLite by `doctor` alone.
    """
    with store.read() as session:
        found = [_shown(row) for row in alerts.raised(session)]
        at_work = any(not run.rehearsal for run in list_runs(session, [RunState.RUNNING]))
        is_raised = any(alert.name is AlertName.NO_LEASE_HOLDER and not alert.rehearsal for alert in found)
        if at_work and not is_raised and not store.is_sqlite and leases.age(session, rehearsal=False) > UNHELD_SECONDS:
            found.append(_seen(AlertName.NO_LEASE_HOLDER))
        cleared = alerts.cleared(session, most=MOST_CLEARED) if with_cleared else []
    found.sort(key=lambda alert: alert.severity is not Severity.PAGE)
    return [*found, *map(_shown, cleared)]


def _seen(name: AlertName) -> AlertView:
    condition = CONDITIONS[name]
    return AlertView(name, "", condition.severity, condition.sentence("", {}), None, None, {}, rehearsal=False)


def _shown(row: AlertRow) -> AlertView:
    condition = CONDITIONS[row.name]
    says = condition.sentence(row.about, row.detail)
    return AlertView(
        row.name, row.about, condition.severity, says, row.raised_at, row.cleared_at, row.detail, row.is_rehearsal
    )
