"""What people wrote: what waits to be read, and every reply with what was written around it and its answers."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlmodel import Session

from campaigns.definition import Kind
from campaigns.optout import Meaning
from campaigns.phone_numbers.masking import mask
from scheduler.actions.reading.pages import Page
from scheduler.actions.refusals import Refusal, Refused
from worker.store.engine import Store
from worker.store.people.reply_answers import GivenAnswer, find_reply, given_answers, may_mean_stop
from worker.store.people.reviews import waiting_reviews
from worker.store.people.stored_replies import Reply
from worker.store.people.suppressions import suppressed_among
from worker.store.reports import lists
from worker.store.reports.conversations import replies_from, texts_to


@dataclass(frozen=True, slots=True)
class WaitingReply:
    """A reply that may mean stop. `number` is in full if its sender is unknown or could not be identified."""

    id: int
    number: str
    received_at: datetime
    campaign: str | None
    is_of_nobody_known: bool
    text: str


def replies_to_review(store: Store | None, ids: Collection[int] | None = None) -> list[WaitingReply]:
    """Return the replies that wait to be read, or those with these ids. Raises `Refused` for one that does not wait."""
    return [_shown(answer) for answer in waiting_answers(store, ids)]


def waiting_answers(store: Store | None, ids: Collection[int] | None) -> list[Reply]:
    """Return the same replies as they are stored; `store` None: there are none."""
    waiting: list[Reply] = []
    if store is not None:
        with store.read() as session:
            waiting = waiting_reviews(session)
    chosen = [answer for answer in waiting if ids is None or answer.id in ids]
    if unknown := set(ids or ()) - {answer.id for answer in chosen}:
        sentence = f"no reply {min(unknown)} waits to be read; list those that do: campaigns suppress review"
        raise Refused(Refusal.UNKNOWN_REPLY, sentence)
    return chosen


def _shown(answer: Reply) -> WaitingReply:
    is_unknown = answer.is_of_nobody or answer.campaign is None
    number = answer.number if is_unknown else mask(answer.number)
    return WaitingReply(answer.id, number, answer.received_at, answer.campaign, is_unknown, answer.text)


MOST_LINES: Final = 50
"""How many of our texts, and how many of theirs, are shown of a conversation: the last ones."""


@dataclass(frozen=True, slots=True)
class ListedReply:
    """A reply, with the answers to it."""

    reply: Reply
    answers: Sequence[GivenAnswer]


@dataclass(frozen=True, slots=True)
class SaidLine:
    """One text of a conversation. `reply`: what the person wrote; otherwise ours, which `by` sent.

    `at` None: it has not been sent yet. `state` is that of our text, and the meaning of theirs.
    """

    at: datetime | None
    text: str
    state: str
    campaign: str | None
    run_id: int | None
    reply: Reply | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A reply with the last texts of both sides. `problem`: why nobody may answer it; None: somebody may."""

    reply: Reply
    answers: Sequence[GivenAnswer]
    lines: Sequence[SaidLine]
    problem: str | None


def read_replies(
    store: Store,
    meaning: Meaning | None = None,
    *,
    waiting: bool = False,
    run_id: int | None = None,
    answered: bool | None = None,
    newest_first: bool = False,
    after: int,
    limit: int,
) -> Page[ListedReply]:
    """Return what people wrote: of one meaning, to one run, answered or not; `waiting`: what a person has to read."""
    with store.read() as session:
        found, place = lists.replies_after(
            session,
            meaning,
            waiting=waiting,
            run_id=run_id,
            answered=answered,
            newest_first=newest_first,
            after=after,
            limit=limit,
        )
        given = given_answers(session, [reply.id for reply in found])
    return Page([ListedReply(reply, tuple(given.get(reply.id, ()))) for reply in found], place)


def read_conversation(store: Store, reply_id: int) -> Conversation:
    """Return a reply with what was written before and after it. Raises `Refused` for an unknown one."""
    with store.read() as session:
        reply = find_reply(session, reply_id)
        if reply is None:
            command = "list them with: campaigns reply"
            raise Refused(Refusal.UNKNOWN_REPLY, f"there is no reply {reply_id}", command=command)
        theirs = replies_from(session, reply.number, most=MOST_LINES)
        ours = texts_to(session, reply.number, most=MOST_LINES)
        given = given_answers(session, [each.id for each in theirs] + [reply_id])
        problem = unanswerable(session, reply)
    by = {answer.message: answer for answers in given.values() for answer in answers}
    lines = [
        SaidLine(each.received_at, each.text, each.meaning.value, each.campaign, each.run_id, each) for each in theirs
    ]
    for text in ours:
        who = by[text.id].by if text.id in by else ""
        lines.append(SaidLine(text.at, text.text, text.state.value, text.campaign, text.run_id, by=who))
    lines.sort(key=lambda line: (line.at is None, line.at or reply.received_at))
    return Conversation(reply, tuple(given.get(reply_id, ())), lines, str(problem) if problem else None)


def unanswerable(session: Session, reply: Reply) -> Refused | None:
    """Return why nobody may answer this reply, whatever they write: no phone, a possible stop, an opt-out."""
    if not reply.number.startswith("+"):
        return Refused(Refusal.INVALID, f"reply {reply.id} did not come from a phone number: nobody can answer it")
    waiting = may_mean_stop(session, reply.number)
    if waiting:
        sentence = (
            f"reply {waiting[0]} of this person may mean stop: decide that first "
            f"(campaigns suppress review {waiting[0]} --keep, or --opt-out), then answer"
        )
        return Refused(Refusal.WRONG_STATE, sentence)
    if suppressed_among(session, [reply.number], Kind.TRANSACTIONAL):
        return Refused(Refusal.OPTED_OUT, "this person has opted out, and gets no messages")
    return None
