"""Replies taken in from several sides at once, on both databases: stored once, obeyed once, told once."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import col, select

from campaigns.answering import HELP_ANSWERS
from campaigns.lifecycle import RecipientState
from campaigns.optout import Meaning
from scheduler.replies.inbound import take_in
from tests.store.store_world import NOW, World, people
from tests.support.servers import PostgresServer
from worker.gateway import Message, MessageStatus
from worker.settings import Settings
from worker.store import inbound, runs, sending, suppressions
from worker.store.engine import Store
from worker.store.migrate import migrate
from worker.store.models import Notice
from worker.store.suppressions import Entry

SETTINGS = Settings(timezone="UTC", reply_webhook="https://example.org/replies", help_answer="Call 555 0100")
ANNA, BEN = "+393330000000", "+393330000001"


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite:///{tmp_path / 'c.db'}"
        else:
            server: PostgresServer = request.getfixturevalue("postgres_server")
            server.start()
            name = server.create_database()
            stack.callback(server.drop_database, name)
            url = server.url(name)
        store = Store(url)
        stack.callback(store.close)
        migrate(store)
        yield World(store)


def message(id_: int, number: str, text: str, *, at: datetime = NOW, status: str = "Received") -> Message:
    kind = MessageStatus(status.lower())
    return Message(id_, number, text, 1, 0, kind, status, at, None, None, None, None, 0)


def take(world: World, *messages: Message, came_by: str = "webhook") -> dict[Meaning, int]:
    return take_in(world.store, SETTINGS, world.account_id, messages, came_by=came_by, rehearsal=False, now=NOW)


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
        assert len(inbound.answers(session)) == 40
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
        ("+447700900101", "+447700900101"),  # no number by the metadata, and somebody wrote from it
        ("447700900101", "+447700900101"),
        ("MyBank", "MyBank"),
        ("40404", "40404"),
    ],
)
def test_who_wrote_is_known_however_the_gateway_writes_the_number(world: World, raw: str, stored: str) -> None:
    take(world, message(1, ANNA, "STOP", status="Sent"), message(3, raw, "STOP"))
    with world.store.read() as session:
        assert [answer.number for answer in inbound.answers(session)] == [stored]
        listed = {entry.number for entry in suppressions.in_force(session)}
    assert listed == ({stored} if stored.startswith("+") else set())


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
        work = sending.load_work(session, first)
        assert work is not None
        intent = sending.record_intent(session, work, target="", now=NOW, send_by=timedelta(seconds=30))
        assert isinstance(intent, sending.Intent)
        thread = threading.Thread(target=opt_out)
        thread.start()
        # then the opt-out is not stored meanwhile
        assert not done.wait(0.3)
    thread.join()
    # and whoever was promised before is in doubt, everybody else suppressed, and in no later intent
    assert world.states(run_id) == {RecipientState.IN_DOUBT: 2, RecipientState.SUPPRESSED: 2}
    assert world.promise(second) is sending.NoIntent.NOT_DUE
