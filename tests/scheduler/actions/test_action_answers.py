"""Answers to replies: one text each, from the phone that got the reply, and nobody answers what they have not seen."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final

import pytest
import sqlalchemy as sa

from campaigns.access import Actor, ActorKind
from campaigns.definition import Kind
from campaigns.optout import Meaning
from scheduler.actions.reading.audit import read_audit
from scheduler.actions.reading.replies import read_conversation, read_replies
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.suppressing.opt_outs import suppress
from scheduler.actions.texts.replying import Answered, answer_reply
from tests.store.store_world import NOW, World, people
from worker.runtime import Runtime
from worker.store.people.stored_replies import Incoming, store_replies
from worker.store.tables import SOURCE, batches, recipients, reply_answers

PERSON: Final = "+393330000000"
ANNA, BEN = (Actor(ActorKind.USER, name) for name in ("anna", "ben"))
TEXT: Final = "We open at nine."


@pytest.fixture
def runtime(on_both: Runtime) -> Runtime:
    """A runtime whose gateway nobody calls, with somebody who was sent a text and wrote back."""
    world = World(on_both.store)
    world.sent(world.run(people(1)))
    return on_both


def write(runtime: Runtime, *, number: str = PERSON, meaning: Meaning = Meaning.REPLY, sim: int | None = 1) -> int:
    """Somebody writes to SIM 1 of phone 4; the id of the reply."""
    at = NOW + timedelta(minutes=5)
    with runtime.store.write() as session:
        said = [Incoming(7, number, "When do you open?", 4, sim, at, meaning)]
        (reply,) = store_replies(session, runtime.account_id, said, came_by="poll", now=at)
    return reply.id


def answer(runtime: Runtime, reply_id: int, actor: Actor = ANNA, *, text: str = TEXT, seen: int = 0) -> Answered:
    return answer_reply(runtime, actor, reply_id, text, seen=seen, now=runtime.clock.now())


def texts(runtime: Runtime) -> list[tuple[str, str, str]]:
    """Every single text: to whom, by which phone, and what."""
    query = sa.select(recipients.c.number, batches.c.target, recipients.c.text).join(
        batches, batches.c.id == recipients.c.batch_id
    )
    with runtime.store.read() as session:
        rows = session.execute(query.where(SOURCE == "user:anna").order_by(recipients.c.id))
        return [tuple(row) for row in rows]


def refusal(act: Callable[[], object]) -> tuple[Refusal, str]:
    with pytest.raises(Refused) as refused:
        act()
    return refused.value.code, str(refused.value)


def test_a_reply_is_answered_once_from_its_phone(runtime: Runtime) -> None:
    # given
    reply_id = write(runtime)
    # when
    done = answer(runtime, reply_id)
    code, sentence = refusal(lambda: answer(runtime, reply_id, BEN, text="At ten."))
    # then
    assert texts(runtime) == [(PERSON, "4|1", TEXT)]
    assert (code, "anna answered reply" in sentence, TEXT in sentence) == (Refusal.ANSWERED, True, False)
    seen = read_conversation(runtime.store, reply_id)
    assert [(each.by, each.text, each.message) for each in seen.answers] == [("anna", TEXT, done.message.id)]
    assert [(line.text, line.by, line.state) for line in seen.lines] == [
        ("Hi 0", "", "accepted"),
        ("When do you open?", "", "reply"),
        (TEXT, "anna", "pending"),
    ]
    (entry, *_) = read_audit(runtime.store, action="answer", after=0, limit=10).rows
    assert (entry.actor, entry.subject, entry.detail["reply"], entry.detail["place"]) == ("anna", "+39…00", reply_id, 1)
    assert not [page for page in (read_audit(runtime.store, after=0, limit=10).rows) if TEXT in str(page)]


def test_who_has_seen_the_answer_may_answer_again(runtime: Runtime) -> None:
    reply_id = write(runtime)
    answer(runtime, reply_id)
    assert answer(runtime, reply_id, text="And at two.", seen=1).place == 2
    assert refusal(lambda: answer(runtime, reply_id, BEN, seen=1))[0] is Refusal.ANSWERED
    assert refusal(lambda: answer(runtime, reply_id, BEN, seen=3))[0] is Refusal.ANSWERED
    assert [text for _, _, text in texts(runtime)] == [TEXT, "And at two."]
    (listed,) = read_replies(runtime.store, answered=True, after=0, limit=9).rows
    assert [each.place for each in listed.answers] == [1, 2]
    assert read_replies(runtime.store, answered=False, after=0, limit=9).rows == []


def test_of_many_who_answer_at_once_one_does(runtime: Runtime) -> None:
    reply_id = write(runtime)

    def one(place: int) -> str:
        try:
            answer(runtime, reply_id, text=f"{TEXT} {place}")
        except Refused as refused:
            return refused.code.value
        return "done"

    with ThreadPoolExecutor(8) as pool:
        answers = sorted(pool.map(one, range(8)))
    assert answers == ["answered"] * 7 + ["done"]
    assert len(texts(runtime)) == 1


def test_the_database_itself_refuses_a_second_first_answer(runtime: Runtime) -> None:
    reply_id = write(runtime)
    answer(runtime, reply_id)
    row = {"reply_id": reply_id, "place": 1, "recipient_id": 1, "answered_by": "ben", "answered_at": NOW}
    with pytest.raises(sa.exc.IntegrityError), runtime.store.write() as session:
        session.execute(sa.insert(reply_answers).values(row))


@pytest.mark.parametrize(
    ("number", "meaning", "opted_out", "code"),
    [
        (PERSON, Meaning.REPLY, "", Refusal.OPTED_OUT),
        (PERSON, Meaning.REPLY, Kind.TRANSACTIONAL, Refusal.OPTED_OUT),
        (PERSON, Meaning.REVIEW, None, Refusal.WRONG_STATE),
        ("SHOP", Meaning.REPLY, None, Refusal.INVALID),
    ],
    ids=["opted out", "opted out of such texts", "may mean stop", "no phone"],
)
def test_who_may_get_no_text_is_not_answered(
    runtime: Runtime, number: str, meaning: Meaning, opted_out: str | None, code: Refusal
) -> None:
    reply_id = write(runtime, number=number, meaning=meaning)
    if opted_out is not None:
        suppress(runtime.store, ANNA, [PERSON], kind=opted_out, now=NOW)
    refused = refusal(lambda: answer(runtime, reply_id))
    assert (refused[0], texts(runtime)) == (code, [])
    assert read_conversation(runtime.store, reply_id).problem == refused[1]


def test_who_opted_out_of_marketing_alone_is_answered(runtime: Runtime) -> None:
    reply_id = write(runtime, sim=None)
    suppress(runtime.store, ANNA, [PERSON], kind=Kind.MARKETING, now=NOW)
    answer(runtime, reply_id)
    assert texts(runtime) == [(PERSON, "4", TEXT)]


def test_what_cannot_be_sent_leaves_nothing(runtime: Runtime) -> None:
    reply_id = write(runtime)
    assert refusal(lambda: answer(runtime, reply_id, text="  "))[0] is Refusal.INVALID
    assert refusal(lambda: answer(runtime, reply_id + 1))[0] is Refusal.UNKNOWN_REPLY
    assert texts(runtime) == []
    assert read_conversation(runtime.store, reply_id).answers == ()
    assert answer(runtime, reply_id).place == 1
