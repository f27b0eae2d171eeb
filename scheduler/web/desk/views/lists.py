"""What needs somebody, phones, replies, opt-outs and the audit: lists, a page at a time."""

from typing import Final

from campaigns.access import Scope
from scheduler.actions.reading.audit import read_audit
from scheduler.actions.reading.lists import read_all_held, read_replies, read_suppressions
from scheduler.actions.reading.phones import read_phones
from scheduler.actions.reading.runs import read_at_work
from scheduler.web.desk.pages import DeskPage, DeskPlace, Visit
from scheduler.web.desk.values import after_of

ROWS: Final = 100


def needs(asked: Visit) -> DeskPage:
    """What waits for a person: approvals, replies that may mean stop, and texts that are held."""
    store = asked.runtime.store
    return DeskPage(
        "needs.html",
        {
            "approvals": [seen for seen in read_at_work(store, now=asked.now) if seen.awaits],
            "replies": read_replies(store, waiting=True, after=0, limit=ROWS),
            "held": read_all_held(store, after=0, limit=ROWS),
        },
    )


def fleet(asked: Visit) -> DeskPage:
    """The phones: what waits there, what they sent, their limits, and which are stuck."""
    return DeskPage("fleet.html", {"phones": read_phones(asked.runtime.store, asked.runtime.settings, now=asked.now)})


def replies(asked: Visit) -> DeskPage:
    """What people wrote, the oldest first."""
    page = read_replies(asked.runtime.store, after=after_of(asked), limit=ROWS)
    return DeskPage("replies.html", {"rows": page.rows, "next": page.next})


def suppressions(asked: Visit) -> DeskPage:
    """The numbers that get nothing, and why."""
    page = read_suppressions(asked.runtime.store, None, after=after_of(asked), limit=ROWS)
    return DeskPage("opt_outs.html", {"rows": page.rows, "next": page.next})


def audit(asked: Visit) -> DeskPage:
    """Who did what, the newest first."""
    page = read_audit(asked.runtime.store, campaign=asked.query.get("campaign", ""), after=after_of(asked), limit=ROWS)
    return DeskPage("audit.html", {"rows": page.rows, "next": page.next, "campaign": asked.query.get("campaign", "")})


PLACES: Final = (
    DeskPlace("/needs", needs),
    DeskPlace("/fleet", fleet),
    DeskPlace("/replies", replies),
    DeskPlace("/opt-outs", suppressions),
    DeskPlace("/audit", audit, Scope.CONTROL),
)
