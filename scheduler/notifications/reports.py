"""What a notice about a campaign says: figures and reasons, never a text or a full number."""

from typing import Any, Final

from campaigns.display import utc
from campaigns.printable import without_numbers
from scheduler.report.summary import run_summary
from worker.gateway_account import SANDBOX_ACCOUNT
from worker.store.engine import Store
from worker.store.notifications.outbox import DueNotice
from worker.store.reports import counts
from worker.store.runs import runs
from worker.store.sending import accounts

SENTENCES: Final = {
    "run.started": "has started",
    "run.paused": "is paused",
    "run.completed": "is over",
    "run.failed": "could not be planned",
    "run.held": "has people who wait for a decision: campaigns held, then campaigns resolve",
    "run.awaiting_approval": "waits to be approved: campaigns approve",
    "account.paused": "sending is stopped",
    "reply.unmatched": "an unknown person asked not to be texted any more",
    "alert.raised": "an alert is raised",
    "alert.cleared": "an alert is cleared: it is over",
    "test": "this is a test",
}
"""What happened, in words that follow the name of a campaign."""


def report(store: Store, news: DueNotice) -> dict[str, Any]:
    """Return the JSON of a notice: `id`, `event`, `at`, `rehearsal`, any `reason`, and for a run its `status --json`.

    The figures are current; `id` is the same for every target.
    """
    reason = without_numbers(str(news.body.get("reason", "")))
    said: dict[str, Any] = {
        "id": news.body["id"],
        "event": news.event,
        "at": utc(news.created_at),
    }
    with store.read() as session:
        if news.run_id is None:
            said["rehearsal"] = accounts.accounts_by_key(session).get(SANDBOX_ACCOUNT) == news.body["account"]
            said |= news.body.get("shown", {})
        else:
            run = runs.run_view(session, news.run_id)
            said |= run_summary(run, counts.books(session, news.run_id)) | {"rehearsal": run.rehearsal}
    said.pop("reason", None)
    return said | ({"reason": reason} if reason else {})


def subject(body: dict[str, Any], event: str) -> str:
    """Return one line for people."""
    if "alert" in body:
        state = "over" if event == "alert.cleared" else body["severity"]
        return f"[campaigns] {state}: {body.get('reason', '')}" + (" (rehearsal)" if body.get("rehearsal") else "")
    what = " ".join(filter(None, [str(body.get("campaign", "")), SENTENCES.get(event, event).partition(":")[0]]))
    return f"[campaigns] {what}" + (" (rehearsal)" if body.get("rehearsal") else "")


def letter(body: dict[str, Any], event: str) -> str:
    """Return the body for people, a line per fact."""
    about = f"Campaign {body['campaign']} {SENTENCES.get(event, event)}." if "campaign" in body else ""
    lines = [about or f"{SENTENCES.get(event, event).capitalize()}."]
    if body.get("reason"):
        lines.append(f"Why: {body['reason']}")
    lines.append(f"When: {body['at']}")
    if "recipients" in body:
        lines += ["", *(f"{state:<12}{count:>12,}" for state, count in body["recipients"].items())]
    return "\n".join(lines) + "\n"
