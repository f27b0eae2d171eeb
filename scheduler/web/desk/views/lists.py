"""What needs somebody, phones, replies, opt-outs and the audit: lists, a page at a time."""

from typing import Final

from campaigns.access import Scope
from scheduler.actions.reading.audit import read_audit
from scheduler.actions.reading.lists import read_all_held, read_replies, read_suppressions
from scheduler.actions.reading.phones import read_phones
from scheduler.actions.reading.runs import read_at_work
from scheduler.web.desk.pages import Asked, Page, Place
from scheduler.web.desk.values import after_of

ROWS: Final = 100


def needs(asked: Asked) -> Page:
    """What waits for a person: approvals, replies that may mean stop, and texts that are held."""
    store = asked.runtime.store
    return Page(
        "needs.html",
        {
            "approvals": [seen for seen in read_at_work(store, now=asked.now) if seen.awaits],
            "replies": read_replies(store, waiting=True, after=0, limit=ROWS),
            "held": read_all_held(store, after=0, limit=ROWS),
        },
    )


def fleet(asked: Asked) -> Page:
    """The phones: what waits there, what they sent, their limits, and which are stuck."""
    return Page("fleet.html", {"phones": read_phones(asked.runtime.store, asked.runtime.settings, now=asked.now)})


def replies(asked: Asked) -> Page:
    """What people wrote, the oldest first."""
    page = read_replies(asked.runtime.store, after=after_of(asked), limit=ROWS)
    return Page("replies.html", {"rows": page.rows, "next": page.next})


def suppressions(asked: Asked) -> Page:
    """The numbers that get nothing, and why."""
    page = read_suppressions(asked.runtime.store, None, after=after_of(asked), limit=ROWS)
    return Page("opt_outs.html", {"rows": page.rows, "next": page.next})


def audit(asked: Asked) -> Page:
    """Who did what, the newest first."""
    page = read_audit(asked.runtime.store, campaign=asked.query.get("campaign", ""), after=after_of(asked), limit=ROWS)
    return Page("audit.html", {"rows": page.rows, "next": page.next, "campaign": asked.query.get("campaign", "")})


PLACES: Final = (
    Place("/needs", needs),
    Place("/fleet", fleet),
    Place("/replies", replies),
    Place("/opt-outs", suppressions),
    Place("/audit", audit, Scope.CONTROL),
)
