"""Replies that arrive from several sides at once, on both databases: stored once, obeyed once, reported once."""

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import col, select

from campaigns.answering import HELP_ANSWERS
from campaigns.lifecycle import RecipientState
from campaigns.optout import Meaning
from campaigns.planning.planned import PlannedRecipient
from scheduler.replies.inbound import take_in
from tests.store.store_world import NOW, World, people
from worker.gateway import Message, MessageStatus
from worker.settings.settings import Settings
from worker.store.engine import Store
from worker.store.migrate import migrate
from worker.store.models import Notice, Recipient
from worker.store.people import reviews, stored_replies, suppressions
from worker.store.people.suppressions import Entry
from worker.store.runs import runs
from worker.store.sending.claim import NoIntent, load_work
from worker.store.sending.intent import Intent, record_intent

SETTINGS = Settings(timezone="UTC", reply_webhook="https://example.org/replies", help_answer="Call 555 0100")
ANNA, BEN = "+393330000000", "+393330000001"


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    is_file = request.param == "sqlite"
    url = f"sqlite:///{tmp_path / 'c.db'}" if is_file else request.getfixturevalue("postgres_url")
    with closing(Store(url)) as store:
        migrate(store)
        yield World(store)


def person(number: str, text: str = "Hi") -> PlannedRecipient:
    return people(1)[0]._replace(number=number, text=text)


def message(id_: int, number: str, text: str, *, at: datetime = NOW, status: str = "Received") -> Message:
    kind = MessageStatus(status.lower())
    return Message(id_, number, text, 1, 0, kind, status, at, None, None, None, None, 0)


def take(
    world: World, *messages: Message, came_by: str = "webhook", settings: Settings = SETTINGS, now: datetime = NOW
) -> dict[Meaning, int]:
    return take_in(world.store, settings, world.account_id, messages, came_by=came_by, rehearsal=False, now=now)


def test_webhook_and_polling_at_once_store_each_reply_once(world: World) -> None:
    # given the same replies from eight sides
    rows = [message(100 + n, f"+39333{n:07}", "STOP" if n % 2 else "ciao") for n in range(40)]
    counts: list[dict[Meaning, int]] = []
    failures: list[BaseException] = []

    def side(order: list[Message], came_by: str) -> None:
        try:
            counts.append(take(world, *order, came_by=came_by))
        except BaseException as error:
            failures.append(error)

    sides = [(rows if n % 2 else rows[::-1], "poll" if n % 2 else "webhook") for n in range(8)]
    threads = [threading.Thread(target=side, args=given) for given in sides]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # then
    assert not failures
    assert sum(sum(count.values()) for count in counts) == 40
    with world.store.read() as session:
        assert len(stored_replies.answers(session)) == 40
        assert len(list(suppressions.in_force(session))) == 20
        notices = session.exec(select(Notice.body).where(col(Notice.channel) == "reply_webhook")).all()
    assert sorted(body["number"] for body in notices) == sorted(row.number for row in rows)


def test_who_asks_for_help_on_several_sides_at_once_gets_one_answer(world: World) -> None:
    # given two people who were written to, and who ask again and again, through webhook and polling
    world.sent(world.run(people(2)))
    asked = [[message(side, ANNA, "HELP"), message(side + 1, BEN, "INFO")] for side in range(100, 160, 10)]
    start = threading.Barrier(len(asked))
    failures: list[BaseException] = []

    def ask(messages: list[Message]) -> None:
        try:
            start.wait()
            take(world, *messages)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask, args=(messages,)) for messages in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # then
    assert not failures
    with world.store.read() as session:
        (run,) = (run for run in runs.list_runs(session) if run.campaign == HELP_ANSWERS)
    assert sorted(row.number for row in world.recipients(run.id)) == [ANNA, BEN]
    assert [world.batch(id_).target for id_ in world.batches(run.id)] == ["1|0", "1|0"]
    assert run.planned_at is not None
    assert not run.rehearsal


@pytest.mark.parametrize(
    ("raw", "stored"),
    [
        ("393330000001", BEN),
        ("+39 333 0000001", BEN),
        ("+447700900101", "+447700900101"),  # not a number by the metadata, but somebody wrote from it
        ("447700900101", "447700900101"),  # and without a plus it may be nobody's number
        ("3331234911", "3331234911"),  # of which country?
        ("MyBank", "MyBank"),
        ("40404", "40404"),
    ],
)
def test_a_stop_of_nobody_known_waits_for_a_person_and_is_told(world: World, raw: str, stored: str) -> None:
    assert take(world, message(1, ANNA, "STOP", status="Sent"), message(3, raw, "STOP")) == {Meaning.STOP: 1}
    take(world, message(4, raw, "STOP", at=NOW + timedelta(minutes=1)))
    with world.store.read() as session:
        assert [answer.number for answer in stored_replies.answers(session)] == [stored, stored]
        assert [answer.is_of_nobody for answer in reviews.waiting_reviews(session)] == [True, True]
        # and a number that somebody has is already on the list
        listed = {entry.number for entry in suppressions.in_force(session)}
        news = session.exec(select(Notice.event).where(col(Notice.channel) == "news")).all()
    assert listed == ({stored} if stored.startswith("+") else set())
    assert news == ["reply.unmatched"]  # once an hour


@pytest.mark.parametrize(
    ("sent_to", "raw", "listed"),
    [
        ("+525512345911", "+5215512345911", {"+525512345911"}),
        ("+525512345911", "5512345911", {"+525512345911"}),
        ("+5215512345911", "+525512345911", {"+5215512345911", "+525512345911"}),  # sent to by an older version
        ("+393331234911", "3331234911", {"+393331234911"}),
        ("+393331234911", "0039 333 1234911", {"+393331234911"}),
        ("+14155551234", "4155551234", {"+14155551234"}),  # with a plus it would be a Swiss number
        ("+447400123456", "07400 123456", {"+447400123456"}),
        ("+79161234567", "89161234567", {"+79161234567"}),
        ("+5491123456789", "+541123456789", {"+5491123456789", "+541123456789"}),
        ("+5491123456789", "011 15 2345-6789", {"+5491123456789", "+541123456789"}),
        ("+5511961234567", "+551161234567", {"+5511961234567"}),
        ("+447700900101", "447700900101", {"+447700900101"}),  # sent to, though no such number is known
    ],
)
@pytest.mark.parametrize("region", [None, "DE"])
@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_a_sender_is_the_person_whose_phone_it_is(
    world: World, sent_to: str, raw: str, listed: set[str], region: str | None
) -> None:
    # given somebody who was written to, and later somebody with another number
    world.sent(world.run([person(sent_to)]))
    world.sent(world.run([person(BEN)], campaign="later"))
    settings = SETTINGS.model_copy(update={"region": region})
    # when they write, and again as the gateway has it from elsewhere
    for id_, text in ((3, "STOP"), (4, "START"), (5, "STOP")):
        take(world, message(id_, raw, text), settings=settings)
        with world.store.read() as session:
            now_listed = {entry.number for entry in suppressions.in_force(session)}
            (*_, answer) = stored_replies.answers(session)
        # then
        assert (answer.number, answer.campaign, answer.is_of_nobody) == (sent_to, "spring-sale", False)
        assert now_listed == (set() if text == "START" else listed)


def test_of_several_people_with_these_digits_it_is_the_one_written_to_last(world: World) -> None:
    for number, campaign in (("+393331234911", "one"), ("+493331234911", "two")):
        world.sent(world.run([person(number)], campaign=campaign))
        with world.store.write() as session:
            at = NOW if campaign == "one" else NOW - timedelta(days=1)
            session.execute(sa.update(Recipient).where(col(Recipient.number) == number).values(accepted_at=at))
    take(world, message(3, "3331234911", "STOP"))
    with world.store.read() as session:
        assert {entry.number for entry in suppressions.in_force(session)} == {"+393331234911"}


def test_an_id_of_before_hides_no_stop(world: World) -> None:
    """A gateway that was set up anew starts with ID 1 again; the old START had a higher one."""
    evening = NOW + timedelta(hours=9)
    take(world, message(1, ANNA, "STOP"), message(9, ANNA, "START", at=NOW + timedelta(seconds=1)), now=evening)
    later = message(1, ANNA, "STOP", at=NOW + timedelta(minutes=2))
    assert take(world, later, came_by="poll", now=evening) == {Meaning.STOP: 1}
    assert take(world, later, now=evening) == {}
    assert take(world, message(9, BEN, "STOP"), now=evening) == {Meaning.STOP: 1}
    with world.store.read() as session:
        assert {entry.number for entry in suppressions.in_force(session)} == {ANNA, BEN}
        assert len(session.exec(select(Notice.id).where(col(Notice.channel) == "reply_webhook")).all()) == 4


def test_a_start_that_shows_a_new_date_undoes_no_stop(world: World) -> None:
    """The gateway's clocks were put forward, and old messages show it."""
    take(world, message(5, ANNA, "START"), message(7, ANNA, "STOP", at=NOW + timedelta(minutes=1)))
    assert take(world, message(5, ANNA, "START", at=NOW + timedelta(hours=1))) == {}
    with world.store.read() as session:
        assert suppressions.any_in_force(session)


def test_a_reply_without_a_date_is_stored_once(world: World) -> None:
    bare = message(5, ANNA, "ciao")._replace(sent_at=None)
    assert take(world, bare) == {Meaning.REPLY: 1}
    assert take(world, bare, now=NOW + timedelta(hours=1)) == {}
    assert take(world, message(5, ANNA, "ciao", at=NOW - timedelta(seconds=2)), came_by="poll") == {}


def test_a_text_of_ours_that_is_quoted_is_not_judged(world: World) -> None:
    world.sent(world.run([person(ANNA, text="Hi Anna, spring sale. Reply STOP to opt out.")]))
    assert take(world, message(3, ANNA[1:], "Hi Anna, spring sale. Reply STOP to opt out. Is it open on Sunday?")) == {
        Meaning.REPLY: 1
    }


def test_of_a_huge_reply_the_beginning_is_kept(world: World) -> None:
    take(world, message(3, ANNA, "x" * 5_000_000))
    assert take(world, message(3, ANNA, "x" * 5_000_000)) == {}
    with world.store.read() as session:
        assert [len(answer.text) for answer in stored_replies.answers(session)] == [2_000]


def test_a_stop_that_comes_late_does_not_undo_a_later_start(world: World) -> None:
    take(world, message(5, ANNA, "STOP"))
    take(world, message(9, ANNA, "START", at=NOW + timedelta(seconds=1)))
    take(world, message(7, ANNA, "stop please"), came_by="poll")
    with world.store.read() as session:
        assert not suppressions.any_in_force(session)


def test_a_replayed_call_changes_nothing(world: World) -> None:
    stop = message(5, ANNA, "STOP")
    take(world, stop)
    take(world, message(6, ANNA, "START"))
    assert take(world, stop) == {}
    with world.store.read() as session:
        assert not suppressions.any_in_force(session)


def test_an_opt_out_waits_for_the_intent_under_way_and_the_next_one_for_it(world: World) -> None:
    """An intent and an opt-out exclude each other: whichever is committed first is seen by the other."""
    run_id = world.run(people(4), per_request=2)
    first, second = world.batches(run_id)
    done = threading.Event()

    def opt_out() -> None:
        with world.store.write() as session:
            entries = [Entry(f"+39333{place:07}", "", "by phone", "command", NOW) for place in range(4)]
            suppressions.suppress(session, entries, now=NOW)
        done.set()

    # given an intent whose transaction is open
    with world.store.write() as session:
        work = load_work(session, first)
        assert work is not None
        intent = record_intent(session, work, target="", now=NOW, send_by=timedelta(seconds=30))
        assert isinstance(intent, Intent)
        thread = threading.Thread(target=opt_out)
        thread.start()
        # then the opt-out is not stored meanwhile
        assert not done.wait(0.3)
    thread.join()
    # and whoever was promised before is in doubt, everybody else is suppressed, and in no later intent
    assert world.states(run_id) == {RecipientState.IN_DOUBT: 2, RecipientState.SUPPRESSED: 2}
    assert world.promise(second) is NoIntent.NOT_DUE
