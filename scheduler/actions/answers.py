"""What every door answers with, as objects for programs. Numbers and texts are in full only if `full` says so."""

from typing import Any, Final
from zoneinfo import ZoneInfo

from campaigns.display import utc
from campaigns.phone_numbers.numbers import mask
from campaigns.planning.approval import command
from scheduler.actions.reading.lists import HeldRequest
from scheduler.actions.reading.people import KnownPerson
from scheduler.actions.reading.plans import StoredPlan
from scheduler.actions.reading.recipients import RecipientRow
from scheduler.report.evidence import request_json
from scheduler.report.opt_outs import entry_json, listed_json, reply_json
from scheduler.report.people import Chapter
from scheduler.report.story import chapter_json
from worker.store.people.stored_replies import Reply
from worker.store.people.suppressions import Entry
from worker.store.reports.lists import News


def person_json(person: KnownPerson, zone: ZoneInfo, *, full: bool) -> dict[str, Any]:
    """Return everything known about a person."""
    return {
        "number": person.number if full else mask(person.number),
        "suppressions": [entry_json(entry) for entry in person.story.opt_outs],
        "replies": [_without_text(reply_json(reply), full) for reply in person.story.replies],
        "story": [_without_text(chapter_json(chapter, zone), full) for chapter in person.story.chapters],
    }


def message_json(chapter: Chapter, zone: ZoneInfo, *, full: bool) -> dict[str, Any]:
    """Return a single text that a program asked for."""
    number = chapter.row.number if full else mask(chapter.row.number)
    return {"id": chapter.row.recipient_id, "number": number, **_without_text(chapter_json(chapter, zone), full)}


def recipient_json(row: RecipientRow, *, full: bool) -> dict[str, Any]:
    """Return a recipient."""
    shown = {"id": row.id, "run": row.run_id, **row.values._asdict()}
    return shown if full else shown | {"number": mask(row.values.number), "text": None, "reply": None}


PLANNED: Final = ("segments", "encodings", "forced_by", "landlines", "variants", "warnings")
"""The figures of a plan that are shown under the names under which they are stored."""


def plan_json(seen: StoredPlan) -> dict[str, Any]:
    """Return the stored plan of a run."""
    run, figures = seen.run, seen.run.plan_summary
    counts = figures.get("counts", {})
    return {
        "campaign": run.campaign,
        "run": run.id,
        "state": run.state.value,
        "plan": run.plan_hash or None,
        "planned_at": utc(run.planned_at),
        "starts_at": utc(run.starts_at),
        "recipients": {"audience": figures.get("audience", 0)} | counts,
        **{name: figures[name] for name in PLANNED if name in figures},
        "forecast": figures.get("forecast"),
        "approved": run.approved_hash or None,
        "approval": {"plan": seen.awaits, "command": command(run.campaign, seen.awaits)} if seen.awaits else None,
    }


def suppression_json(listed: tuple[int, Entry], *, full: bool) -> dict[str, Any]:
    """Return an entry of the suppression list, with its id."""
    id_, entry = listed
    return {"id": id_, **listed_json(entry, number=entry.number if full else mask(entry.number))}


def written_json(reply: Reply, *, full: bool) -> dict[str, Any]:
    """Return a reply, with its id and number, and whether a person still has to read it."""
    number = reply.number if full else mask(reply.number)
    shown = _without_text(reply_json(reply), full)
    return {"id": reply.id, "number": number, **shown, "reviewed_at": utc(reply.reviewed_at)}


def held_json(held: HeldRequest, *, full: bool) -> dict[str, Any]:
    """Return a held request, with the first of its people."""
    batch = held.batch
    return {
        "batch": batch.id,
        "campaign": batch.campaign,
        "run": batch.run_id,
        "contact_list": batch.list_id,
        "reason": batch.reason,
        "held": batch.people,
        "people": [number if full else mask(number) for number in batch.numbers],
        "requests": [request_json(call) for call in held.calls],
    }


def news_json(news: News) -> dict[str, Any]:
    """Return what is told outside."""
    return {
        "id": news.id,
        "at": utc(news.at),
        "event": news.event,
        "campaign": news.campaign,
        "run": news.run_id,
        "reason": news.reason or None,
    }


def _without_text(value: dict[str, Any], full: bool) -> dict[str, Any]:
    return value if full else value | {"text": None}
