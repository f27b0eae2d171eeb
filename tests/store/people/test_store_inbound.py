"""Replies in the database: once each, linked to what they answer."""

from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import col

from campaigns.lifecycle import RecipientState
from campaigns.optout import Meaning
from tests.store.store_world import NOW, World, people
from worker.store.models import Recipient
from worker.store.people import known_replies, reviews, stored_replies
from worker.store.people.known_replies import Shown
from worker.store.people.stored_replies import Incoming, Reply
from worker.store.reports.counts import count_replies

ANNA = "+393330000000"


def reply(gateway_id: int, *, number: str = ANNA, meaning: Meaning = Meaning.REPLY, at: datetime = NOW) -> Incoming:
    return Incoming(gateway_id, number, "Hello", 1, 0, at, meaning)


def store(world: World, *replies: Incoming, came_by: str = "poll") -> list[Reply]:
    with world.store.write() as session:
        return stored_replies.store_replies(session, world.account_id, replies, came_by=came_by, now=NOW)


def test_a_reply_is_stored_once_however_it_comes(world: World) -> None:
    first = store(world, reply(7), reply(5), reply(7), came_by="webhook")
    assert [answer.gateway_id for answer in first] == [5, 7]
    second = store(world, reply(7), reply(9))
    assert [(answer.gateway_id, answer.came_by) for answer in second] == [(9, "poll")]
    with world.store.read() as session:
        shown = [Shown(id_, ANNA, "Hello", NOW) for id_ in (5, 7, 8, 9)] + [Shown(5, ANNA, "Hi", NOW)]
        assert known_replies.unknown_replies(session, world.account_id, shown) == [shown[2], shown[4]]
    assert world.account().received_id == 9


@pytest.mark.parametrize(
    ("minutes_after_first", "answers"),
    [(-30, None), (1, "first"), (59, "first"), (61, "second")],
    ids=["before anything was sent", "at once", "before the second", "after the second"],
)
def test_a_reply_answers_the_last_text_before_it(world: World, minutes_after_first: int, answers: str | None) -> None:
    # given two campaigns to the same person, an hour plus a clock's margin apart
    later = NOW + timedelta(hours=1) + stored_replies.CLOCK_MARGIN
    for campaign, at in (("first", NOW), ("second", later)):
        run_id = world.run(people(1), campaign=campaign)
        world.sent(run_id)
        with world.store.write() as session:
            session.execute(sa.update(Recipient).where(col(Recipient.run_id) == run_id).values(accepted_at=at))
    # when they answer
    (answer,) = store(world, reply(5, at=NOW + timedelta(minutes=minutes_after_first)))
    # then
    assert answer.campaign == answers


@pytest.mark.parametrize(
    ("states", "answers"),
    [
        ((RecipientState.DELIVERED, RecipientState.FAILED), "first"),
        ((RecipientState.SENT, RecipientState.CANCELLED), "first"),
        ((RecipientState.FAILED, RecipientState.ACCEPTED), "second"),
        ((RecipientState.FAILED, RecipientState.FAILED), "second"),
    ],
    ids=str,
)
def test_a_reply_is_not_about_a_text_that_never_left_a_phone(
    world: World, states: tuple[RecipientState, ...], answers: str
) -> None:
    for place, (campaign, state) in enumerate(zip(("first", "second"), states, strict=True)):
        run_id = world.run(people(1), campaign=campaign)
        world.sent(run_id)
        values = {"state": state, "accepted_at": NOW + timedelta(minutes=place)}
        with world.store.write() as session:
            session.execute(sa.update(Recipient).where(col(Recipient.run_id) == run_id).values(values))
    (answer,) = store(world, reply(5, at=NOW + timedelta(hours=1)))
    assert answer.campaign == answers


def test_replies_of_a_run_are_counted_by_meaning(world: World) -> None:
    run_id = world.run(people(1))
    world.sent(run_id)
    store(world, reply(1), reply(2, meaning=Meaning.STOP), reply(3), reply(4, number="+393339999999"))
    with world.store.read() as session:
        assert count_replies(session, run_id) == {Meaning.STOP: 1, Meaning.REPLY: 2}


@pytest.mark.parametrize(
    ("wishes", "standing"),
    [
        ([(9, Meaning.START, 0), (3, Meaning.STOP, 0)], 9),  # at the same moment, the ID decides
        ([(3, Meaning.START, 9), (9, Meaning.STOP, 0)], 9),  # date and ID disagree: the stop wins
        ([(9, Meaning.START, 0), (3, Meaning.STOP, 9)], 3),
        ([(9, Meaning.STOP, 0), (10, Meaning.START, 1)], 10),
    ],
)
def test_of_several_wishes_the_last_stands(world: World, wishes: list[tuple[int, Meaning, int]], standing: int) -> None:
    replies = [reply(id_, meaning=meaning, at=NOW + timedelta(minutes=minute)) for id_, meaning, minute in wishes]
    stored = store(world, *replies, reply(11))
    with world.store.read() as session:
        stand = stored_replies.standing_wishes(session, [answer.id for answer in stored if answer.gateway_id != 11])
    assert {answer.gateway_id for answer in stored if answer.id in stand} == {standing}


def test_a_review_waits_until_somebody_has_read_it(world: World) -> None:
    (answer, _) = store(world, reply(1, meaning=Meaning.REVIEW), reply(2))
    with world.store.write() as session:
        assert [waiting.id for waiting in reviews.waiting_reviews(session)] == [answer.id]
        assert reviews.mark_reviewed(session, [answer.id, answer.id + 1], NOW) == 1
        assert reviews.waiting_reviews(session) == []


def test_what_was_read_never_goes_back(world: World) -> None:
    with world.store.write() as session:
        assert stored_replies.read_until(session, world.account_id) is None
        stored_replies.record_read(session, world.account_id, NOW)
        stored_replies.record_read(session, world.account_id, NOW - timedelta(hours=1))
        assert stored_replies.read_until(session, world.account_id) == NOW
        assert not stored_replies.has_sent(session, world.account_id)
