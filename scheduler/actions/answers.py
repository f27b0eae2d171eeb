"""What every door answers with, as objects for programs. Numbers and texts are in full only if `full` says so."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal, cast
from zoneinfo import ZoneInfo

from campaigns.display import utc
from campaigns.phone_numbers.masking import mask
from campaigns.planning.approval import command
from campaigns.protocol.bulk_actions import WHY, Cause, ResendOnly
from scheduler.actions.shapes.done import (
    Approval,
    BulkShape,
    Cancelled,
    ChangedOptOuts,
    FailureShape,
    FailuresShape,
    KeptTable,
    LeftOutCauses,
    LeftOutShape,
    Paused,
    RequestUnderWay,
    ResentShape,
    ResolvedShape,
    ResumedShape,
)
from scheduler.actions.shapes.plans import PlanFigures, PlanShape
from scheduler.actions.shapes.seen import (
    Happening,
    HeldRequests,
    PersonShape,
    PlacedOptOut,
    RecipientShape,
    RunHeld,
)
from scheduler.report.evidence import request_json
from scheduler.report.opt_outs import entry_json, listed_json, reply_json
from scheduler.report.shown.seeing import number_for, words_for
from scheduler.report.story import chapter_json
from worker.store.runs.held import Resolved

if TYPE_CHECKING:  # an answer is made of what another part has read: its libraries are that part's
    from campaigns.protocol.declarations import Declared
    from scheduler.actions.approving import Approved
    from scheduler.actions.bulk import BulkDone, BulkPlan
    from scheduler.actions.control import Resumed, Stopped
    from scheduler.actions.reading.held import Held
    from scheduler.actions.reading.lists import HeldRequest
    from scheduler.actions.reading.people import KnownPerson
    from scheduler.actions.reading.plans import StoredPlan
    from scheduler.actions.reading.recipients import RecipientRow
    from scheduler.actions.resending import FailedTexts, Unanswered
    from scheduler.actions.suppressing.opt_outs import Changed
    from scheduler.actions.uploading.tables import StoredTable
    from worker.store.people.suppressions import Entry
    from worker.store.reports.lists import News


def person_json(person: "KnownPerson", zone: ZoneInfo, *, full: bool) -> PersonShape:
    """Return everything known about a person."""
    return {
        "number": number_for(person.number, full=full),
        "suppressions": [entry_json(entry, full=full) for entry in person.story.opt_outs],
        "replies": [reply_json(reply, full=full) for reply in person.story.replies],
        "story": [chapter_json(chapter, zone, full=full) for chapter in person.story.chapters],
    }


def recipient_json(row: "RecipientRow", *, full: bool) -> RecipientShape:
    """Return a recipient."""
    shown: Any = {"id": row.id, "run": row.run_id, **row.values._asdict()}  # half a million a minute: made at once
    if not full:
        shown["number"] = number_for(row.values.number, full=full)
        shown["text"] = shown["reply"] = words_for(None, full=full)
    return cast(RecipientShape, shown)


PLANNED: Final = (
    "segments",
    "cost",
    "encodings",
    "forced_by",
    "landlines",
    "left_out",
    "replaced",
    "variants",
    "warnings",
)
"""The figures of a plan that are shown under the names under which they are stored."""


def plan_json(seen: "StoredPlan") -> PlanShape:
    """Return the stored plan of a run."""
    run, figures = seen.run, seen.run.plan_summary
    counts = figures.get("counts", {})
    stored = cast(PlanFigures, {name: figures[name] for name in PLANNED if name in figures})
    return {
        "campaign": run.campaign,
        "run": run.id,
        "state": run.state.value,
        "plan": run.plan_hash or None,
        "planned_at": utc(run.planned_at),
        "starts_at": utc(run.starts_at),
        "recipients": {"audience": figures.get("audience", 0)} | counts,
        **stored,
        "forecast": figures.get("forecast"),
        "approved": run.approved_hash or None,
        "approval": {"plan": seen.awaits, "command": command(run.campaign, seen.awaits)} if seen.awaits else None,
    }


def suppression_json(listed: "tuple[int, Entry]", *, full: bool) -> PlacedOptOut:
    """Return an entry of the suppression list, with its id."""
    id_, entry = listed
    return {"id": id_, **listed_json(entry, number=number_for(entry.number, full=full), full=full)}


def held_json(held: "HeldRequest", *, full: bool) -> HeldRequests:
    """Return a held request, with the first of its people."""
    batch = held.batch
    return {
        "batch": batch.id,
        "campaign": batch.campaign,
        "run": batch.run_id,
        "contact_list": batch.list_id,
        "reason": batch.reason,
        "held": batch.people,
        "people": [number_for(number, full=full) for number in batch.numbers],
        "requests": [request_json(call) for call in held.calls],
    }


def news_json(news: "News") -> Happening:
    """Return an item of news."""
    return {
        "id": news.id,
        "at": utc(news.at),
        "event": news.event,
        "campaign": news.campaign,
        "run": news.run_id,
        "reason": news.reason or None,
    }


def approved_json(campaign: str, done: "Approved") -> Approval:
    """Return which plan is approved, and whether it was before."""
    return {"campaign": campaign, "run": done.run_id, "plan": done.plan, "was_approved": not done.is_news}


def paused_json(campaign: str, done: "Stopped", now: datetime) -> Paused:
    """Return a campaign that was paused, and what of it is under way."""
    return {"campaign": campaign, "run": done.run_id, "state": "paused", "in_flight": _in_flight(done, now)}


def cancelled_json(campaign: str, done: "Stopped", now: datetime) -> Cancelled:
    """Return a campaign that was cancelled, how many texts are never sent, and what of it is under way."""
    return {
        "campaign": campaign,
        "run": done.run_id,
        "state": "cancelled",
        "unsent": done.unsent,
        "in_flight": _in_flight(done, now),
    }


def resumed_json(campaign: str, done: "Resumed") -> ResumedShape:
    """Return what resumes. `state` is null if only the account does; `account`: why it sends nothing, if it does not.

    `held`: the requests in doubt that a person has to decide on, if there are any.
    """
    state = done.state and done.state.value
    account = done.account_reason or None
    said: ResumedShape = {"campaign": campaign, "run": done.run_id, "state": state, "account": account}
    if done.held:
        said["held"] = done.held
    return said


def resolved_json(campaign: str, run_id: int, declared: "Declared", done: "Resolved") -> ResolvedShape:
    """Return what was decided, about how many people and contact lists."""
    return {
        "campaign": campaign,
        "run": run_id,
        "state": done.run_state.value,
        "as": declared.value,
        "people": done.people,
        "lists": done.lists,
        "cancelled": done.cancelled,
    }


def failures_json(found: "FailedTexts") -> FailuresShape:
    """Return why texts failed, and which of them can be sent again."""
    failures: list[FailureShape] = [
        {"people": each.people, "reason": each.reason, "result_code": each.result_code, "sent_again": each.is_proven}
        for each in found.failures
    ]
    return {"failures": failures}


def causes_json(found: "FailedTexts | Unanswered") -> FailuresShape | LeftOutCauses:
    """Return why texts failed; or why others who have a text do not get it once more."""
    return failures_json(found) if found.only is ResendOnly.FAILED else {"left_out": _left_out_json(found.left_out)}


def _left_out_json(left_out: Mapping[Cause, int]) -> list[LeftOutShape]:
    return [{"cause": cause.value, "people": people, "why": WHY[cause]} for cause, people in left_out.items()]


def resend_json(
    campaign: str, found: "FailedTexts | Unanswered", *, run_id: int | None = None, people: int = 0
) -> ResentShape:
    """Return the run that sends a text again, or null, and to how many people."""
    only, causes = found.only.value, causes_json(found)
    return {"campaign": campaign, "run": run_id, "only": only, "parent": found.root.id, "people": people, **causes}


def bulk_json(plan: "BulkPlan", done: "BulkDone | None" = None) -> BulkShape:
    """Return for how many people something would be done, or was, and for how many not."""
    return {
        "campaign": plan.run.campaign,
        "run": done.run_id if done else plan.run.id,
        "do": plan.action.value,
        "done": done is not None,
        "people": done.people if done else plan.people,
        "left_out": _left_out_json(plan.left_out),
        "plan": plan.seal,
    }


def changed_json(done: Literal["added", "removed"], changed: "Changed") -> ChangedOptOuts:
    """Return how many numbers were `done`, and which rows of a table could not be used."""
    said: ChangedOptOuts = {done: changed.changed, "unchanged": changed.unchanged}  # type: ignore[misc]  # one of two
    if changed.bad:
        said["bad_rows"] = changed.bad_rows
        said["problems"] = [{"row": row.line, "problem": row.problem} for row in changed.bad]
    return said


def run_held_json(campaign: str, seen: "Held") -> RunHeld:
    """Return who is held in a run, by reason; numbers are masked."""
    return {
        "campaign": campaign,
        "run": seen.run.id,
        "state": seen.run.state.value,
        "held": seen.people,
        "lists": seen.lists,
        "groups": [
            {
                "batch": group.batch_id,
                "contact_list": group.list_id,
                "reason": group.reason,
                "people": [mask(person.number) for person in group.people],
                "requests": [request_json(request) for request in group.requests],
            }
            for group in seen.groups
        ],
        "failed_request": request_json(seen.failed) if seen.failed else None,
    }


def table_json(kept: "StoredTable") -> KeptTable:
    """Return a table that was uploaded, and which of its rows have no usable number."""
    return {
        "table": kept.name,
        "digest": kept.digest,
        "bytes": kept.size,
        "changed": kept.is_news,
        "rows": kept.rows,
        "bad_rows": kept.bad_rows,
        "problems": [{"row": row.line, "problem": row.problem} for row in kept.bad],
    }


def age_seconds(started_at: datetime, now: datetime) -> float:
    """Return for how long a request has been under way."""
    return max(0.0, round((now - started_at).total_seconds(), 1))


def _in_flight(stopped: "Stopped", now: datetime) -> list[RequestUnderWay]:
    """Return the requests that are under way or being looked up."""
    return [
        {"batch": r.batch_id, "recipients": r.recipients, "age_seconds": age_seconds(r.started_at, now)}
        for r in stopped.in_flight
    ]
