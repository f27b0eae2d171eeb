"""One person's story in a campaign, in plain sentences and for programs: what was planned, and what was tried."""

from collections.abc import Iterator
from zoneinfo import ZoneInfo

from campaigns.codes import RunType, step_of
from campaigns.counting import amount
from campaigns.display import phone_words, shown_time, state_words, utc
from campaigns.following.results import result_words
from campaigns.lifecycle import NEVER_SENT
from campaigns.planning.replanning import slot_words
from scheduler.report.causes import cause
from scheduler.report.evidence import request_json, request_lines
from scheduler.report.people import Chapter
from scheduler.report.shown.seeing import words_for
from scheduler.report.shown.shapes import ChapterShape
from worker.store.reports.person import Appearance, FailedTry
from worker.store.runs.runs import TEST_PREFIX


def chapter_lines(chapter: Chapter, zone: ZoneInfo) -> Iterator[str]:
    """Yield the chapter for people: campaign and state first, then how it got there."""
    row = chapter.row
    kind = " (a rehearsal in the sandbox)" if row.rehearsal else ""
    if row.run_type is RunType.TEST:
        kind = f" (a test text){kind}"
    if row.run_type is RunType.STEP:
        kind = f", step {step_of(row.run_moment)[1]}{kind}"
    yield f"{row.campaign.removeprefix(TEST_PREFIX)}{kind}: {state_words(row.state)}"
    yield f"  why: {cause(chapter, zone)}"
    yield f"  planned: {_planned(row, zone)}"
    if row.state not in NEVER_SENT:
        yield from (f"  {line}" for line in _tried(chapter, zone))
    for ruling in chapter.rulings:
        what = "it" if ruling.list_id is None else f"the text to contact list {ruling.list_id}"
        found = ruling.declared.replace("-", " ")
        yield f"  decided: {ruling.by} declared {what} {found}, {shown_time(ruling.at, zone, seconds=True)}"
    if row.root_id is not None and row.parent_id is None:
        yield f"  run {row.run_id}: a step of run {row.root_id}"
    for at in chapter.answered_at:
        yield f"  they answered while it was on its way: {shown_time(at, zone, seconds=True)}"
    if row.parent_id is not None:
        yield f"  run {row.run_id}: sends again what had failed in run {row.parent_id}"
    elif chapter.again:
        yield f"  sent again: in run {', then in run '.join(map(str, chapter.again))}"
    if row.gateway_id is not None:
        yield f"  at the gateway: {_at_the_gateway(row, zone)}"
    yield from (f"  {line}" for line in _receipts(row, zone))
    for reply in chapter.replies:
        yield f"  replied: {shown_time(reply.received_at, zone, seconds=True)} ({reply.meaning.value})"


def chapter_json(chapter: Chapter, zone: ZoneInfo, *, full: bool) -> ChapterShape:
    """Return the same for programs; the text only if `full`."""
    row = chapter.row
    shown: ChapterShape = {
        "campaign": row.campaign,
        "rehearsal": row.rehearsal,
        "run": row.run_id,
        "sends_again": row.parent_id,
        "state": row.state.value,
        "why": cause(chapter, zone),
        "source": row.source,
        "row": row.line,
        "contact_list": row.list_id,
        "reason": row.reason,
        "variant": row.variant,
        "text": words_for(row.text, full=full),
        "segments": row.segments,
        "batch": row.batch_id,
        "attempts": row.attempts,
        "requests": [request_json(request) for request in chapter.requests],
        "decisions": [{"at": utc(r.at), "by": r.by, "as": r.declared} for r in chapter.rulings],
        "gateway_id": row.gateway_id,
        "group_id": row.group_id,
        "device": row.device,
        "sim": row.sim,
        "retries": row.gateway_retries,
        "result_code": row.result_code,
        "failed_before": [
            {
                "gateway_id": failed.gateway_id,
                "device": failed.device,
                "result_code": failed.result_code,
                "noticed_at": utc(failed.noticed_at),
                "due_at": utc(failed.due_at),
                "sent_again_at": utc(failed.began_at),
                "not_sent_again": failed.dropped or None,
                "perhaps_doubled_at": utc(failed.doubled_at),
            }
            for failed in chapter.failed
        ],
        "accepted_at": utc(row.accepted_at),
        "sent_at": utc(row.sent_at),
        "delivered_at": utc(row.delivered_at),
    }
    if row.run_type is RunType.STEP:
        shown["step"] = step_of(row.run_moment)[1]
    if chapter.answered_at:
        shown["answered_on_the_way_at"] = [utc(at) for at in chapter.answered_at]
    if reminder := _reminder(row, zone):
        shown["reminder"] = reminder
    return shown


def _planned(row: Appearance, zone: ZoneInfo) -> str:
    where = f"row {row.line} of {row.source}"
    if row.run_type is RunType.HELP:
        where = f"the answer to their HELP, {row.source}"
    if row.run_type is RunType.MESSAGE:
        where = f"a single text, asked for by {row.source}"
    if row.list_id is not None:
        where = f"everybody on contact list {row.list_id} of the gateway"
    when = f", {shown_time(row.planned_at, zone)}" if row.planned_at else ""
    variant = f", variant {row.variant}" if row.variant else ""
    reminder = f", {reminder}" if (reminder := _reminder(row, zone)) else ""
    batch = f", in batch {row.batch_id} now" if row.batch_id is not None and row.state not in NEVER_SENT else ""
    return f"{where}{reminder}{when}{variant}{batch}"


def _reminder(row: Appearance, zone: ZoneInfo) -> str:
    return slot_words(row.slot, zone) if row.slot else ""


def _tried(chapter: Chapter, zone: ZoneInfo) -> Iterator[str]:
    row, requests = chapter.row, chapter.requests
    for request in requests:
        yield from request_lines(request, zone)
    for failed in chapter.failed:
        yield _failed_before(failed, zone)
    if row.list_id is not None:
        return  # only the gateway knows who was on a list
    if row.attempts > len(requests):
        earlier = row.attempts - len(requests)
        before = amount(earlier, "request")
        yield f"{before} before that carried this person in a larger batch, which has been divided since"
    elif row.attempts < len(requests):
        yield f"this person was in {amount(row.attempts, 'request')} of these {len(requests):,}"
    if not requests and not row.attempts:
        yield "no request was made yet"


def _failed_before(failed: FailedTry, zone: ZoneInfo) -> str:
    """Return one failed message of a campaign that retries: which, why, and what followed."""
    where = "" if failed.device is None else f" on {phone_words(failed.device)}"
    words = f"message {failed.gateway_id} failed{where}: {result_words(failed.result_code)}"
    if failed.began_at is not None:
        words += f"; sent again since {shown_time(failed.began_at, zone, seconds=True)}"
    elif failed.due_at is not None:
        words += f"; sent again {shown_time(failed.due_at, zone, seconds=True)}"
    else:
        words += f"; not sent again: {failed.dropped}"
    if failed.doubled_at is not None:
        shown_at = shown_time(failed.doubled_at, zone, seconds=True)
        words += f"; PERHAPS DOUBLED: the gateway showed it as sent after all, {shown_at}"
    return words


def _at_the_gateway(row: Appearance, zone: ZoneInfo) -> str:
    parts = [f"message {row.gateway_id}"]
    parts.append(f"group {row.group_id}" if row.group_id else "without a group")
    if row.device is not None:
        parts.append(phone_words(row.device, row.sim))
    if row.accepted_at is not None:
        parts.append(f"since {shown_time(row.accepted_at, zone, seconds=True)}")
    return ", ".join(parts)


def _receipts(row: Appearance, zone: ZoneInfo) -> Iterator[str]:
    if row.gateway_retries:
        times = "once" if row.gateway_retries == 1 else f"{row.gateway_retries:,} times"
        yield f"the gateway itself tried again {times}"
    if row.sent_at is not None:
        yield f"receipt: sent by the phone {shown_time(row.sent_at, zone, seconds=True)}"
    if row.delivered_at is not None:
        yield f"receipt: delivered {shown_time(row.delivered_at, zone, seconds=True)}"
