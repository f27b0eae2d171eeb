"""A machine whose clock is changed, or that slept: what was missed stays missed, and nothing is repeated."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from campaigns.lifecycle import RecipientState
from campaigns.protocol.verdicts import Verdict
from tests.protocol.world.harness import SEND_BY, SETTLED, Installation, exactly_once
from tests.protocol.world.scripted_gateway import LISTS, LOST, Answers, Send, Stores
from worker.store.engine import Store
from worker.store.models import AttemptState
from worker.store.people import suppressions
from worker.store.people.suppressions import Entry
from worker.store.runs import runs
from worker.store.runs.clock_jumps import PAUSES
from worker.store.sending.account_limits import PERSON, RECEIPTS, ceilings_of, set_ceiling
from worker.store.tables import attempts

pytestmark = pytest.mark.long

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
TEN = "recipients: [" + ", ".join(f"{{number: '+39333{place:07}'}}" for place in range(10)) + "]"


def drop(bench: Installation, schedule: str, *, throughput: str = "batch_size: 1") -> int:
    """A campaign to ten people. The clock is at 09:00 UTC on Tuesday 2026-12-01, 10:00 in Rome."""
    return bench.drop(
        f"campaign: sale\nmessage: Ciao\naudience: {{{TEN}}}\nfollow: {{until: 1h}}\n"
        f"schedule: {{timezone: Europe/Rome, {schedule}}}\nthroughput: {{{throughput}}}\n"
    ).run_id


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-12-{text}").replace(tzinfo=UTC)


def times(bench: Installation) -> list[datetime]:
    return [message.at for message in bench.gateway.stored]


@pytest.mark.parametrize(
    ("if_late", "ends"),
    [
        ("", {RecipientState.DELIVERED: 10}),
        (", if_late: {within: 2h}", {RecipientState.DELIVERED: 6, RecipientState.SKIPPED: 4}),
        (", if_late: {within: 2h, otherwise: hold}", {RecipientState.DELIVERED: 6, RecipientState.HELD: 4}),
    ],
)
def test_a_clock_put_forward_past_moments_makes_them_late(
    bench: Installation, if_late: str, ends: dict[RecipientState, int]
) -> None:
    # given one text an hour, of which two have been sent
    run_id = drop(bench, f"spread: 10h{if_late}")
    bench.pass_time(HOUR + timedelta(minutes=1), step=60)
    assert len(times(bench)) == 2

    # when the clock jumps over the moments of the next six
    bench.clock.jump(timedelta(hours=6))
    bench.finish_from_due_to_due(run_id)

    # then the four whose moment was over two hours ago are late at once, and nobody gets two
    sent = Counter(bench.states(run_id))
    assert sum(sent.values()) == 10
    assert max(bench.gateway.copies().values()) == 1
    assert sent == ends
    assert len(times(bench)) == ends[RecipientState.DELIVERED]


def test_a_clock_put_forward_over_the_end_of_the_window_sends_nothing_outside_of_it(bench: Installation) -> None:
    run_id = drop(bench, "window: {from: '10:00', to: '12:00'}", throughput="rate: 2/minute, batch_size: 1")
    bench.pass_time(timedelta(minutes=2))
    sent = len(times(bench))
    assert 4 <= sent <= 5

    bench.clock.jump(4 * HOUR)
    bench.pass_time(timedelta(minutes=5))

    assert len(times(bench)) == sent
    bench.clock.jump(at("02T08:59:50") - bench.clock.now())
    bench.finish_from_due_to_due(run_id)
    assert all(moment >= at("02T09:00") for moment in times(bench)[sent:])
    assert exactly_once(bench, run_id)


def test_a_clock_put_back_repeats_nothing_and_goes_on(bench: Installation) -> None:
    # given half of the texts sent, at one a minute
    run_id = drop(bench, "start: 2026-12-01 10:00", throughput="rate: 1/minute, batch_size: 1, daily: 20")
    bench.pass_time(timedelta(minutes=4, seconds=30))
    assert len(times(bench)) == 5

    bench.clock.jump(-3 * HOUR)
    began = bench.clock.now()
    bench.pass_time(timedelta(minutes=4))
    # then people whose moment is on the later clock wait for it: nothing is sent early
    assert all(moment >= at("01T09:00") for moment in times(bench))

    bench.finish_from_due_to_due(run_id)
    assert exactly_once(bench, run_id)
    assert bench.clock.now() < began + 4 * HOUR


@pytest.mark.parametrize("first", ["job", "rescue"])
def test_what_was_queued_when_the_clock_was_put_back_goes_on_at_once(bench: Installation, first: str) -> None:
    # given a campaign without a start of its own, whose requests are in the queue
    run_id = bench.campaign(3, per_request=1)
    bench.call("start")
    bench.call("rescue")
    bench.enqueue()

    # when the clock is put back, and a job meets a moment to come before or after that is noticed
    bench.clock.jump(-2 * HOUR)
    if first == "rescue":
        bench.call("rescue")
    bench.work()
    bench.call("rescue")

    # then nobody waits for the later clock
    bench.pass_time(10)
    assert len(times(bench)) == 3
    assert exactly_once(bench, run_id)


def test_a_clock_put_back_before_a_run_does_not_make_it_twice(bench: Installation) -> None:
    drop(bench, "repeat: {cron: '0 * * * *'}")
    bench.live_until(at("01T10:30"))
    assert len(times(bench)) == 10

    bench.clock.jump(-HOUR)
    bench.live_until(at("01T11:30"))

    with bench.store.read() as session:
        moments = sorted(run.moment[11:16] for run in runs.campaign_runs(session, "sale"))
    assert moments == ["10:00", "11:00", "12:00"]
    assert [moment.hour for moment in times(bench)] == [10] * 10 + [11] * 10


def test_a_clock_put_back_over_midnight_gives_no_second_budget_of_the_day(bench: Installation) -> None:
    # given a budget of 4 a day, spent on the first and on the second of December
    run_id = drop(bench, "start: 2026-12-01 10:00", throughput="daily: 4, batch_size: 1")
    bench.live_until(at("01T23:30"))  # half past midnight in Rome
    assert len(times(bench)) == 8

    bench.clock.jump(-2 * HOUR)
    bench.live_until(at("01T22:59"))

    assert len(times(bench)) == 8
    bench.finish_from_due_to_due(run_id)
    assert exactly_once(bench, run_id)


@pytest.mark.parametrize("jump", [HOUR, 24 * HOUR, -HOUR, -24 * HOUR], ids=["hour", "day", "hour-back", "day-back"])
@pytest.mark.parametrize("stores", [Stores.ALL, Stores.NONE], ids=["stored", "lost"])
def test_a_request_in_doubt_and_receipts_keep_their_pace_over_a_jump(
    bench: Installation, jump: timedelta, stores: Stores
) -> None:
    # given texts that wait for receipts, and a request whose reply is lost
    run_id = bench.campaign(4, per_request=1, more="  rate: 6/minute\nfollow:\n  until: 1h\n")
    bench.clock.advance(25 * HOUR)  # nothing is sent before its moment, even by a clock that was put back
    bench.until(lambda: len(bench.gateway.sends) == 3)
    bench.gateway.script.append(Send(Answers.TIMEOUT, stores))
    bench.until(lambda: len(bench.gateway.sends) == 4)
    # a gateway is late to show what it accepted
    bench.gateway.lag = SETTLED / 2
    began = bench.clock.elapsed_seconds()

    # when this machine's clock jumps, and the gateway's does not
    bench.clock.jump(jump)
    bench.gateway.jump(jump)
    bench.pass_time(4 * SETTLED)
    bench.finish(run_id, within=timedelta(minutes=20))

    # then everybody got one text, within minutes
    assert exactly_once(bench, run_id)
    assert bench.clock.elapsed_seconds() - began < 30 * 60


@pytest.mark.parametrize("jump", [5 * HOUR, -5 * HOUR], ids=["forward", "back"])
def test_a_request_made_before_a_jump_is_noticed_keeps_its_time(bench: Installation, jump: timedelta) -> None:
    # given requests in doubt, one from before a jump of the clock, and one from after it
    run_id = bench.campaign(2, per_request=1)
    bench.clock.advance(DAY)
    bench.enqueue()
    bench.call("rescue")
    bench.gateway.script += [LOST, LOST]
    before, after = bench.queue.jobs
    bench.dispatcher.dispatch(before)
    bench.clock.jump(jump)
    bench.clock.advance(1)
    bench.dispatcher.dispatch(after)

    # when the jump is noticed
    bench.call("rescue")

    # then both are given the same time to show up
    ages = [bench.clock.now() - attempt.send_by + SEND_BY for attempt in bench.attempts(run_id)]
    assert ages == [timedelta(seconds=1), timedelta(0)]


def test_a_jump_that_could_not_be_stored_is_found_again(bench: Installation, tmp_path: Path) -> None:
    # given a database that cannot be written when the clock was put back
    run_id = bench.campaign(1)
    bench.send()
    bench.call("rescue")
    bench.clock.jump(-5 * DAY)
    bench.gateway.jump(-5 * DAY)
    empty = Store(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(sa.exc.OperationalError):
        bench.ticks.wall_clock.look(replace(bench.runtime, store=empty), bench.clock.now())
    empty.close()

    # then the next look moves what waits
    bench.finish(run_id)


def test_a_lost_job_is_noticed_after_the_clock_was_put_back(bench: Installation) -> None:
    # given a queue that was emptied before that
    run_id = bench.campaign(1)
    bench.clock.advance(DAY)
    bench.call("rescue")
    bench.enqueue()
    bench.queue.jobs.clear()

    bench.clock.jump(-5 * HOUR)

    bench.finish(run_id)


def test_a_phone_that_was_slowed_down_is_no_longer_slow_after_the_clock_was_put_back(bench: Installation) -> None:
    bench.call("rescue")
    now, until = bench.clock.now(), bench.clock.now() + HOUR
    with bench.store.write() as session:
        for source in (RECEIPTS, PERSON):
            set_ceiling(session, bench.runtime.account_id, "device:1", source, now=now, rate="1/minute", until=until)

    bench.clock.jump(-5 * DAY)
    bench.call("rescue")

    # then it is slow for the rest of its hour; what a person set ends when that person said
    with bench.store.read() as session:
        ends = {row.source: row.until for row in ceilings_of(session, bench.runtime.account_id)}
    assert ends == {RECEIPTS: until - 5 * DAY, PERSON: until}


def test_following_ends_in_time_after_the_clock_was_put_back(bench: Installation) -> None:
    # given a run that has sent everything, and gets no receipt
    run_id = bench.campaign(1, more="follow: {until: 1h}\n")
    bench.pass_time(30)
    assert bench.run(run_id).sent_at is not None

    bench.clock.jump(-5 * DAY)
    bench.pass_time(timedelta(hours=1, minutes=5), step=300)

    assert bench.run(run_id).finished_at is not None


def with_something_to_ask(bench: Installation, tick: str) -> None:
    """Bring about what makes this tick ask the gateway, now or within the hour."""
    if tick == "unsubscribe":
        with bench.store.write() as session:
            opt_out = Entry(LISTS[7][0], "", "asked by phone", "command", bench.clock.now())
            suppressions.suppress(session, [opt_out], now=bench.clock.now())
        bench.drop("campaign: sale\nmessage: Hi all\naudience:\n  - contact_list: 7\n")
        bench.gateway.lists_are_closed = True
    else:
        bench.campaign(1, name="control", first=10)  # what a look must show, to prove that something is missing
        bench.send()
        more = "devices: {use: [1, 2]}\nfollow: {until: 1h, retry_failed: {times: 2, after: 5m}}\n"
        bench.campaign(2, more=more)
    if tick in {"reconcile", "watch"}:
        bench.gateway.script.append(LOST)
    if tick == "probe":
        bench.gateway.script.append(Send(Answers.NO_CREDITS, Stores.NONE))
        bench.gateway.credits = 0
    bench.send()
    if tick == "retry":
        for message in bench.gateway.stored:
            message.status, message.result_code = "Failed", 4
    if tick in {"probe", "retry"}:
        bench.pass_time(30)
    if tick == "watch":
        bench.until(lambda: len(bench.gateway.sends) > 2)


@pytest.mark.parametrize("tick", ["follow", "reconcile", "watch", "retry", "probe", "unsubscribe"])
def test_what_is_stored_after_the_clock_was_put_back_is_not_due_by_the_later_one(
    bench: Installation, tick: str
) -> None:
    # given a tick whose request is on its way while the clock is put back, and that is noticed
    def put_back() -> None:
        bench.clock.jump(-5 * DAY)
        bench.gateway.jump(-5 * DAY)
        bench.call("rescue")

    bench.call("rescue")
    with_something_to_ask(bench, tick)
    bench.gateway.meanwhile = put_back
    for _ in range(360):
        if bench.gateway.meanwhile is not None:
            bench.clock.advance(10)
            bench.call(tick)
    assert bench.gateway.meanwhile is None

    # then nothing waits for the five days to pass again
    is_looked_up = sa.or_(attempts.c.state != AttemptState.CLOSED, attempts.c.outcome == Verdict.MISSED.value)
    moments = [sa.select(sa.func.max(table.c[name])) for table, name in PAUSES]
    with bench.store.read() as session:
        latest = [session.scalar(query) for query in moments]
        latest.append(session.scalar(sa.select(sa.func.max(attempts.c.next_check_at)).where(is_looked_up)))
    assert max(moment for moment in latest if moment is not None) < bench.clock.now() + DAY
