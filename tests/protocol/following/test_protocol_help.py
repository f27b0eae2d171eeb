"""The answer to HELP: one text to everyone who asks, by the same protocol as every other text."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from campaigns.answering import HELP_ANSWERS
from campaigns.codes import PausedBy, RunType
from campaigns.lifecycle import RecipientState, RunState
from scheduler.processes.progress import look
from scheduler.report.people import tell
from scheduler.report.story import chapter_lines
from tests.protocol.world.harness import SETTLED, Installation
from tests.protocol.world.scripted_gateway import LOST, STORED, Answers, Send, Stores
from tests.support.clocks import FakeClock
from worker.store.engine import Store
from worker.store.people import suppressions
from worker.store.runs import reminders, runs
from worker.store.runs.runs import RunView

P = RecipientState

TEXT = "This is the flower shop. Call 555 0100, or write STOP."
ANNA, BEN, CLEO = (f"+39333{place:07}" for place in range(3))
POLL = timedelta(seconds=15)
DAY = timedelta(hours=24)


@pytest.fixture
def shop(bench: Installation, tmp_path: Path, sqlite_store: Store, clock: FakeClock) -> Iterator[Installation]:
    """A shop that answers; its first campaign went to Anna, Ben and Cleo."""
    made = Installation(tmp_path, sqlite_store, clock, bench.gateway, help_answer=TEXT)
    made.finish(made.campaign(3, name="first"))
    yield made
    made.close()


def texts(bench: Installation, number: str) -> int:
    """The number of answers that the gateway has for somebody."""
    return sum(m.number == number and m.text == TEXT and m.status != "Received" for m in bench.gateway.stored)


def days(bench: Installation) -> list[RunView]:
    with bench.store.read() as session:
        return [run for run in runs.list_runs(session) if run.campaign == HELP_ANSWERS]


@pytest.mark.parametrize("word", ["HELP", "help!", "Aiuto"])
def test_whoever_writes_help_gets_the_answer(shop: Installation, word: str) -> None:
    shop.gateway.receive(ANNA, word)
    shop.gateway.receive(BEN, "help me with the boxes please")
    shop.pass_time(POLL)
    shop.pass_time(POLL)

    assert (texts(shop, ANNA), texts(shop, BEN)) == (1, 0)
    (day,) = days(shop)
    shop.finish(day.id)
    assert shop.states(day.id) == {P.DELIVERED: 1}


def test_nobody_is_answered_where_there_is_no_answer(bench: Installation) -> None:
    bench.finish(bench.campaign(1, name="first"))
    bench.gateway.receive(ANNA, "HELP")
    bench.pass_time(60)
    assert (bench.gateway.copies()[ANNA], days(bench)) == (1, [])


def test_asking_again_within_a_day_gets_no_second_answer_and_after_it_gets_one(shop: Installation) -> None:
    # given somebody who asks twice at once, and again and again for a day
    shop.gateway.receive(ANNA, "HELP")
    shop.gateway.receive(ANNA, "INFO")
    shop.pass_time(60)
    for _ in range(5):
        shop.gateway.set_all("Delivered")
        shop.pass_time(timedelta(hours=4), step=1_800)
        shop.gateway.receive(ANNA, "HELP")
    shop.pass_time(60)
    assert texts(shop, ANNA) == 1
    # when a day has passed since the answer
    shop.pass_time(timedelta(hours=4), step=1_800)
    shop.gateway.receive(ANNA, "HELP")
    shop.pass_time(60)
    # then
    assert texts(shop, ANNA) == 2
    assert [shop.audience(day.id) for day in days(shop)] == [1, 1]


def test_all_who_ask_on_one_day_are_in_one_run_that_goes_on(shop: Installation) -> None:
    shop.gateway.receive(ANNA, "HELP")
    shop.pass_time(POLL)
    (day,) = days(shop)
    shop.finish(day.id)
    shop.gateway.receive(BEN, "HELP")
    shop.gateway.receive(CLEO, "HELP")
    shop.pass_time(60)
    assert [run.id for run in days(shop)] == [day.id]
    shop.finish(day.id)
    assert shop.states(day.id) == {P.DELIVERED: 3}


@pytest.mark.parametrize("send", [STORED, LOST], ids=["it arrived", "it did not"])
def test_an_answer_whose_reply_is_lost_is_looked_up_and_goes_once(shop: Installation, send: Send) -> None:
    shop.gateway.script.append(send)
    shop.gateway.receive(ANNA, "HELP")
    shop.pass_time(4 * SETTLED)
    assert (texts(shop, ANNA), len(shop.gateway.script)) == (1, 0)
    shop.finish(days(shop)[0].id)


def test_an_answer_by_a_phone_that_is_gone_stops_no_other(shop: Installation) -> None:
    shop.gateway.script.append(Send(Answers.BAD_DEVICE, Stores.NONE))
    shop.gateway.receive(ANNA, "HELP")
    shop.pass_time(60)
    shop.gateway.receive(BEN, "HELP")
    shop.pass_time(60)
    (day,) = days(shop)
    assert (texts(shop, ANNA), texts(shop, BEN), day.state is RunState.PAUSED) == (0, 1, False)
    shop.finish(day.id)
    assert shop.states(day.id) == {P.FAILED: 1, P.DELIVERED: 1}


def test_a_process_that_ends_between_storing_and_sending_leaves_one_answer(shop: Installation) -> None:
    # given a process that stored the question, and ended
    shop.gateway.receive(ANNA, "HELP")
    shop.clock.advance(POLL)
    assert shop.call("replies")["replies"] == 1
    assert texts(shop, ANNA) == 0
    # when another one reads the same replies again
    later = Installation(shop.folder, shop.store, shop.clock, shop.gateway, help_answer=TEXT)
    later.pass_time(60)
    # then
    assert texts(later, ANNA) == 1
    later.close()


def test_an_answer_goes_by_the_phone_that_was_asked(shop: Installation) -> None:
    shop.gateway.receive(ANNA, "HELP", device="2")
    shop.gateway.receive(BEN, "HELP")
    shop.pass_time(60)
    found = {m.number: m.device for m in shop.gateway.stored if m.text == TEXT}
    assert found == {ANNA: "2", BEN: "1"}
    assert {attempt.target for attempt in shop.attempts(days(shop)[0].id)} == {"2|0", "1|0"}


@pytest.mark.parametrize(
    ("number", "ago"),
    [(ANNA, timedelta(hours=24)), ("+393339999999", timedelta(0)), ("MyBank", timedelta(0))],
    ids=["an old question", "nobody was written to", "no number"],
)
def test_who_gets_no_answer(shop: Installation, number: str, ago: timedelta) -> None:
    shop.pass_time(DAY, step=7_200)
    shop.gateway.receive(number, "HELP", ago=ago)
    shop.pass_time(timedelta(hours=2), step=600)
    assert (texts(shop, number), days(shop)) == (0, [])


@pytest.mark.parametrize("kind", ["", "transactional", "marketing"])
def test_whoever_has_opted_out_gets_no_answer(shop: Installation, kind: str) -> None:
    now = shop.clock.now()
    with shop.store.write() as session:
        suppressions.suppress(session, [suppressions.Entry(ANNA, kind, "by phone", "command", now)], now=now)
    shop.gateway.receive(ANNA, "HELP")
    shop.gateway.receive(BEN, "HELP")
    shop.gateway.receive(BEN, "STOP")
    shop.pass_time(60)
    assert (texts(shop, ANNA), texts(shop, BEN)) == (int(kind == "marketing"), 0)


def test_an_answer_that_could_not_go_for_a_day_never_goes(shop: Installation) -> None:
    shop.gateway.receive(ANNA, "HELP")
    shop.clock.advance(POLL)
    shop.call("replies")
    shop.clock.advance(DAY)
    shop.pass_time(60)
    (day,) = days(shop)
    assert (texts(shop, ANNA), shop.states(day.id)) == (0, {P.SKIPPED: 1})


def test_answers_that_somebody_paused_wait_also_those_of_the_next_day(shop: Installation) -> None:
    shop.gateway.receive(ANNA, "HELP")
    shop.pass_time(60)
    (day,) = days(shop)
    with shop.store.write() as session:
        assert runs.pause_run(session, day.id, PausedBy.PERSON, now=shop.clock.now())
    shop.gateway.receive(BEN, "HELP")
    shop.pass_time(timedelta(hours=20), step=3_600)
    shop.gateway.receive(CLEO, "HELP")
    shop.pass_time(60)
    assert (texts(shop, BEN), texts(shop, CLEO)) == (0, 0)
    assert [run.state for run in days(shop)] == [RunState.PAUSED] * 2


@pytest.mark.long
def test_answers_that_somebody_cancelled_begin_again_the_next_day(shop: Installation) -> None:
    shop.gateway.receive(ANNA, "HELP")
    shop.pass_time(60)
    shop.cancel(days(shop)[0].id)
    shop.gateway.receive(BEN, "HELP")
    shop.pass_time(60)
    assert (texts(shop, BEN), len(days(shop))) == (0, 1)
    shop.pass_time(DAY, step=3_600)
    shop.gateway.receive(CLEO, "HELP")
    shop.pass_time(60)
    assert texts(shop, CLEO) == 1


def test_why_tells_the_answer(shop: Installation) -> None:
    asked = shop.gateway.receive(ANNA, "HELP")
    shop.pass_time(60)
    shop.finish(days(shop)[0].id)

    story = tell(shop.store, {ANNA}, now=shop.clock.now())
    lines = list(chapter_lines(story.chapters[0], shop.settings.zone))

    assert lines[0] == "help-answers: delivered"
    assert lines[2].startswith(f"  planned: the answer to their HELP, reply {asked.id}")
    assert [reply.campaign for reply in story.replies] == ["first"]


def test_answers_are_reported_as_days_of_one_campaign(shop: Installation) -> None:
    shop.gateway.receive(ANNA, "HELP")
    shop.pass_time(60)
    (day,) = days(shop)
    with shop.store.read() as session:
        assert reminders.every_day(session, day.campaign_id) == [day.id]
    assert (day.type, day.day) == (RunType.HELP, shop.clock.now().date())


def test_run_answers_while_it_lasts_and_does_not_wait_for_it(shop: Installation) -> None:
    # given a process that works on one campaign alone, and gets the question while it sends
    own = shop.campaign(2, name="slow", first=10, per_request=1, more="  rate: 1/minute\n")
    ids = {own}
    shop.work_only_on(ids)
    shop.gateway.receive(ANNA, "HELP")
    shop.pass_time(60)
    # then
    assert texts(shop, ANNA) == 1
    assert ids == {own, days(shop)[0].id}
    assert [progress.run.id for progress in look(shop.runtime, ids)] == [own]
