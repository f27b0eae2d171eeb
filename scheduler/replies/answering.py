"""Answers to HELP: planned in the transaction that stores the reply, sent like any other text."""

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlmodel import Session

from campaigns.answering import FRESH_FOR, HELP_ANSWERS, ONCE_IN, help_answers
from campaigns.codes import RunType
from campaigns.lifecycle import RecipientState
from campaigns.message.segments import segmentation
from campaigns.optout import Meaning
from campaigns.planning.planned import PlannedRecipient
from campaigns.timing.departures import Departure
from worker.logs import get_logger
from worker.settings.settings import Settings
from worker.store.people import erased
from worker.store.people.stored_replies import Reply
from worker.store.people.suppressions import suppressed_among
from worker.store.runs import help_runs, single_texts
from worker.store.runs.single_texts import SingleText

SOURCE: Final = "CAMPAIGNS_HELP_ANSWER"
"""The source of the text, in place of a file name."""


def answer_help(
    session: Session, settings: Settings, account_id: int, stored: Collection[Reply], *, rehearsal: bool, now: datetime
) -> int:
    """Plan an answer for everybody who asks for help in these new replies; return how many.

    People get none if they had one within `ONCE_IN`, opted out, asked longer than `FRESH_FOR` ago, or were never sent
    anything; nobody does while this process could not recognise who was erased.
    """
    asked = {
        reply.number: reply
        for reply in stored
        if reply.meaning is Meaning.HELP
        and reply.recipient_id is not None
        and reply.number.startswith("+")
        and reply.received_at > now - FRESH_FOR
    }
    if not settings.help_answer or not asked or erased.is_blind(session):
        return 0
    campaign_id = single_texts.lock_texts(session, HELP_ANSWERS, rehearsal=rehearsal, now=now)
    left_out = help_runs.answered_since(session, campaign_id, asked, now - ONCE_IN)
    definition = help_answers(settings.help_answer, settings.timezone)
    left_out |= suppressed_among(session, sorted(asked), definition.kind)
    people = [reply for number, reply in sorted(asked.items()) if number not in left_out]
    if not people:
        return 0
    # A UTC day is never longer than `ONCE_IN`: nobody is in a run twice.
    day = single_texts.open_day(
        session,
        campaign_id,
        definition,
        type=RunType.HELP,
        account_id=account_id,
        rehearsal=rehearsal,
        source=SOURCE,
        now=now,
    )
    if not day.takes_more:
        get_logger().warning("help.not_answered", campaign=HELP_ANSWERS, run=day.id, people=len(people))
        return 0
    segments = segmentation(settings.help_answer).segments
    texts = [SingleText(_row(reply, settings.help_answer, segments, now), _phone(session, reply)) for reply in people]
    single_texts.add_texts(session, day, texts, now=now)
    get_logger().info("help.answered", campaign=HELP_ANSWERS, run=day.id, people=len(people))
    return len(people)


def _row(reply: Reply, text: str, segments: int, now: datetime) -> PlannedRecipient:
    departure = Departure("", now, reply.received_at + FRESH_FOR)
    source = f"reply {reply.gateway_id}"
    return PlannedRecipient(reply.number, 0, source, 0, RecipientState.PENDING, "", text, segments, departure)


def _phone(session: Session, reply: Reply) -> str:
    """Return the phone and SIM that got the question, if the gateway shows them; empty means the primary one."""
    return single_texts.phone_of_reply(session, reply.recipient_id, reply.device, reply.sim) if reply.device else ""
