"""Single texts that programs ask for: planned once for each key, in one transaction, and sent like any other text."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlmodel import Session

from campaigns.codes import PausedBy, RunType
from campaigns.definition import Definition, Kind
from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.message.plain import checked_plain
from campaigns.message.segments import is_blank, segmentation
from campaigns.messages import (
    LONGEST_KEY,
    LONGEST_VALID,
    MESSAGES,
    VALID_FOR,
    key_digest,
    request_digest,
    single_texts,
    slot_of_key,
)
from campaigns.planning.planned import PlannedRecipient
from campaigns.timing.departures import Departure
from campaigns.values.durations import format_duration, parse_duration
from campaigns.values.targets import parse_target
from scheduler.actions.acting import Actor, ActorKind, acting, audited, nothing_done
from scheduler.actions.numbers import normalised
from scheduler.actions.refusals import Refusal, Refused
from scheduler.report.people import Chapter, tell
from worker.limits.planned_limits import limits_of
from worker.logs import get_logger
from worker.runtime import Runtime
from worker.store.access import quotas
from worker.store.engine import Store
from worker.store.people import stored_replies
from worker.store.people.suppressions import suppressed_among
from worker.store.runs import single_texts as store
from worker.store.runs.single_texts import SingleText, TextRow
from worker.store.sending import accounts, queue
from worker.store.tables import recipients


@dataclass(frozen=True, slots=True)
class SingleMessage:
    """A single text. `is_new`: this call made it. `job`: the batch to put into the queue, once that is committed."""

    id: int
    run_id: int
    number: str
    is_new: bool
    job: int | None = None


@dataclass(frozen=True, slots=True)
class WantedText:
    """What was asked for, as it is stored."""

    number: str
    text: str
    device: str
    valid_for: timedelta


def send_message(
    runtime: Runtime,
    actor: Actor,
    to: str,
    text: str,
    key: str,
    *,
    device: str | None = None,
    valid_for: str | None = None,
    now: datetime,
) -> SingleMessage:
    """Send one person this text at once, and once only: the same `key` of the same caller returns the same message.

    `device`: the phone, or phone and SIM, to send it by. It is not sent later than `valid_for` from now, such as `5m`
    (default: an hour). Once the transaction is committed, `hint` makes it go at once. Raises `Refused`.
    """
    wanted = wanted_text(runtime, to, text, device, valid_for)
    if not 0 < len(key) <= LONGEST_KEY or not key.isprintable():
        raise Refused(Refusal.INVALID, f"the key must have 1 to {LONGEST_KEY} visible characters", field="key")
    digest = key_digest(str(actor), key, rehearsal=runtime.rehearsal)
    asked = request_digest(wanted.number, wanted.text, wanted.device, wanted.valid_for)
    with acting(runtime.store, actor, "message", campaign=MESSAGES, subject=wanted.number, now=now) as session:
        campaign_id = store.lock_texts(session, MESSAGES, rehearsal=runtime.rehearsal, now=now)
        used = store.find_key(session, digest)
        if used is not None:
            if used.request_digest != asked:
                sentence = "this key was used for another text: use a new key for each text"
                raise Refused(Refusal.KEY_REUSED, sentence, field="key")
            nothing_done(session)
            return _message(store.text_row(session, recipients.c.id == used.recipient_id))
        message = plan_text(runtime, session, actor, campaign_id, wanted, slot_of_key(digest), now=now)
        store.use_key(session, digest, message.id, asked, now=now)
        return message


def plan_text(
    runtime: Runtime, session: Session, actor: Actor, campaign_id: int, wanted: WantedText, slot: str, *, now: datetime
) -> SingleMessage:
    """Plan a text in the day's run of `MESSAGES`, which the caller has locked, and audit it. Raises `Refused`."""
    definition = single_texts(runtime.settings.timezone)
    _refuse(runtime, session, actor, wanted, definition, now=now)
    day = store.open_day(
        session,
        campaign_id,
        definition,
        type=RunType.MESSAGE,
        account_id=runtime.account_id,
        rehearsal=runtime.rehearsal,
        source=MESSAGES,
        now=now,
    )
    if not day.takes_more:
        sentence = "today's messages were cancelled or use another gateway; new ones are accepted from 00:00 UTC"
        raise Refused(Refusal.WRONG_STATE, sentence)
    row = PlannedRecipient(
        wanted.number,
        0,
        str(actor),
        0,
        RecipientState.PENDING,
        "",
        wanted.text,
        segmentation(wanted.text).segments,
        Departure("", now, now + wanted.valid_for),
        slot=slot,
    )
    sends = store.add_texts(session, day, [SingleText(row, wanted.device)], now=now)
    made = store.text_row(
        session, recipients.c.run_id == day.id, recipients.c.number == row.number, recipients.c.slot == row.slot
    )
    message = _message(made, is_new=True)
    audited(session, run_id=day.id, message=message.id, segments=row.segments)
    if made is None or not sends or not _may_go_at_once(runtime, session, now):
        return message
    # Queued as of long ago: if the hint is lost, the batch is given back within seconds.
    since = now - queue.QUEUED_TOO_LONG + queue.HINTED_FOR
    queue.queue_batches(session, [made.batch_id], now=since)
    return _message(made, is_new=True, job=made.batch_id)


def hint(runtime: Runtime, message: SingleMessage) -> None:
    """Put a message that was committed into the queue, as a hint: without one it goes some seconds later."""
    if message.job is None:
        return
    try:
        runtime.queue.enqueue([message.job], Kind.TRANSACTIONAL)
    except Exception as error:  # Redis is away: the text is stored, and the clock sends it
        get_logger().warning("message.not_hinted", problem=type(error).__name__)


def read_message(db: Store, message_id: int, *, now: datetime) -> Chapter:
    """Return everything known about a message. Raises `Refused` for an id that no message has."""
    with db.read() as session:
        found = store.text_row(session, recipients.c.id == message_id)
    if found is not None:
        for chapter in tell(db, [found.number], now=now).chapters:
            if chapter.row.recipient_id == found.id:
                return chapter
    raise Refused(Refusal.UNKNOWN_MESSAGE, f"there is no message {message_id}")


def as_asked(message: Chapter) -> Chapter:
    """Return a message as it was when it was accepted, so that each call with its key has the same answer."""
    row = replace(
        message.row,
        state=RecipientState.PENDING,
        reason="",
        run_state=RunState.RUNNING,
        run_reason="",
        account_reason="",
        batch_state=BatchState.PLANNED,
        batch_reason="",
        not_before=None,
        gateway_id=None,
        group_id=None,
        device=None,
        sim=None,
        attempts=0,
        gateway_retries=0,
        result_code=None,
        accepted_at=None,
        sent_at=None,
        delivered_at=None,
    )
    return replace(message, row=row, requests=(), rulings=(), failed=(), replies=(), again=(), batches_in_doubt=0)


def wanted_text(
    runtime: Runtime, to: str, text: str, device: str | None = None, valid_for: str | None = None
) -> WantedText:
    """Return a text as it is stored; the values are those of `send_message`. Raises `Refused`."""
    number = normalised(to, runtime.settings.region)
    try:
        plain = checked_plain(text)
    except ValueError as error:
        raise Refused(Refusal.INVALID, f"the text {error}", field="text") from None
    if is_blank(plain):
        raise Refused(Refusal.INVALID, "the text is empty", field="text")
    try:
        target = "" if device is None else str(parse_target(device))
    except ValueError as error:
        raise Refused(Refusal.INVALID, f"device {error}", field="device") from None
    try:
        validity = VALID_FOR if valid_for is None else parse_duration(valid_for)
    except ValueError as error:
        raise Refused(Refusal.INVALID, f"valid_for {error}", field="valid_for") from None
    if validity > LONGEST_VALID:
        sentence = f"valid_for must be at most {format_duration(LONGEST_VALID)}"
        raise Refused(Refusal.INVALID, sentence, field="valid_for")
    return WantedText(number, plain, target, validity)


def _refuse(
    runtime: Runtime, session: Session, actor: Actor, wanted: WantedText, definition: Definition, *, now: datetime
) -> None:
    """Raise `Refused` if the operator's rules, the person or a limit does not allow this text."""
    policy = runtime.settings.policy
    for path, problem, advice in policy.forbidden(definition):
        raise Refused(Refusal.FORBIDDEN, f"{'.'.join(map(str, path))}: {problem} ({advice})")
    if definition.kind in policy.approval:
        sentence = (
            "the operator requires approval of transactional texts, which a single text cannot wait for; "
            "send it as a campaign, or ask for CAMPAIGNS_REQUIRE_APPROVAL to be changed"
        )
        raise Refused(Refusal.FORBIDDEN, sentence)
    if too_dear := limits_of(definition, runtime.settings).too_dear(wanted.text):
        raise Refused(Refusal.INVALID, too_dear, field="text")
    if suppressed_among(session, [wanted.number], definition.kind):
        raise Refused(Refusal.OPTED_OUT, "this number has opted out, and gets no messages")
    if actor.kind is ActorKind.TOKEN and not quotas.take(session, actor.name, 1, now=now):
        sentence = (
            f"the token {actor.name} has reached its quota of people for today; the quota starts again at 00:00 UTC"
        )
        raise Refused(Refusal.QUOTA_SPENT, sentence)


def _may_go_at_once(runtime: Runtime, session: Session, now: datetime) -> bool:
    """Return whether a job may go ahead of the clock: somebody takes it, and what people wrote was read (STOP)."""
    if not runtime.queue.has_takers:
        return False
    until = stored_replies.read_until(session, runtime.account_id)
    has_heard = until is not None and now - until <= stored_replies.HEARD
    return has_heard and accounts.account_view(session, runtime.account_id).paused_by is PausedBy.NOBODY


def _message(row: TextRow | None, *, is_new: bool = False, job: int | None = None) -> SingleMessage:
    if row is None:
        raise LookupError("the text of a key is gone")
    return SingleMessage(row.id, row.run_id, row.number, is_new, job)
