"""A gateway whose clock is hours off or changes during a campaign: nobody twice, nobody held, replies are linked."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
import structlog

from campaigns.lifecycle import RecipientState
from scheduler.doctor.gateway import check_dates
from tests.protocol.world.harness import SETTLED, Installation, exactly_once
from tests.protocol.world.scripted_gateway import LOST, STORED, Send
from worker.store.models import Inbound
from worker.store.people import suppressions

HOURS = [timedelta(hours=3), timedelta(hours=-3), timedelta(hours=13, minutes=45)]
IDS = ["behind", "ahead", "far-behind"]
MORE = "  rate: 6/minute\nfollow:\n  until: 2h\n"


@pytest.mark.parametrize("behind", HOURS, ids=IDS)
@pytest.mark.parametrize("lost", [STORED, LOST], ids=["stored", "lost"])
@pytest.mark.parametrize("turn", [0, 2])
def test_a_request_in_doubt_is_decided_by_a_gateway_whose_clock_is_off(
    bench: Installation, behind: timedelta, lost: Send, turn: int
) -> None:
    bench.gateway.behind = behind
    run_id = bench.campaign(4, per_request=1, more=MORE)
    if turn:
        bench.until(lambda: len(bench.gateway.sends) == turn)
    bench.gateway.script.append(lost)

    bench.pass_time(4 * SETTLED)
    bench.finish(run_id, within=timedelta(hours=1))

    assert bench.states(run_id) == {RecipientState.DELIVERED: 4}
    assert exactly_once(bench, run_id)


@pytest.mark.parametrize("behind", HOURS[:2], ids=IDS[:2])
def test_a_clock_that_is_set_right_before_a_request_in_doubt_hides_nothing(
    bench: Installation, behind: timedelta
) -> None:
    run_id = bench.campaign(6, per_request=1, more=MORE)
    bench.until(lambda: len(bench.gateway.sends) == 2)

    bench.gateway.behind = behind
    bench.gateway.script.append(STORED)
    bench.pass_time(4 * SETTLED)
    bench.finish(run_id, within=timedelta(hours=1))

    assert bench.states(run_id) == {RecipientState.DELIVERED: 6}
    assert exactly_once(bench, run_id)


def test_receipts_replies_doctor_and_log_know_the_offset(bench: Installation) -> None:
    # given a gateway whose clock is three hours behind, and a text that was followed
    bench.gateway.behind = timedelta(hours=3)
    run_id = bench.campaign(1, more="follow:\n  until: 2h\n")
    with structlog.testing.capture_logs() as log:
        bench.tick()
        bench.gateway.set_all("Sent")
        bench.pass_time(60)

        # when its person writes, and somebody else does after the clock was set right
        bench.gateway.receive("+393330000000", "Thank you")
        bench.pass_time(60)
        bench.gateway.behind = timedelta(0)
        bench.campaign(1, name="next", first=5)
        bench.tick()
        bench.gateway.receive("+393330000005", "STOP")
        bench.pass_time(120)

    # then each is reported once, with the direction
    told = [line["event"] for line in log if line["event"].startswith("gateway.clock")]
    assert told == ["gateway.clock_off", "gateway.clock_right"]
    assert [f.says for f in check_dates(bench.store, bench.runtime.account_id)] == [
        "the gateway's clock agrees with this machine's again"
    ]
    # and the text was sent after it was accepted, by our clock, and is the one that was answered
    (sent,) = bench.recipients(run_id)
    assert sent.accepted_at is not None
    assert sent.sent_at is not None
    assert abs(sent.sent_at - sent.accepted_at) < timedelta(minutes=1)
    with bench.store.read() as session:
        replies = session.scalars(sa.select(Inbound).order_by(sa.column("id"))).all()
        assert [reply.run_id for reply in replies] == [run_id, run_id + 1]
        assert suppressions.suppressed_among(session, ["+393330000005"], "marketing") == {"+393330000005"}


def test_a_text_that_is_found_late_does_not_set_the_clock_of_the_gateway(bench: Installation) -> None:
    # given a request without a reply, and a service that is away for ten minutes
    bench.gateway.script.append(STORED)
    run_id = bench.campaign(1, more="follow:\n  until: 2h\n")
    bench.call("start")
    bench.send()
    bench.gateway.set_all("Sent")
    bench.clock.advance(600)

    # when it is found, and followed
    with structlog.testing.capture_logs() as log:
        bench.pass_time(120)

    # then its date says when it was sent, and not that the gateway's clock is behind
    assert bench.states(run_id) == {RecipientState.SENT: 1}
    assert [line["event"] for line in log if line["event"].startswith("gateway.clock")] == []
