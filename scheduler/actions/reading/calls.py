"""Notifications that were sent, and how each ended."""

from campaigns.display import utc
from scheduler.actions.reading.pages import Page
from scheduler.actions.shapes.seen import CallShape
from worker.store.engine import Store
from worker.store.notifications.calls import LoggedCall, latest_calls


def read_calls(store: Store | None, *, only_failed: bool, most: int) -> list[LoggedCall]:
    """Return the latest calls, at most `most`, the newest last."""
    if store is None:
        return []
    with store.read() as session:
        return latest_calls(session, only_failed=only_failed, most=most)[::-1]


def read_calls_before(store: Store, *, only_failed: bool, after: int, limit: int) -> Page[LoggedCall]:
    """Return calls, the newest first; `after` is the id of the last one of the page before, or 0."""
    with store.read() as session:
        found = latest_calls(session, only_failed=only_failed, before=after or None, most=limit)
    return Page(found, found[-1].id if len(found) == limit else None)


def call_json(call: LoggedCall) -> CallShape:
    """Return the object of `--json`."""
    return {
        "id": call.id,
        "notice": call.notice_id,
        "at": utc(call.at),
        "channel": call.channel,
        "event": call.event,
        "target": call.target,
        "status": call.status,
        "problem": call.problem,
        "seconds": call.seconds,
    }
