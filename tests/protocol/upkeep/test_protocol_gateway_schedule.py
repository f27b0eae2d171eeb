"""Campaigns whose start the gateway waits for: handed over at once, followed from the start on, nobody twice."""

from datetime import UTC, datetime, timedelta

import pytest

from campaigns.lifecycle import RecipientState, RunState
from campaigns.problems import CampaignFileError
from tests.protocol.world.harness import Installation, exactly_once
from tests.protocol.world.scripted_gateway import LOST, STORED, Answers, Send, Stores
from worker.sending.dispatch import Dispatched

P = RecipientState
NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
KEPT = "schedule: {start: 2026-12-01 12:00, timezone: UTC, by: gateway}\n"


def test_everything_is_handed_over_at_once_with_the_start(bench: Installation) -> None:
    run_id = bench.campaign(25, more=KEPT)
    bench.pass_time(60)

    assert len(bench.gateway.stored) == 25
    assert {message.scheduled for message in bench.gateway.stored} == {NOON}
    assert max(message.at for message in bench.gateway.stored) < NOON - timedelta(hours=2)
    assert bench.run(run_id).state is RunState.SETTLING


@pytest.mark.long
def test_receipts_are_looked_for_from_the_start_on_and_as_long_as_the_file_says(bench: Installation) -> None:
    run_id = bench.campaign(3, more=KEPT + "follow: {until: 1h}\n")
    bench.pass_time(timedelta(hours=2, minutes=59), step=300)
    assert not [form for form in bench.gateway.asked if "groupId" in form]

    bench.until(lambda: bench.run(run_id).finished_at is not None, within=timedelta(hours=2), step=60)

    finished_at = bench.run(run_id).finished_at
    assert finished_at is not None
    assert NOON + timedelta(hours=1) <= finished_at < NOON + timedelta(hours=1, minutes=3)
    assert bench.states(run_id) == {P.EXPIRED: 3}


def test_what_is_not_handed_over_by_the_start_goes_without_it(bench: Installation) -> None:
    run_id = bench.campaign(3, more=KEPT)
    bench.clock.advance(NOON - bench.clock.now())

    bench.finish(run_id)

    assert {message.scheduled for message in bench.gateway.stored} == {None}
    assert exactly_once(bench, run_id)


@pytest.mark.parametrize("compares_schedule", [False, True], ids=["by acceptance", "by schedule"])
@pytest.mark.parametrize("send", [LOST, STORED, Send(Answers.HTTP_500, Stores.HALF)], ids=["lost", "stored", "half"])
def test_a_lost_reply_is_looked_up_whatever_date_the_gateway_compares(
    bench: Installation, send: Send, compares_schedule: bool
) -> None:
    # given a gateway that has sent before, and the first request of this campaign without an answer
    bench.finish(bench.campaign(1, name="before", first=900))
    bench.gateway.compares_schedule = compares_schedule
    bench.gateway.script.append(send)
    run_id = bench.campaign(4, more=KEPT)
    assert bench.send() == [Dispatched.IN_DOUBT]

    # then all of them are at the gateway, once, long before the start
    bench.until(lambda: bench.states(run_id) == {P.ACCEPTED: 4}, step=15)
    mine = [message for message in bench.gateway.stored if message.scheduled == NOON]
    assert sorted(message.number for message in mine) == sorted(row.number for row in bench.recipients(run_id))
    bench.clock.advance(NOON - bench.clock.now())
    bench.finish(run_id)
    assert bench.states(run_id) == {P.DELIVERED: 4}
    assert bench.paused_because() == ""


def test_a_scheduled_message_serves_as_a_control_for_the_next_campaign(bench: Installation) -> None:
    # given a gateway that compares schedules, and whose newest message is one that it is holding back
    bench.gateway.compares_schedule = True
    bench.campaign(2, name="kept", first=500, more=KEPT)
    bench.pass_time(30)
    bench.gateway.script.append(LOST)
    plain = bench.campaign(2)

    bench.until(lambda: bench.states(plain) == {P.ACCEPTED: 2}, step=15)

    assert bench.outcomes(plain) == ["missed", "accepted"]
    assert set(bench.gateway.copies().values()) == {1}


def test_a_start_that_has_passed_cannot_be_handed_over(bench: Installation) -> None:
    bench.clock.advance(NOON + timedelta(seconds=1) - bench.clock.now())

    with pytest.raises(CampaignFileError, match="the start has passed, and the gateway can only be handed texts"):
        bench.campaign(3, more=KEPT)

    bench.pass_time(60)
    assert bench.gateway.stored == []
