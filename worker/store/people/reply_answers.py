"""Answers that people gave to replies, each of which is a single text."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session

from campaigns.lifecycle import RecipientState
from worker.store.bulk import in_parts
from worker.store.models import ReplyAnswer
from worker.store.people.reviews import WAITS
from worker.store.people.stored_replies import Reply, answers
from worker.store.tables import recipients, replies, reply_answers


@dataclass(frozen=True, slots=True)
class GivenAnswer:
    """Who answered a reply, when, and with which single text (`message`)."""

    reply_id: int
    place: int
    by: str
    at: datetime
    message: int
    text: str
    state: RecipientState
    reason: str


def find_reply(session: Session, reply_id: int) -> Reply | None:
    """Return a reply."""
    return next(iter(answers(session, replies.c.id == reply_id)), None)


def may_mean_stop(session: Session, number: str) -> list[int]:
    """Return the replies of a number that a person must read before anybody answers."""
    return list(session.scalars(sa.select(replies.c.id).where(replies.c.number == number, *WAITS)))


def given_answers(session: Session, reply_ids: Collection[int]) -> dict[int, list[GivenAnswer]]:
    """Return the answers to these replies, each with the first answer first."""
    found: dict[int, list[GivenAnswer]] = defaultdict(list)
    for part in in_parts(sorted(reply_ids)):
        query = (
            sa.select(
                *(reply_answers.c[name] for name in ("reply_id", "place", "answered_by", "answered_at")),
                *(recipients.c[name] for name in ("id", "text", "state", "reason")),
            )
            .join(recipients, recipients.c.id == reply_answers.c.recipient_id)
            .where(reply_answers.c.reply_id.in_(part))
            .order_by(reply_answers.c.reply_id, reply_answers.c.place)
        )
        for row in session.execute(query):
            found[row.reply_id].append(GivenAnswer(*row))
    return found


def record_answer(session: Session, reply_id: int, place: int, recipient_id: int, *, by: str, now: datetime) -> None:
    """Record an answer. Raises `sqlalchemy.exc.IntegrityError` if there is one in this place already."""
    session.add(
        ReplyAnswer(reply_id=reply_id, place=place, recipient_id=recipient_id, answered_by=by[:100], answered_at=now)
    )
    session.flush()
