"""One person's story in a campaign, in plain sentences: what was planned, what was tried, and why it is as it is."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from campaigns.answering import HELP_ANSWERS
from campaigns.definition import Schedule
from campaigns.lifecycle import NEVER_SENT, BatchState, RecipientState, RunState
from campaigns.replanning import slot_words
from campaigns.results import result_advice, result_words
from campaigns.timing.placing import hours_of
from scheduler.report.evidence import request_json, request_lines
from scheduler.report.moments import shown_time, utc
from worker.store.inbound import Answer
from worker.store.models import AttemptState
from worker.store.queue import DOUBTS_PER_ACCOUNT
from worker.store.runs import TEST_PREFIX
from worker.store.story import Appearance, FailedTry, Request, Ruling
from worker.store.suppressions import Entry

P = RecipientState


@dataclass(frozen=True, slots=True)
class Chapter:
    """One row of one campaign, with everything its state depends on. `now` is the moment it was read.

    `requests` are those of its batch, and of the batches of its `failed` messages that were sent again;
    `batches_in_doubt` those of the account; `replies` answer this text.
    """

    row: Appearance
    requests: tuple[Request, ...]
    rulings: tuple[Ruling, ...]
    schedule: Schedule
    batches_in_doubt: int
    now: datetime
    failed: tuple[FailedTry, ...] = ()
    replies: tuple[Answer, ...] = ()
    again: tuple[int, ...] = ()  # the runs that sent to this person again, as it had failed


@dataclass(frozen=True, slots=True)
class Story:
    """All that is known of a person: the campaigns, the newest first; what they wrote; what they opted out of."""

    chapters: tuple[Chapter, ...]
    replies: tuple[Answer, ...]
    opt_outs: tuple[Entry, ...]


def chapter_lines(chapter: Chapter, zone: ZoneInfo) -> Iterator[str]:
    """The chapter as it is read: the campaign and the state first, then how it came to it."""
    row = chapter.row
    kind = " (a rehearsal in the sandbox)" if row.rehearsal else ""
    if row.campaign.startswith(TEST_PREFIX):
        kind = f" (a test text){kind}"
    yield f"{row.campaign.removeprefix(TEST_PREFIX)}{kind}: {row.state.value.replace('_', ' ')}"
    yield f"  why: {cause(chapter, zone)}"
    yield f"  planned: {_planned(row, zone)}"
    if row.state not in NEVER_SENT:
        yield from (f"  {line}" for line in _tried(chapter, zone))
    for ruling in chapter.rulings:
        what = "it" if ruling.list_id is None else f"the text to contact list {ruling.list_id}"
        found = ruling.declared.replace("-", " ")
        yield f"  decided: {ruling.by} declared {what} {found}, {shown_time(ruling.at, zone, seconds=True)}"
    if row.parent_id is not None:
        yield f"  run {row.run_id}: sends again what had failed in run {row.parent_id}"
    elif chapter.again:
        yield f"  sent again: in run {', then in run '.join(map(str, chapter.again))}"
    if row.gateway_id is not None:
        yield f"  at the gateway: {_at_the_gateway(row, zone)}"
    yield from (f"  {line}" for line in _receipts(row, zone))
    for reply in chapter.replies:
        yield f"  replied: {shown_time(reply.received_at, zone, seconds=True)} ({reply.meaning.value})"


def chapter_json(chapter: Chapter, zone: ZoneInfo) -> dict[str, Any]:
    """The same for programs."""
    row = chapter.row
    return {
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
        **({"reminder": slot_words(row.slot, zone)} if row.slot else {}),
        "variant": row.variant,
        "text": row.text,
        "segments": row.segments,
        "batch": row.batch_id,
        "attempts": row.attempts,
        "requests": [request_json(request) for request in chapter.requests],
        "decisions": [{"at": utc(r.at), "by": r.by, "as": r.declared} for r in chapter.rulings],
        "gateway_id": row.gateway_id,
        "group_id": row.group_id,
        "device": row.device,
        "sim": row.sim,
        "retries": row.retries,
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


def cause(chapter: Chapter, zone: ZoneInfo) -> str:
    """Why the row is in its state, in one sentence that names the rule, the person or the event."""
    return _CAUSES[chapter.row.state](chapter, zone)


def _planned(row: Appearance, zone: ZoneInfo) -> str:
    where = f"row {row.line} of {row.source}"
    if row.campaign == HELP_ANSWERS:
        where = f"the answer to their HELP, {row.source}"
    if row.list_id is not None:
        where = f"everybody on contact list {row.list_id} of the gateway"
    when = f", {shown_time(row.planned_at, zone)}" if row.planned_at else ""
    variant = f", variant {row.variant}" if row.variant else ""
    reminder = f", {slot_words(row.slot, zone)}" if row.slot else ""
    batch = f", in batch {row.batch_id} now" if row.batch_id is not None else ""
    return f"{where}{reminder}{when}{variant}{batch}"


def _tried(chapter: Chapter, zone: ZoneInfo) -> Iterator[str]:
    row, requests = chapter.row, chapter.requests
    for request in requests:
        yield from request_lines(request, zone)
    for failed in chapter.failed:
        yield _failed_before(failed, zone)
    if row.list_id is not None:
        return  # whom a request to a list went to only the gateway knows
    if row.attempts > len(requests):
        earlier = row.attempts - len(requests)
        yield f"{_requests(earlier)} before that carried this person in a larger batch, which was divided since"
    elif row.attempts < len(requests):
        yield f"this person was in {_requests(row.attempts)} of these {len(requests):,}"
    if not requests and not row.attempts:
        yield "no request was made yet"


def _failed_before(failed: FailedTry, zone: ZoneInfo) -> str:
    """One failed message of a campaign that tries again: which, why, and what followed."""
    where = "" if failed.device is None else f" on device {failed.device}"
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


def _requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count:,} requests"


def _at_the_gateway(row: Appearance, zone: ZoneInfo) -> str:
    parts = [f"message {row.gateway_id}"]
    parts.append(f"group {row.group_id}" if row.group_id else "without a group")
    if row.device is not None:
        parts.append(f"device {row.device}" + (f", SIM slot {row.sim}" if row.sim is not None else ""))
    if row.accepted_at is not None:
        parts.append(f"since {shown_time(row.accepted_at, zone, seconds=True)}")
    return ", ".join(parts)


def _receipts(row: Appearance, zone: ZoneInfo) -> Iterator[str]:
    if row.retries:
        times = "once" if row.retries == 1 else f"{row.retries:,} times"
        yield f"the gateway itself tried again {times}"
    if row.sent_at is not None:
        yield f"receipt: sent by the phone {shown_time(row.sent_at, zone, seconds=True)}"
    if row.delivered_at is not None:
        yield f"receipt: delivered {shown_time(row.delivered_at, zone, seconds=True)}"


def _pending(chapter: Chapter, zone: ZoneInfo) -> str:
    row = chapter.row
    before = f"; before that: {row.reason}" if row.reason else ""
    return _waits_for(chapter, zone) + before


def _waits_for(chapter: Chapter, zone: ZoneInfo) -> str:
    """The first thing that stands in the way of a send, in the order in which they are checked."""
    row, schedule = chapter.row, chapter.schedule
    if row.planned_at is None:
        return "the campaign is being planned"
    if row.run_state is RunState.SCHEDULED:
        return f"the campaign starts {shown_time(row.starts_at, zone)}"
    if row.run_state is RunState.AWAITING_APPROVAL:
        return "the campaign waits for somebody to approve its plan"
    if row.run_state is RunState.PAUSED:
        return (
            f"the campaign is paused ({row.run_reason or 'by somebody'}); let it go on: campaigns resume {row.campaign}"
        )
    if row.run_state is not RunState.RUNNING:
        return f"the campaign is {row.run_state.value} and sends nothing more"
    if row.account_reason:
        return f"the gateway account is paused: {row.account_reason}"
    if chapter.batches_in_doubt >= DOUBTS_PER_ACCOUNT:
        return f"{chapter.batches_in_doubt:,} batches are in doubt and looked up first, until then nothing is sent"
    hours = hours_of(schedule, row.zones or "")
    if hours is not None and not hours.allowed(chapter.now):
        opens = hours.next_open(chapter.now)
        when = f"which opens {shown_time(opens, zone)}" if opens else "which never opens"
        clocks = f", by the clocks of {row.zones.replace(',', ', ')}" if row.zones else ""
        return f"outside of the campaign's window, {when}{clocks}"
    if row.batch_state in {BatchState.SENDING, BatchState.UNKNOWN}:
        return "the others of its batch are being sent or looked up first"
    if row.batch_state is BatchState.QUEUED:
        return "its batch is in the queue and is sent next; if that lasts, no worker runs: campaigns doctor"
    if row.not_before is not None and row.not_before > chapter.now:
        return (
            f"its batch waits until {shown_time(row.not_before, zone, seconds=True)}: {row.batch_reason or 'planned'}"
        )
    return "its batch is due; if that lasts, no scheduler runs: campaigns doctor"


def _in_doubt(chapter: Chapter, zone: ZoneInfo) -> str:
    last = chapter.requests[-1] if chapter.requests else None
    if last is not None and last.state is AttemptState.UNKNOWN:
        again = shown_time(last.next_check_at, zone, seconds=True)
        return (
            f"whether the gateway has it is not known; it is looked up {again}, and not sent again before it is known"
        )
    return "a request with it is under way"


def _accepted(chapter: Chapter, _zone: ZoneInfo) -> str:
    if chapter.row.gateway_id is None:
        return f"{chapter.row.reason}; it has no ID at the gateway, so no receipt can be followed"
    return "the gateway has it, and no phone has sent it yet"


def _sent(chapter: Chapter, _zone: ZoneInfo) -> str:
    if chapter.row.finished_at is not None:
        return "the phone sent it, and no delivery report came before following ended"
    return "the phone sent it, and no delivery report has come yet"


def _failed(chapter: Chapter, zone: ZoneInfo) -> str:
    row = chapter.row
    if row.gateway_id is None:
        return f"the gateway did not take it: {row.reason or 'no reason was given'}"
    words = f"the phone did not send it: {row.reason or 'no reason was given'}"
    if row.result_code is not None:
        where = "" if row.device is None else f", device {row.device}"
        words += f" (result code {row.result_code}{where}); what to do: {result_advice(row.result_code)}"
    waiting = [failed.due_at for failed in chapter.failed if failed.due_at is not None]
    return words + (f". It is sent again {shown_time(waiting[-1], zone)}" if waiting else "")


def _held(chapter: Chapter, _zone: ZoneInfo) -> str:
    return (
        f"{chapter.row.reason or 'no reason was kept'}; a person has to look and to decide: "
        f"campaigns held {chapter.row.campaign}"
    )


def _cancelled(chapter: Chapter, _zone: ZoneInfo) -> str:
    if chapter.row.gateway_id is not None:
        return chapter.row.reason or "cancelled at the gateway"
    return f"never sent: {chapter.row.reason or chapter.row.run_reason or 'the campaign was cancelled'}"


def _by_rule(rule: str) -> Callable[[Chapter, ZoneInfo], str]:
    """A state with one cause: the rule, and what was written down beside the row."""

    def told(chapter: Chapter, _zone: ZoneInfo) -> str:
        return f"{rule}: {chapter.row.reason}" if chapter.row.reason else rule

    return told


_CAUSES: Final[Mapping[RecipientState, Callable[[Chapter, ZoneInfo], str]]] = {
    P.PENDING: _pending,
    P.IN_DOUBT: _in_doubt,
    P.ACCEPTED: _accepted,
    P.SENT: _sent,
    P.DELIVERED: _by_rule("the phone of this number confirmed it"),
    P.FAILED: _failed,
    P.HELD: _held,
    P.EXPIRED: _by_rule("the gateway has it, but gave no receipt"),
    P.CANCELLED: _cancelled,
    P.SKIPPED: _by_rule("not sent, its moment was missed"),
    P.INVALID: _by_rule("not sent, no text can be sent to this row"),
    P.DUPLICATE: _by_rule("not sent a second time"),
    P.SUPPRESSED: lambda _chapter, _zone: "not sent, this number opted out",  # since when and why is told once, above
    P.EXCLUDED: _by_rule("not sent, `exclude` in the campaign's file names this number"),
    P.CAPPED: _by_rule("not sent, the frequency cap is reached"),
    P.HOLDOUT: _by_rule("not sent, this person is in the control group"),
}
"""The cause of every state."""
