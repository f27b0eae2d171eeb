"""Notifications that were sent, and how each ended."""

from typing import Any

from campaigns.display import utc
from worker.store.engine import Store
from worker.store.notifications.calls import LoggedCall, latest_calls


def read_calls(store: Store | None, *, only_failed: bool, most: int) -> list[LoggedCall]:
    """Return the latest calls, at most `most`, the newest last."""
    if store is None:
        return []
    with store.read() as session:
        return latest_calls(session, only_failed=only_failed, most=most)


def call_json(call: LoggedCall) -> dict[str, Any]:
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
