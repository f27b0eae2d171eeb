"""Taking replies in: each stored once, its meaning acted upon in the same transaction. Webhook and polling share it."""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from datetime import datetime
from functools import lru_cache
from typing import Final

from sqlmodel import Session

from campaigns.matching import same_number
from campaigns.numbers import InvalidNumber, Normaliser, mask
from campaigns.optout import MOST_JUDGED, Meaning, Meanings
from scheduler.replies.answering import answer_help
from scheduler.report.moments import utc
from worker.gateway import Message, MessageStatus
from worker.logs import get_logger
from worker.settings import Settings
from worker.store import inbound, suppressions
from worker.store.engine import Store
from worker.store.inbound import Answer, Incoming
from worker.store.notices import tell
from worker.store.suppressions import REPLY, Entry

_INTERNATIONAL: Final = re.compile(r"\+?[1-9][0-9 .()/-]{7,24}")
"""Eight digits and more, perhaps parted: shorter ones are a shop's or a carrier's."""


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
    """Store replies that are not stored yet, and act on them; how many of each meaning.

    `came_by` is `poll` or `webhook`; `rehearsal`: the account is a sandbox's. Only messages of status Received count.
    What is stored already changes nothing, so a call may be repeated, replayed, or overtaken by another one.
    """
    received = {message.id: message for message in messages if message.status is MessageStatus.RECEIVED}
    with store.read() as session:
        new = inbound.unknown_ids(session, account_id, received)
    if not new:
        return Counter()
    meanings, normaliser = _meanings(settings.stop_words), Normaliser(settings.region)
    replies = [_incoming(received[id_], meanings, normaliser, now) for id_ in sorted(new)]
    with store.write("replies") as session:
        stored = inbound.store_replies(session, account_id, replies, came_by=came_by, now=now)
        _act(session, account_id, stored, now)
        answer_help(session, settings, account_id, stored, rehearsal=rehearsal, now=now)
        _tell(session, stored, settings.reply_webhook.get_secret_value(), now)
    for answer in stored:
        if answer.meaning in {Meaning.STOP, Meaning.START}:
            get_logger().info(
                f"reply.asked_to_{answer.meaning}",
                number=mask(answer.number),
                reply=answer.gateway_id,
                campaign=answer.campaign,
                came_by=came_by,
            )
    return Counter(answer.meaning for answer in stored)


@lru_cache(maxsize=4)
def _meanings(stop_words: tuple[str, ...]) -> Meanings:
    return Meanings(stop_words)


def _incoming(message: Message, meanings: Meanings, normaliser: Normaliser, now: datetime) -> Incoming:
    return Incoming(
        message.id,
        sender(message.number, normaliser),
        message.text[:MOST_JUDGED],
        message.device,
        message.sim,
        min(message.sent_at or message.delivered_at or now, now),
        meanings.of(message.text),
    )


def sender(raw: str, normaliser: Normaliser) -> str:
    """Who wrote: E.164, also where the gateway leaves the plus out; what is no number (a shop's name) as it came.

    A number that no country is known to have is kept as one all the same: whoever writes from it exists.
    """
    for number in (raw, f"+{raw}"):
        try:
            return normaliser.normalise(number)
        except InvalidNumber:
            continue
    digits = same_number(raw)
    return f"+{digits}" if _INTERNATIONAL.fullmatch(raw.strip()) else raw[:32]


def _act(session: Session, account_id: int, stored: Iterable[Answer], now: datetime) -> None:
    """The last wish of each person counts, whatever the order in which replies come in."""
    wishes = [answer for answer in stored if answer.meaning in {Meaning.STOP, Meaning.START}]
    last = inbound.last_wishes(session, account_id, {answer.number for answer in wishes})
    current = [answer for answer in wishes if last[answer.number] == answer.gateway_id]
    # A shop's name that writes STOP is nobody to whom anything is sent.
    stops = [answer for answer in current if answer.meaning is Meaning.STOP and answer.number.startswith("+")]
    suppressions.suppress(session, [opt_out_of(answer) for answer in stops], now=now)
    back = {answer.number for answer in current if answer.meaning is Meaning.START}
    if back:
        suppressions.release(session, back, now=now, source=REPLY)


def _tell(session: Session, stored: Iterable[Answer], target: str, now: datetime) -> None:
    """Every reply to the reply webhook, with number and text: that is what it is for."""
    if not target:
        return
    for answer in stored:
        name = f"reply:{answer.account_id}:{answer.gateway_id}"
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


def opt_out_of(answer: Answer) -> Entry:
    """What a stop is on the list as: of any kind, in the person's own words."""
    words = " ".join(answer.text.split())
    return Entry(
        answer.number, "", f"replied {words if len(words) <= 60 else words[:59] + '…'}", REPLY, answer.received_at
    )
