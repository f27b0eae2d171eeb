"""A run as one object: what `run --json`, `status --json` and webhooks say of it."""

from collections.abc import Sequence
from typing import Any

from campaigns.approval import command
from scheduler.report.moments import utc
from scheduler.report.variants import outcomes_json
from worker.store.counts import Books
from worker.store.runs import RunView
from worker.store.variants import GroupOutcome


def run_summary(run: RunView, books: Books, groups: Sequence[GroupOutcome] = (), *, awaits: str = "") -> dict[str, Any]:
    """The object with which `run --json` and `status --json` end: counts by state add up to the audience.

    Times are ISO 8601 in UTC, or None. `reason`, `moment`, `day`, `forecast` and `happened` are there only when known,
    `variants` and `control` only for `groups`. `awaits`: the hash that has to be approved before it starts.
    """
    moment = run.fires_at
    summary: dict[str, Any] = {
        "campaign": run.campaign,
        "run": run.id,
        **({"moment": utc(moment)} if moment else {}),
        **({"day": run.day.isoformat()} if run.day else {}),
        "state": run.state.value,
        "recipients": {"audience": books.audience} | {state.value: n for state, n in books.by_state.items()},
        "segments": books.segments,
        "requests": {"send": books.send_requests, "read": run.read_requests},
        "started_at": utc(run.started_at),
        "finished_at": utc(run.finished_at),
    }
    expected = run.plan_summary.get("forecast")
    if expected is not None:
        summary["forecast"] = {name: expected[name] for name in ("first_send_at", "last_send_at")}
    if run.sent_at is not None and books.first_send_at is not None:
        summary["happened"] = {"first_send_at": utc(books.first_send_at), "last_send_at": utc(books.last_send_at)}
    summary |= outcomes_json(groups)
    if awaits:
        summary["approval"] = {"plan": awaits, "command": command(run.campaign, awaits)}
    return summary | {"reason": run.reason} if run.reason else summary
