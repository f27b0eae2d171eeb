"""The installation and its record: who runs the clock, alerts, calls out, and who did what."""

from typing import Final

from campaigns.access import INBOX, SCHEDULER, Scope
from scheduler.actions.access.users import list_users
from scheduler.actions.reading.alerts import read_alerts
from scheduler.actions.reading.audit import ACTIONS, check_audit, read_audit
from scheduler.actions.reading.calls import read_calls_before
from scheduler.actions.reading.names import newest_names
from scheduler.actions.reading.system import read_clock_holder, read_processes, read_queue
from scheduler.actions.upkeep.repeating import repeat_call
from scheduler.web.checkup import examined_by
from scheduler.web.desk.pages import DeskPage, DeskPlace, Go, Visit
from scheduler.web.desk.values import after_of, path_number

ROWS: Final = 100

AUDIT_FILTERS: Final = ("campaign", "actor", "action")


def system(asked: Visit) -> DeskPage:
    """Which processes are there, the alerts that are raised and were, and what was told outside."""
    store = asked.runtime.store
    alerts = read_alerts(store, with_cleared=True)
    calls = read_calls_before(store, only_failed="failed" in asked.query, after=after_of(asked), limit=ROWS)
    return DeskPage(
        "system.html",
        {
            "clock": read_clock_holder(store),
            "processes": read_processes(store, now=asked.now),
            "queue": read_queue(asked.runtime, now=asked.now),
            "raised": [alert for alert in alerts if alert.cleared_at is None],
            "cleared": [alert for alert in alerts if alert.cleared_at is not None],
            "calls": calls.rows,
            "next": calls.next,
        },
    )


def doctor(asked: Visit) -> DeskPage:
    """What the doctor finds just now: the page takes as long as the examination."""
    return DeskPage("doctor.html", {"examined": examined_by(asked.examine)})


def repeat(asked: Visit) -> Go:
    """Tell outside once more what a call told."""
    runtime = asked.runtime
    made = repeat_call(runtime.store, runtime.settings, asked.who, path_number(asked, "call"), runtime.clock)
    return Go("/system", f"the call to {made.target} failed: {made.problem}" if made.problem else "it was taken")


def audit(asked: Visit) -> DeskPage:
    """Who did what, the newest first; where it is asked for, whether the record is whole."""
    store = asked.runtime.store
    filters = {name: asked.query.get(name, "")[:200] for name in AUDIT_FILTERS}
    campaign, actor, action = filters.values()
    page = read_audit(store, campaign=campaign, actor=actor, action=action, after=after_of(asked), limit=ROWS)
    values = {
        "rows": page.rows,
        "next": page.next,
        "filters": filters,
        "checked": check_audit(store) if "verify" in asked.query else None,
        "campaigns": newest_names(store),
        "actors": [*(f"user:{user.name}" for user in list_users(store)), str(INBOX), str(SCHEDULER)],
        "actions": sorted(ACTIONS),
    }
    return DeskPage("audit.html", values)


PLACES: Final = (
    DeskPlace("/system", system, Scope.CONTROL),
    DeskPlace("/system/doctor", doctor, Scope.CONTROL),
    DeskPlace("/system/calls/{call}/repeat", act=repeat, act_scope=Scope.CONTROL, on="/system"),
    DeskPlace("/audit", audit, Scope.CONTROL),
)
