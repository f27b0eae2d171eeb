"""Answers to what people wrote: one text each, from the phone that got the reply, and only one unless it was seen."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from campaigns.display import shown_time
from campaigns.messages import ANSWERED_FOR, MESSAGES, key_digest, slot_of_key
from campaigns.phone_numbers.masking import mask
from campaigns.values.durations import format_duration
from scheduler.actions.acting import Actor, acting, audited
from scheduler.actions.reading.replies import unanswerable
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.texts.messages import SingleMessage, plan_text, wanted_text
from worker.runtime import Runtime
from worker.store.people import reply_answers
from worker.store.people.reply_answers import GivenAnswer
from worker.store.runs import single_texts as store

VALID_FOR: Final = format_duration(ANSWERED_FOR)


@dataclass(frozen=True, slots=True)
class Answered:
    """The text that answers a reply. `place`: 1 for the first answer to it."""

    reply_id: int
    place: int
    message: SingleMessage
    at: datetime


def answer_reply(runtime: Runtime, actor: Actor, reply_id: int, text: str, *, seen: int = 0, now: datetime) -> Answered:
    """Answer a reply with this text, by the phone that received it. Raises `Refused`.

    `seen`: how many answers to this reply its caller has seen. If there is another one, nothing is sent: the caller
    looks at it first. Once the transaction is committed, `messages.hint` makes the text go at once.
    """
    with acting(runtime.store, actor, "answer", campaign=MESSAGES, now=now) as session:
        # One transaction at a time answers: the second one sees the first.
        campaign_id = store.lock_texts(session, MESSAGES, rehearsal=runtime.rehearsal, now=now)
        reply = reply_answers.find_reply(session, reply_id)
        if reply is None:
            command = "list them with: campaigns reply"
            raise Refused(Refusal.UNKNOWN_REPLY, f"there is no reply {reply_id}", command=command)
        given = reply_answers.given_answers(session, [reply_id]).get(reply_id, [])
        if len(given) != seen:
            raise _answered(runtime, reply_id, given)
        if problem := unanswerable(session, reply):
            raise problem
        # The phones of another gateway have other ids.
        by_phone = reply.account_id == runtime.account_id and reply.device
        device = store.phone_of_reply(session, reply.recipient_id, by_phone, reply.sim) if by_phone else None
        wanted = wanted_text(runtime, reply.number, text, device, VALID_FOR)
        place = len(given) + 1
        slot = slot_of_key(key_digest("reply", f"{reply_id}:{place}", rehearsal=runtime.rehearsal))
        message = plan_text(runtime, session, actor, campaign_id, wanted, slot, now=now)
        reply_answers.record_answer(session, reply_id, place, message.id, by=actor.name, now=now)
        audited(session, campaign=reply.campaign, run_id=reply.run_id, subject=mask(reply.number))
        audited(session, reply=reply_id, place=place)
        return Answered(reply_id, place, message, now)


def _answered(runtime: Runtime, reply_id: int, given: list[GivenAnswer]) -> Refused:
    if not given:
        return Refused(Refusal.ANSWERED, f"reply {reply_id} has no answer yet", command="leave --seen out")
    last = given[-1]
    sentence = (
        f"{last.by} answered reply {reply_id} on {shown_time(last.at, runtime.settings.zone)}; "
        "read that answer before you send another one"
    )
    command = f"it is shown by: campaigns reply {reply_id}; to answer all the same: --seen {len(given)}"
    return Refused(Refusal.ANSWERED, sentence, command=command)
