"""Stores each reply once and acts on its meaning in the same transaction. Webhook and polling share it."""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from functools import lru_cache
from time import monotonic

from sqlmodel import Session

from campaigns.display import utc
from campaigns.optout import MOST_JUDGED, Meaning
from campaigns.optout.meaning import Meanings
from campaigns.phone_numbers.masking import mask
from scheduler.replies.answering import answer_help
from scheduler.replies.senders import Sender, find_senders, spellings
from worker import metrics
from worker.gateway import Message, MessageStatus
from worker.logs import get_logger
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.following import clock_offsets
from worker.store.notifications.outbox import announce_stop_of_nobody, tell
from worker.store.people import known_replies, stored_replies, suppressions
from worker.store.people.known_replies import Shown
from worker.store.people.stored_replies import Incoming, Reply
from worker.store.people.suppressions import REPLY, Entry


def take_in(
    store: Store,
    settings: Settings,
    account_id: int,
    messages: Collection[Message],
    *,
    came_by: str,
    rehearsal: bool,
    now: datetime,
) -> Counter[Meaning]:
    """Store replies that are not stored yet, and act on them; return how many there were of each meaning.

    `came_by` is `poll` or `webhook`; `rehearsal`: the account is a sandbox's. Only messages of status Received count. A
    reply that is already stored changes nothing, so a call may be repeated, replayed, or overtaken by another one.
    """
    began = monotonic()
    received = {_shown(message): message for message in messages if message.status is MessageStatus.RECEIVED}
    if not received:
        return Counter()
    with store.read() as session:
        new = known_replies.unknown_replies(session, account_id, received)
        if not new:
            return Counter()
        clocks = clock_offsets.known_offsets(session, account_id)
        senders = find_senders(session, account_id, {received[shown].number for shown in new}, settings.region)
    meanings = _meanings(settings.stop_words)
    replies = [
        _incoming(
            shown,
            received[shown],
            senders[received[shown].number],
            meanings,
            at=clock_offsets.by_our_clock(shown.dated_at or now, clocks if shown.dated_at else (), now),
            now=now,
        )
        for shown in new
    ]
    with store.write("replies") as session:
        stored = stored_replies.store_replies(session, account_id, replies, came_by=came_by, now=now)
        silenced = _act(session, stored, now)
        answer_help(session, settings, account_id, stored, rehearsal=rehearsal, now=now)
        _tell(session, stored, settings.reply_webhook.get_secret_value(), now)
        if any(answer.is_of_nobody for answer in stored):
            announce_stop_of_nobody(session, account_id, now=now)
    meant = Counter(answer.meaning for answer in stored)
    for meaning, number in meant.items():
        metrics.count(metrics.REPLIES, meaning.value, amount=number)
    metrics.count(metrics.OPT_OUTS, amount=silenced)
    took = monotonic() - began
    for answer in stored:
        if answer.meaning is Meaning.STOP:
            metrics.observe(metrics.STOP_TO_SILENCE, (now - answer.received_at).total_seconds() + took)
    for answer in stored:
        if answer.meaning in {Meaning.STOP, Meaning.START}:
            log = get_logger().warning if answer.is_of_nobody else get_logger().info
            log(
                f"reply.asked_to_{answer.meaning}" + ("_by_nobody_known" if answer.is_of_nobody else ""),
                number=mask(answer.number),
                reply=answer.gateway_id,
                campaign=answer.campaign,
                came_by=came_by,
            )
    return meant


@lru_cache(maxsize=4)
def _meanings(stop_words: tuple[str, ...]) -> Meanings:
    return Meanings(stop_words)


def _shown(message: Message) -> Shown:
    return Shown(message.id, message.number, message.text[:MOST_JUDGED], message.sent_at or message.delivered_at)


def _incoming(
    shown: Shown, message: Message, sender: Sender, meanings: Meanings, *, at: datetime, now: datetime
) -> Incoming:
    meaning = meanings.of(shown.text, sender.texts)
    return Incoming(
        shown.gateway_id,
        sender.number,
        shown.text,
        message.device,
        message.sim,
        at,
        meaning,
        sender.own,
        known_replies.fingerprint(shown),
        now if meaning is Meaning.STOP and sender.is_known else None,
    )


def _act(session: Session, stored: Iterable[Reply], now: datetime) -> int:
    """Apply the last wish of each person, whatever the order in which replies arrive; return who has just opted out."""
    wishes = [answer for answer in stored if answer.meaning in {Meaning.STOP, Meaning.START}]
    standing = stored_replies.standing_wishes(session, {answer.id for answer in wishes})
    stops = [answer for answer in wishes if answer.id in standing and answer.meaning is Meaning.STOP]
    starts = [answer for answer in wishes if answer.id in standing and answer.meaning is Meaning.START]
    added = suppressions.suppress(session, opt_outs_of(stops), now=now)
    back = {number for answer in starts for number in spellings(answer.number, answer.sender)}
    if back:
        suppressions.release(session, back, now=now, source=REPLY)
    return added


def _tell(session: Session, stored: Iterable[Reply], target: str, now: datetime) -> None:
    """Pass every reply to the reply webhook, with number and text: that is its purpose."""
    if not target:
        return
    for answer in stored:
        name = f"reply:{answer.account_id}:{answer.gateway_id}:{answer.id}"
        body = {
            "id": name,
            "event": "reply",
            "at": utc(now),
            "number": answer.number,
            "text": answer.text,
            "meaning": answer.meaning.value,
            "received_at": utc(answer.received_at),
            "campaign": answer.campaign,
            "run": answer.run_id,
            "device": answer.device,
            "sim": answer.sim,
        }
        tell(
            session,
            key=name,
            channel="reply_webhook",
            target=target,
            event="reply",
            body=body,
            run_id=answer.run_id,
            now=now,
        )


def opt_outs_of(stops: Iterable[Reply]) -> list[Entry]:
    """Return the entries for stops: for any kind, in the person's own words, under each number of their phone.

    A stop that came from no number gets none: nothing is ever sent to a shop's name.
    """
    found: dict[str, Entry] = {}
    for answer in stops:
        words = " ".join(answer.text[:200].split())
        reason = f"replied {words if len(words) <= 60 else words[:59] + '…'}"
        for number in spellings(answer.number, answer.sender):
            found[number] = Entry(number, "", reason, REPLY, answer.received_at)
    return list(found.values())
