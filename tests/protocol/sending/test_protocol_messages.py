"""Single texts that programs ask for: once for each key, by the same protocol as every other text."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa

from campaigns.access import Scope
from campaigns.codes import PausedBy, RunType
from campaigns.definition import Kind
from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.policy import parse_hours
from scheduler.actions.acting import Actor, ActorKind
from scheduler.actions.refusals import Refusal, Refused
from scheduler.actions.texts.messages import SingleMessage, hint, read_message, send_message
from scheduler.report.story import chapter_json, chapter_lines
from tests.protocol.world.harness import SETTLED, Installation
from tests.protocol.world.scripted_gateway import LOST, STORED, Answers, Send, Stores
from tests.support.clocks import FakeClock
from worker.sending.dispatch import Dispatched
from worker.store.engine import Store
from worker.store.models import Account, ApiToken, Recipient
from worker.store.people import suppressions
from worker.store.runs import runs

P = RecipientState

ANNA, BEN = "+393330000001", "+393330000002"
CODE: Final = "Your code is 4711."
CI: Final = Actor(ActorKind.TOKEN, "ci", frozenset({Scope.SUBMIT}), "10.0.0.7")
SHOP: Final = Actor(ActorKind.TOKEN, "shop", frozenset({Scope.SUBMIT}), "10.0.0.8")


def send(
    bench: Installation, to: str = ANNA, text: str = CODE, key: str = "1", by: Actor = CI, **more: Any
) -> SingleMessage:
    message = send_message(bench.runtime, by, to, text, key, now=bench.clock.now(), **more)
    hint(bench.runtime, message)
    return message


def refused(bench: Installation, *given: Any, **more: Any) -> tuple[Refusal, str]:
    with pytest.raises(Refused) as told:
        send(bench, *given, **more)
    return told.value.code, str(told.value)


def texts(bench: Installation, text: str = CODE) -> int:
    return sum(message.text == text for message in bench.gateway.stored)


def state(bench: Installation, message: SingleMessage) -> RecipientState:
    return read_message(bench.store, message.id, now=bench.clock.now()).row.state


@pytest.fixture
def day(bench: Installation) -> Installation:
    """A bench on which a first message of the day is at the gateway."""
    send(bench, BEN, "Good morning", "first")
    bench.pass_time(1, step=1)
    assert texts(bench, "Good morning") == 1
    return bench


def test_a_message_goes_and_is_read_until_it_is_delivered(bench_on_both: Installation) -> None:
    bench = bench_on_both
    message = send(bench, "+39 333 000-0001", device="2|0")
    assert (message.is_new, message.number, state(bench, message)) == (True, ANNA, P.PENDING)
    bench.pass_time(1, step=1)
    assert (texts(bench), state(bench, message)) == (1, P.ACCEPTED)
    bench.finish(message.run_id)

    assert state(bench, message) is P.DELIVERED
    run = bench.run(message.run_id)
    assert (run.campaign, run.type, run.day) == ("messages", RunType.MESSAGE, bench.clock.now().date())
    assert [attempt.target for attempt in bench.attempts(run.id)] == ["2|0"]


def test_a_further_message_goes_without_waiting_for_the_clock(day: Installation) -> None:
    # given a run that has sent all it had, and one that is over
    for name in ("settling", "over"):
        # when a message is asked for, and a worker looks before any tick of the clock
        message = send(day, key=name)
        assert day.work() == [Dispatched.ACCEPTED], name
        # then
        assert state(day, message) is P.ACCEPTED
        day.finish(message.run_id)
    assert (texts(day), day.audience(message.run_id)) == (2, 3)


def test_where_the_hint_is_lost_the_clock_sends_it_within_seconds(day: Installation) -> None:
    message = send_message(day.runtime, CI, ANNA, CODE, "1", now=day.clock.now())
    assert message.job is not None
    day.pass_time(7, step=0.5)
    assert (texts(day), state(day, message)) == (1, P.ACCEPTED)


@pytest.mark.parametrize(
    "why", ["nobody takes jobs", "replies are unread", "the account is paused", "the day is paused"]
)
def test_who_may_not_go_ahead_of_the_clock_waits_for_it(day: Installation, why: str) -> None:
    with day.store.write() as session:
        (run_id,) = (run.id for run in runs.list_runs(session))
        if why == "the day is paused":
            runs.pause_run(session, run_id, PausedBy.PERSON, now=day.clock.now())
        if why == "the account is paused":
            session.execute(sa.update(Account).values(paused_by=PausedBy.PERSON))
        if why == "replies are unread":
            session.execute(sa.update(Account).values(received_until=day.clock.now() - timedelta(minutes=11)))
    if why == "nobody takes jobs":
        day.queue.is_shared = False

    message = send(day)

    assert (message.job, day.queue.jobs) == (None, [])
    assert day.batches(message.run_id)[-1].state is BatchState.PLANNED


def test_the_same_key_gives_the_same_message_back_and_sends_nothing(bench_on_both: Installation) -> None:
    bench = bench_on_both
    first = send(bench)
    again = send(bench)
    bench.pass_time(1, step=1)
    later = send(bench)
    bench.pass_time(timedelta(hours=25), step=3_600)
    next_day = send(bench)
    bench.pass_time(5, step=1)

    assert {made.id for made in (first, again, later, next_day)} == {first.id}
    assert [made.is_new for made in (first, again, later, next_day)] == [True, False, False, False]
    assert texts(bench) == 1


@pytest.mark.parametrize(
    ("answers", "count", "becomes"),
    [
        (Answers.BAD_DEVICE, 11, P.FAILED),
        (Answers.BAD_FORMAT, 1, P.FAILED),
        (Answers.TOO_BIG, 1, P.FAILED),
        (Answers.HTTP_500, 2, P.HELD),
    ],
)
def test_a_text_that_is_refused_stops_no_other(
    day: Installation, answers: Answers, count: int, becomes: RecipientState
) -> None:
    """Not even when more are refused than would pause a campaign, or one after the other fails without a reason."""
    day.gateway.script += [Send(answers, Stores.NONE)] * (count if becomes is P.FAILED else 4 * count)
    wrong = [send(day, f"+3933300010{place:02}", key=f"wrong-{place}", device="9") for place in range(count)]
    day.until(lambda: all(state(day, message) is becomes for message in wrong))
    last = send(day, key="of somebody else")
    day.until(lambda: state(day, last) is P.ACCEPTED)

    assert (day.run(last.run_id).state is RunState.PAUSED, day.paused_because(), texts(day)) == (False, "", 1)
    assert (len(day.gateway.script), day.run(last.run_id).reason) == (0, "")
    row = read_message(day.store, wrong[0].id, now=day.clock.now()).row
    assert (bool(row.reason), "devices.use" in row.reason) == (True, False)


def test_a_key_that_is_refused_stops_every_text(day: Installation) -> None:
    """This concerns the account: they go once it works again."""
    day.gateway.script.append(Send(Answers.BAD_KEY, Stores.NONE))
    message = send(day)
    day.until(lambda: day.paused_because() != "")
    assert day.run(message.run_id).state is not RunState.PAUSED
    day.until(lambda: state(day, message) is P.ACCEPTED)
    assert texts(day) == 1


def test_the_key_belongs_to_the_caller(bench: Installation) -> None:
    mine, theirs = send(bench), send(bench, by=SHOP)
    bench.pass_time(1, step=1)
    assert (mine.id != theirs.id, texts(bench)) == (True, 2)


@pytest.mark.parametrize(
    "other",
    [{"to": BEN}, {"text": "Your code is 4712."}, {"device": "1"}, {"valid_for": "5m"}],
    ids=["number", "text", "device", "valid_for"],
)
def test_a_key_is_not_used_for_another_text(bench: Installation, other: dict[str, Any]) -> None:
    send(bench)
    code, _ = refused(bench, **other)
    bench.pass_time(1, step=1)
    assert (code, len(bench.gateway.stored)) == (Refusal.KEY_REUSED, 1)


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        ({"to": "12"}, Refusal.INVALID, "the number cannot be used"),
        ({"to": "Anna"}, Refusal.INVALID, "the number cannot be used"),
        ({"text": ""}, Refusal.INVALID, "the text is empty"),
        ({"text": " \u200b\n"}, Refusal.INVALID, "the text is empty"),
        ({"text": "a\x07b"}, Refusal.INVALID, "the text contains an invisible control character; write plain text"),
        ({"text": "a\ud800"}, Refusal.INVALID, "the text contains an invisible control character; write plain text"),
        ({"text": "Hi {{ name }}"}, Refusal.INVALID, "the text contains {{, {% or {#"),
        ({"text": "a" * 1_531}, Refusal.INVALID, "the text takes 11 segments, but at most 10 are allowed"),
        ({"key": ""}, Refusal.INVALID, "the key must have 1 to 255 visible characters"),
        ({"key": "k" * 256}, Refusal.INVALID, "the key must have 1 to 255 visible characters"),
        ({"device": "x"}, Refusal.INVALID, "device must be a device id"),
        ({"valid_for": "soon"}, Refusal.INVALID, "valid_for must be a length of time"),
        ({"valid_for": "8d"}, Refusal.INVALID, "valid_for must be at most 7d"),
    ],
)
def test_what_cannot_be_sent_is_refused_and_leaves_nothing(
    bench: Installation, given: dict[str, Any], code: Refusal, told: str
) -> None:
    found, sentence = refused(bench, **given)

    assert (found, sentence[: len(told)]) == (code, told)
    with bench.store.read() as session:
        assert runs.list_runs(session) == []


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"kinds": frozenset({Kind.MARKETING})}, Refusal.FORBIDDEN),
        ({"require_approval": frozenset({Kind.TRANSACTIONAL})}, Refusal.FORBIDDEN),
        ({"daily": 1}, Refusal.INVALID),
    ],
)
def test_the_rules_of_the_operator_hold(
    tmp_path: Path, sqlite_store: Store, clock: FakeClock, bench: Installation, settings: dict[str, Any], code: Refusal
) -> None:
    strict = Installation(tmp_path, sqlite_store, clock, bench.gateway, **settings)
    found, sentence = refused(strict, text="two segments " * 20)
    assert (found, "CAMPAIGNS_" in sentence or "segments" in sentence) == (code, True)
    strict.close()


def test_hours_of_the_operator_do_not_hold_for_it(
    tmp_path: Path, sqlite_store: Store, clock: FakeClock, bench: Installation
) -> None:
    closed = Installation(tmp_path, sqlite_store, clock, bench.gateway, hours=parse_hours("daily 23:00-23:30"))
    send(closed)
    closed.pass_time(1, step=1)
    assert texts(closed) == 1
    closed.close()


@pytest.mark.parametrize("kind", ["", "transactional", "marketing"])
def test_who_has_opted_out_gets_no_message(bench_on_both: Installation, kind: str) -> None:
    bench, now = bench_on_both, bench_on_both.clock.now()
    with bench.store.write() as session:
        suppressions.suppress(session, [suppressions.Entry(ANNA, kind, "by phone", "command", now)], now=now)
    if kind == "marketing":
        assert send(bench).is_new
    else:
        assert refused(bench)[0] is Refusal.OPTED_OUT
        with bench.store.read() as session:
            assert session.scalars(sa.select(Recipient)).all() == []


def test_a_token_sends_to_as_many_people_a_day_as_it_may(bench_on_both: Installation) -> None:
    bench, now = bench_on_both, bench_on_both.clock.now()
    with bench.store.write() as session:
        for name, quota in (("ci", 2), ("shop", None)):
            session.add(ApiToken(name=name, prefix="smc_", digest=name, recipients_daily=quota, created_at=now,
                                 created_by="root"))  # fmt: skip
    # when it asks for two, one of them twice
    for key in "112":
        send(bench, key=key)
    # then it gets no third one, until the next day, and others do
    assert refused(bench, key="3")[0] is Refusal.QUOTA_SPENT
    assert not send(bench, key="2").is_new
    assert all(send(bench, key=key, by=SHOP).is_new for key in "1234")
    bench.clock.advance(timedelta(days=1))
    assert send(bench, key="3").is_new


@pytest.mark.parametrize("outcome", [STORED, LOST], ids=["it arrived", "it did not"])
def test_a_message_whose_reply_is_lost_is_looked_up_and_goes_once(day: Installation, outcome: Send) -> None:
    day.gateway.script.append(outcome)
    message = send(day)
    day.pass_time(4 * SETTLED)
    assert (texts(day), len(day.gateway.script)) == (1, 0)
    day.finish(message.run_id)
    assert state(day, message) is P.DELIVERED


def test_a_message_that_could_not_go_while_it_was_valid_never_goes(day: Installation) -> None:
    with day.store.write() as session:
        session.execute(sa.update(Account).values(paused_by=PausedBy.PERSON))
    message = send(day, valid_for="5m")
    day.pass_time(timedelta(minutes=6), step=60)
    with day.store.write() as session:
        session.execute(sa.update(Account).values(paused_by=PausedBy.NOBODY))
    day.pass_time(60)
    assert (texts(day), state(day, message)) == (0, P.SKIPPED)
    lines = list(chapter_lines(read_message(day.store, message.id, now=day.clock.now()), day.settings.zone))
    assert "it could not be sent while it was valid" in lines[1]


def test_a_day_that_somebody_cancelled_takes_no_more_and_the_next_one_does(day: Installation) -> None:
    (run,) = {day.run(message.run_id).id for message in [send(day)]}
    day.pass_time(1, step=1)
    day.finish(run)
    with day.store.write() as session:
        session.execute(sa.text("UPDATE run SET state = 'cancelled'"))
    assert refused(day, key="2")[0] is Refusal.WRONG_STATE
    day.clock.advance(timedelta(days=1))
    day.hear()
    send(day, key="2")
    day.pass_time(2, step=1)
    assert texts(day) == 2


def test_why_tells_who_asked(day: Installation) -> None:
    message = send(day)
    day.work()
    chapter = read_message(day.store, message.id, now=day.clock.now())

    lines = list(chapter_lines(chapter, day.settings.zone))
    assert lines[0] == "messages: accepted"
    assert lines[2].startswith("  planned: a single text, asked for by token:ci, ")
    assert "reminder" not in " ".join(lines) + str(chapter_json(chapter, day.settings.zone, full=True))


@pytest.mark.parametrize("other", [0, 10**12])
def test_an_id_that_no_message_has_is_unknown(day: Installation, other: int) -> None:
    campaign = day.campaign(1)
    for message_id in (other, day.recipients(campaign)[0].id):
        with pytest.raises(Refused) as told:
            read_message(day.store, message_id, now=day.clock.now())
        assert told.value.code is Refusal.UNKNOWN_MESSAGE


def test_a_rehearsal_has_keys_and_days_of_its_own(bench: Installation) -> None:
    real = send(bench)
    rehearsal = send_message(replace(bench.runtime, rehearsal=True), CI, ANNA, CODE, "1", now=bench.clock.now())
    assert (rehearsal.is_new, rehearsal.run_id != real.run_id) == (True, True)
    assert bench.run(real.run_id).state is RunState.SCHEDULED
