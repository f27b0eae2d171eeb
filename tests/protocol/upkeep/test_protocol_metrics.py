"""What is counted where it happens, and what the clock shows of the database."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from campaigns.codes import PausedBy
from campaigns.lifecycle import RecipientState
from tests.protocol.world.harness import SEND_BY, SETTLED, Installation
from tests.protocol.world.scripted_gateway import LOST, STORED, Answers, Reads, Send, Stores
from tests.support.scraping import counted, counting
from worker import metrics
from worker.store import tables
from worker.store.models import Batch, Recipient
from worker.store.sending import accounts

P = RecipientState


@pytest.fixture(autouse=True)
def serving() -> Iterator[None]:
    """A process that serves its metrics."""
    with counting():
        yield


def pause(bench: Installation) -> None:
    """Let nothing be sent through the account."""
    with bench.store.write() as session:
        account_id, now = bench.runtime.account_id, bench.clock.now()
        accounts.pause_account(session, account_id, PausedBy.PERSON, "by hand", now=now, probe_at=None)


def test_texts_are_those_of_the_books(bench_on_both: Installation) -> None:
    bench = bench_on_both
    bench.gateway.script.append(Send(Answers.LEFT_OUT, Stores.HALF))
    run_id = bench.campaign(40, more="kind: transactional\n", text="Ciao {{ first_name }} " + "x" * 160)
    bench.finish(run_id)

    seen, states = counted(), bench.states(run_id)
    assert states[P.FAILED] > 0
    assert seen.total("texts_total", result="accepted", kind="transactional") == states[P.DELIVERED]
    assert seen.total("texts_total", result="delivered") == states[P.DELIVERED]
    assert seen.total("texts_total", result="failed", device="unknown") == states[P.FAILED]
    assert seen.total("segments_total", device="1") == 2 * states[P.DELIVERED]
    assert seen.total("lateness_seconds_count", kind="transactional") == len(bench.attempts(run_id))
    assert seen.total("receipt_delay_seconds_count", device="1") == states[P.DELIVERED]
    assert seen.total("gateway_request_duration_seconds_count", call="send", outcome="ok") == 4
    assert seen.total("gateway_request_duration_seconds_count", call="read", outcome="ok") > 0


@pytest.mark.parametrize(
    ("how", "settled"),
    [
        (STORED, {"accepted": 1.0}),
        (LOST, {"missed": 1.0}),
        (Send(Answers.BAD_FORMAT, Stores.NONE), {"failed": 1.0}),
    ],
)
def test_requests_in_doubt_are_counted_and_what_became_of_them(
    known: Installation, how: Send, settled: dict[str, float]
) -> None:
    before = counted().total("texts_total", result="accepted")
    known.gateway.script.append(how)
    run_id = known.campaign(1)
    known.finish(run_id)

    seen = counted()
    assert seen.total("in_doubt_total") == 1
    totals = {as_: seen.total("settled_total", **{"as": as_}) for as_ in seen.labels("settled_total", "as")}
    assert {as_: total for as_, total in totals.items() if total} == settled
    arrived = known.states(run_id).get(P.DELIVERED, 0)
    assert seen.total("texts_total", result="accepted") - before == arrived
    assert seen.total("texts_total", result="failed") == 1 - arrived


def test_what_is_held_is_counted(known: Installation) -> None:
    known.gateway.script.append(LOST)
    run_id = known.campaign(2, more="follow: {on_unknown: hold}\n")
    known.pass_time(SETTLED + timedelta(minutes=4))
    known.call("metrics")
    seen = counted()
    assert seen.total("settled_total", **{"as": "held"}) == 1
    assert seen.total("texts_total", result="held") == 2
    assert known.states(run_id) == {P.HELD: 2}
    assert seen.total("oldest_seconds", state="held") > 60  # though the run is over


def test_replies_and_opt_outs_are_counted(bench: Installation) -> None:
    bench.finish(bench.campaign(3))
    bench.gateway.receive("+393330000000", "STOP", ago=timedelta(seconds=20))
    bench.gateway.receive("+393330000001", "thank you")
    bench.pass_time(60)

    seen = counted()
    assert seen.total("replies_total", meaning="stop") == seen.total("replies_total", meaning="reply") == 1
    assert seen.total("opt_outs_total") == seen.total("stop_to_silence_seconds_count") == 1
    assert 20 <= seen.total("stop_to_silence_seconds_sum") < 40


def test_moments_that_were_missed_are_counted(bench: Installation) -> None:
    pause(bench)
    run_id = bench.campaign(3, more="schedule: {if_late: {within: 1m, otherwise: skip}}\n")
    bench.pass_time(120)
    assert bench.states(run_id) == {P.SKIPPED: 3}
    assert counted().total("moments_missed_total") == 3


def test_the_clock_shows_limits_phones_and_the_account(bench_on_both: Installation) -> None:
    bench = bench_on_both
    bench.gateway.credits = 70
    limits = "  rate: 3/minute\n  daily: 10\ndevices: {use: [2]}\n"
    run_id = bench.campaign(9, per_request=1, more=limits)
    bench.pass_time(65, step=5)
    bench.call("metrics")

    seen, states = counted(), bench.states(run_id)
    sent = states[P.ACCEPTED]
    assert 3 <= sent < 9
    assert seen.total("recipients", campaign="sale", state="accepted") == sent
    assert seen.total("recipients", campaign="sale") == 9
    assert seen.total("rate_used_ratio", limit="campaign:sale") in {2 / 3, 1.0}
    assert seen.total("budget_left_ratio", limit="campaign:sale", period="day") == pytest.approx(1 - sent / 10)
    assert seen.total("device_waiting", device="2") == sent
    assert seen.total("device_oldest_seconds", device="2") == seen.total("oldest_seconds", state="accepted") > 0
    assert (seen.total("device_stuck"), seen.total("account_paused")) == (0, 0)
    assert seen.total("credits") == 70
    assert bench.gateway.balances == 1  # and not with every look

    # when the account is paused, and everything is over
    pause(bench)
    bench.call("metrics")
    assert counted().total("account_paused") == 1
    bench.cancel(run_id)
    bench.finish(run_id)
    bench.call("stuck")
    bench.call("metrics")
    over = counted()
    gauges = "recipients", "rate_used_ratio", "device_waiting", "oldest_seconds"
    assert {name: over.total(name) for name in gauges} == dict.fromkeys(gauges, 0)


def test_what_is_late_or_in_doubt_has_an_age(known: Installation) -> None:
    known.gateway.reads = Reads.LYING_EMPTY
    known.gateway.script.append(LOST)
    known.campaign(3, per_request=1, more="  rate: 1/hour\n")
    known.pass_time(SEND_BY + timedelta(seconds=60))
    known.call("metrics")
    seen = counted()
    assert seen.total("oldest_seconds", state="in_doubt") >= 60
    assert seen.total("oldest_seconds", state="pending") >= 60


def test_books_that_do_not_add_up_are_noticed(bench_on_both: Installation) -> None:
    bench = bench_on_both
    run_id = bench.campaign(6, per_request=2, name="lost", more="  rate: 2/hour\n")
    bench.campaign(6, per_request=2, name="fine", first=100, text="Salve", more="  rate: 2/hour\n")
    bench.pass_time(30)
    bench.call("metrics")
    assert counted().total("ledger_invariant_violations_total") == 0

    # when one person's request is over though they got nothing, or a row is gone
    _, second, third = bench.batches(run_id)
    with bench.store.write() as session:
        session.execute(sa.update(Batch).where(sa.column("id") == second.id).values(state="accepted"))
    bench.clock.advance(5)
    bench.call("metrics")
    assert counted().total("ledger_invariant_violations_total") == 1
    with bench.store.write() as session:
        session.execute(sa.update(Batch).where(sa.column("id") == second.id).values(state="planned"))
        session.execute(sa.delete(Recipient).where(sa.column("batch_id") == third.id))
    bench.clock.advance(5)
    bench.call("metrics")
    assert counted().total("ledger_invariant_violations_total") == 2


def test_three_hundred_campaigns_have_a_hundred_labels(bench: Installation) -> None:
    run_id = bench.campaign(2, per_request=1, more="  rate: 1/hour\n")
    bench.send()
    with bench.store.write() as session:
        run = session.execute(sa.select(tables.runs).where(tables.runs.c.id == run_id)).mappings().one()
        for id_ in range(1_000, 1_299):
            slug = {"id": id_, "slug": f"c{id_}", "rehearsal": False, "created_at": bench.clock.now()}
            session.execute(sa.insert(tables.campaigns).values(slug))
            session.execute(sa.insert(tables.runs).values({**run, "id": id_, "campaign_id": id_, "plan_summary": {}}))
    for _ in range(3):
        bench.call("metrics")
        bench.clock.advance(5)

    seen = counted()
    assert len(seen.labels("recipients", "campaign")) == metrics.MOST_CAMPAIGNS
    assert len(seen.labels("rate_used_ratio", "limit")) == metrics.MOST_CAMPAIGNS


def test_a_process_that_serves_none_looks_at_nothing(bench: Installation) -> None:
    metrics.end()
    bench.finish(bench.campaign(3))
    assert bench.call("metrics") == {}
    assert metrics.page()[0] == b""


def test_a_late_arrival_is_counted(known: Installation) -> None:
    """A request that had been concluded as lost shows up, as in the tests of alarms."""
    known.gateway.script.append(LOST)
    run_id = known.campaign(1)
    known.finish(run_id)
    (number,) = {row.number for row in known.recipients(run_id)}
    known.gateway.store([(number, known.recipients(run_id)[0].text)])
    known.pass_time(timedelta(minutes=20), step=30)
    assert counted().total("late_arrivals_total") == 1
