"""Why a text is in its state: one sentence that names the rule, the person or the event."""

from collections.abc import Callable, Mapping
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.display import phone_words, shown_time
from campaigns.following.results import result_advice
from campaigns.lifecycle import RecipientState, RunState
from campaigns.sending.obstacles import Obstacle, WaitingText, first_obstacle
from campaigns.steps.turns import LEFT_OUT
from campaigns.timing.sending_hours import hours_of
from campaigns.timing.slots import NO_DATE, slot_of
from scheduler.report.people import Chapter
from worker.store.models import AttemptState
from worker.store.sending.queue import DOUBTS_PER_ACCOUNT

P = RecipientState

WAITS_FOR_STEP: Final = frozenset({RunState.SCHEDULED, RunState.RUNNING})


def cause(chapter: Chapter, zone: ZoneInfo) -> str:
    """Return why the row is in its state: one sentence that names the rule, the person or the event."""
    return _CAUSES[chapter.row.state](chapter, zone)


def _pending(chapter: Chapter, zone: ZoneInfo) -> str:
    row = chapter.row
    before = f"; before that: {row.reason}" if row.reason else ""
    return _waits_for(chapter, zone) + before


def _waits_for(chapter: Chapter, zone: ZoneInfo) -> str:
    row = chapter.row
    if row.root_id is not None and row.batch_id is None and row.run_state in WAITS_FOR_STEP:
        return "waits for the step before"
    hours = hours_of(chapter.schedule, row.zones or "")
    text = WaitingText(
        is_planned=row.planned_at is not None,
        run_state=row.run_state,
        is_account_paused=bool(row.account_reason),
        has_many_doubts=chapter.batches_in_doubt >= DOUBTS_PER_ACCOUNT,
        is_window_open=hours is None or hours.allowed(chapter.now),
        batch_state=row.batch_state,
        is_early=row.not_before is not None and row.not_before > chapter.now,
    )
    return _OBSTACLES[first_obstacle(text)](chapter, zone)


def _window(chapter: Chapter, zone: ZoneInfo) -> str:
    row = chapter.row
    hours = hours_of(chapter.schedule, row.zones or "")
    opens = hours.next_open(chapter.now) if hours is not None else None
    when = f"which opens {shown_time(opens, zone)}" if opens else "which never opens"
    clocks = f", by the clocks of {row.zones.replace(',', ', ')}" if row.zones else ""
    return f"outside the campaign's window, {when}{clocks}"


def _paused(chapter: Chapter, _zone: ZoneInfo) -> str:
    row = chapter.row
    return (
        f"the campaign is paused ({row.run_reason or 'by somebody'}); resume it with: campaigns resume {row.campaign}"
    )


def _put_off(chapter: Chapter, zone: ZoneInfo) -> str:
    row = chapter.row
    until = shown_time(row.not_before or chapter.now, zone, seconds=True)
    return f"its batch waits until {until}: {row.batch_reason or 'planned'}"


def _in_doubt(chapter: Chapter, zone: ZoneInfo) -> str:
    last = chapter.requests[-1] if chapter.requests else None
    if last is not None and last.state is AttemptState.UNKNOWN:
        again = shown_time(last.next_check_at, zone, seconds=True)
        return f"it is not known whether the gateway has it; it is looked up {again}, and not sent again before that"
    return "a request with it is under way"


def _accepted(chapter: Chapter, _zone: ZoneInfo) -> str:
    if chapter.row.gateway_id is None:
        return f"{chapter.row.reason}; it has no ID at the gateway, so no receipt can be followed"
    return "the gateway has it, but no phone has sent it yet"


def _sent(chapter: Chapter, _zone: ZoneInfo) -> str:
    if chapter.row.finished_at is not None:
        return "the phone sent it, but no delivery report came before following ended"
    return "the phone sent it, but no delivery report has come yet"


def _failed(chapter: Chapter, zone: ZoneInfo) -> str:
    row = chapter.row
    if row.gateway_id is None:
        return f"the gateway did not accept it: {row.reason or 'no reason was given'}"
    words = f"the phone did not send it: {row.reason or 'no reason was given'}"
    if row.result_code is not None:
        where = "" if row.device is None else f", {phone_words(row.device)}"
        words += f" (result code {row.result_code}{where}); what to do: {result_advice(row.result_code)}"
    waiting = [failed.due_at for failed in chapter.failed if failed.due_at is not None]
    return words + (f". It is sent again {shown_time(waiting[-1], zone)}" if waiting else "")


def _held(chapter: Chapter, _zone: ZoneInfo) -> str:
    return (
        f"{chapter.row.reason or 'no reason was kept'}; a person has to look and decide: "
        f"campaigns held {chapter.row.campaign}"
    )


def _cancelled(chapter: Chapter, _zone: ZoneInfo) -> str:
    if chapter.row.gateway_id is not None:
        return chapter.row.reason or "cancelled at the gateway"
    return f"never sent: {chapter.row.reason or chapter.row.run_reason or 'the campaign was cancelled'}"


def _skipped(chapter: Chapter, zone: ZoneInfo) -> str:
    has_no_date = slot_of(chapter.row.slot).label == NO_DATE if chapter.row.slot else False
    return _by_rule("not sent" if has_no_date else "not sent: its moment was missed")(chapter, zone)


def _excluded(chapter: Chapter, zone: ZoneInfo) -> str:
    """The reason says by which key of the campaign's file; of a step it is a code."""
    row = chapter.row
    return _NOT_SENT(chapter, zone) if row.root_id is None else LEFT_OUT.get(row.reason, f"not sent: {row.reason}")


def _by_rule(rule: str) -> Callable[[Chapter, ZoneInfo], str]:
    """A state with a single cause: the rule, and what was recorded with the row."""

    def told(chapter: Chapter, _zone: ZoneInfo) -> str:
        return f"{rule}: {chapter.row.reason}" if chapter.row.reason else rule

    return told


_OBSTACLES: Final[Mapping[Obstacle, Callable[[Chapter, ZoneInfo], str]]] = {
    Obstacle.PLAN: lambda _chapter, _zone: "the campaign is being planned",
    Obstacle.START: lambda chapter, zone: (
        chapter.row.run_reason or f"the campaign starts {shown_time(chapter.row.starts_at, zone)}"
    ),
    Obstacle.APPROVAL: lambda _chapter, _zone: "the campaign is waiting for its plan to be approved",
    Obstacle.PAUSE: _paused,
    Obstacle.END: lambda chapter, _zone: f"the campaign is {chapter.row.run_state.value} and sends nothing more",
    Obstacle.ACCOUNT: lambda chapter, _zone: f"the gateway account is paused: {chapter.row.account_reason}",
    Obstacle.DOUBTS: lambda chapter, _zone: (
        f"{chapter.batches_in_doubt:,} batches are in doubt and looked up first; until then nothing is sent"
    ),
    Obstacle.WINDOW: _window,
    Obstacle.BATCH: lambda _chapter, _zone: "the others of its batch are being sent or looked up first",
    Obstacle.QUEUE: lambda _chapter, _zone: (
        "its batch is in the queue and is sent next; if that lasts, no worker is running: campaigns doctor"
    ),
    Obstacle.MOMENT: _put_off,
    Obstacle.NOTHING: lambda _chapter, _zone: (
        "its batch is due; if that lasts, no scheduler is running: campaigns doctor"
    ),
}
"""The words for everything that may stop a text."""

_NOT_SENT: Final = _by_rule("not sent")

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
    P.SKIPPED: _skipped,
    P.INVALID: _by_rule("not sent: no text can be sent to this row"),
    P.DUPLICATE: _by_rule("not sent a second time"),
    P.SUPPRESSED: lambda _chapter, _zone: "not sent: this number opted out",  # when and why it did is said once, above
    P.EXCLUDED: _excluded,
    P.CAPPED: _by_rule("not sent: the frequency cap is reached"),
    P.HOLDOUT: _by_rule("not sent: this person is in the control group"),
}
"""The cause of every state."""
