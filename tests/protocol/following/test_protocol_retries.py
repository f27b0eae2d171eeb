"""`follow.retry_failed`: a text that a phone provably did not send goes by another, once, and the books add up."""

from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import select

from campaigns.codes import PausedBy
from campaigns.lifecycle import RecipientState, RunState
from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import LOST, STORED, Stored
from worker.store.events import EventName
from worker.store.models import Account, Retry
from worker.store.reports import counts

NO_SERVICE = 4
GENERIC = 1
AFTER = timedelta(minutes=5)
DAY = timedelta(days=1)
RETRIED = "devices: {use: [1, 2]}\nfollow: {retry_failed: {times: 1, after: 5m}}\n"
P = RecipientState


def fail(*messages: Stored, code: int | None = NO_SERVICE, retries: int = 0) -> None:
    for message in messages:
        message.status, message.result_code, message.retries = "Failed", code, retries


def on_device(bench: Installation, device: str) -> list[Stored]:
    return [message for message in bench.gateway.stored if message.device == device]


def failed_on_device_2(
    bench: Installation, how_many: int = 4, *, more: str = RETRIED, code: int | None = NO_SERVICE
) -> int:
    """A campaign by two phones, the second of which has no service: its half of the texts has failed."""
    run_id = bench.campaign(how_many, per_request=how_many // 2, more=more)
    bench.send()
    fail(*on_device(bench, "2"), code=code)
    for message in on_device(bench, "1"):
        message.status = "Delivered"
    bench.pass_time(20)
    return run_id


def retries(bench: Installation) -> list[Retry]:
    with bench.store.read() as session:
        return list(session.exec(select(Retry).order_by(sa.column("id"))))


def test_a_text_without_service_goes_by_the_other_phone_half_an_hour_later(bench: Installation) -> None:
    # given
    run_id = failed_on_device_2(bench)
    assert bench.states(run_id) == {P.FAILED: 2, P.DELIVERED: 2}
    assert bench.run(run_id).state is RunState.SETTLING

    # when it is almost time
    bench.pass_time(AFTER - timedelta(seconds=40), step=20)
    assert bench.gateway.copies().total() == 4
    assert bench.run(run_id).finished_at is None

    # then
    bench.pass_time(60)
    assert bench.gateway.copies().total() == 6
    assert [message.device for message in bench.gateway.stored[4:]] == ["1", "1"]
    bench.gateway.set_all("Delivered", numbers=[message.number for message in bench.gateway.stored[4:]])
    fail(*on_device(bench, "2"))
    bench.until(lambda: bench.run(run_id).finished_at is not None)
    assert bench.states(run_id) == {P.DELIVERED: 4}
    assert len(bench.attempts(run_id)) == 3  # the two that failed shared one request again
    with bench.store.read() as session:
        books = counts.books(session, run_id)
    assert (books.audience, books.segments) == (4, 6)
    assert EventName.TEXT_DOUBLED not in bench.events()


@pytest.mark.parametrize("code", [GENERIC, 17, None, 999])
def test_what_proves_nothing_is_not_sent_again(bench: Installation, code: int | None) -> None:
    run_id = failed_on_device_2(bench, code=code)

    assert bench.run(run_id).state is RunState.COMPLETED
    assert bench.states(run_id) == {P.FAILED: 2, P.DELIVERED: 2}
    assert retries(bench) == []


def test_without_the_key_nothing_is_sent_again(bench: Installation) -> None:
    run_id = failed_on_device_2(bench, more="devices: {use: [1, 2]}\n")

    assert bench.run(run_id).state is RunState.COMPLETED
    assert bench.gateway.copies().total() == 4


@pytest.mark.parametrize("times", [1, 2, 3])
def test_so_often_and_not_more(bench: Installation, times: int) -> None:
    # given one phone that never has service
    run_id = bench.campaign(2, more=f"follow: {{retry_failed: {{times: {times}, after: 1m}}}}\n")

    def all_failed() -> bool:
        fail(*bench.gateway.stored)
        return bench.run(run_id).finished_at is not None

    # when
    bench.until(all_failed, within=timedelta(minutes=30), step=20)

    # then
    assert set(bench.gateway.copies().values()) == {1 + times}
    assert [(row.state, row.resent_count, row.result_code) for row in bench.recipients(run_id)] == [
        (P.FAILED, times, NO_SERVICE)
    ] * 2


def test_what_the_gateway_tries_again_by_itself_is_left_to_it(bench: Installation) -> None:
    # given a message that the gateway put back before its time came
    run_id = failed_on_device_2(bench)
    for message in on_device(bench, "2"):
        message.status, message.retries = "Pending", 1

    bench.pass_time(AFTER, step=20)

    # then it is not doubled, but followed to its end
    assert bench.states(run_id) == {P.ACCEPTED: 2, P.DELIVERED: 2}
    bench.finish(run_id)
    assert bench.gateway.copies().total() == 4
    assert retries(bench) == []


def test_what_the_gateway_tried_again_in_vain_waits_anew(bench: Installation) -> None:
    run_id = failed_on_device_2(bench)
    fail(*on_device(bench, "2"), retries=1)

    bench.pass_time(AFTER, step=20)
    assert bench.gateway.copies().total() == 4
    bench.pass_time(AFTER + timedelta(seconds=40), step=20)

    assert bench.gateway.copies().total() == 6
    bench.gateway.set_all("Delivered", numbers=[message.number for message in bench.gateway.stored[4:]])
    fail(*on_device(bench, "2"), retries=1)
    bench.until(lambda: bench.run(run_id).finished_at is not None)


@pytest.mark.parametrize("late", ["Sent", "Delivered"])
def test_a_message_that_was_sent_after_all_is_told_as_a_possible_double(bench: Installation, late: str) -> None:
    # given texts that were sent again
    run_id = failed_on_device_2(bench)
    bench.pass_time(AFTER + timedelta(seconds=40), step=20)
    assert bench.gateway.copies().total() == 6

    # when the first message of one of them turns out to have been sent
    on_device(bench, "2")[0].status = late
    bench.pass_time(timedelta(minutes=2), step=20)

    # then
    assert bench.events().count(EventName.TEXT_DOUBLED) == 1
    assert [row.doubled_at is not None for row in retries(bench)] == [True, False]
    bench.pass_time(timedelta(minutes=2), step=20)
    assert bench.events().count(EventName.TEXT_DOUBLED) == 1
    assert bench.audience(run_id) == 4


def test_who_turns_out_to_have_the_text_before_it_goes_again_is_not_sent_it_twice(bench: Installation) -> None:
    # given texts that are to be sent again, while the account is paused
    run_id = failed_on_device_2(bench)
    bench.pass_time(AFTER - timedelta(seconds=40), step=20)
    with bench.store.write() as session:
        session.execute(sa.update(Account).values(paused_by=PausedBy.GATEWAY, next_probe_at=bench.clock.now() + DAY))
    bench.pass_time(timedelta(minutes=1), step=20)
    assert bench.states(run_id)[P.PENDING] == 2

    # when the first message of one of them turns out to have been sent, and sending continues
    on_device(bench, "2")[0].status = "Delivered"
    bench.pass_time(timedelta(minutes=3), step=20)
    assert bench.states(run_id)[P.PENDING] == 1
    with bench.store.write() as session:
        session.execute(sa.update(Account).values(paused_by=PausedBy.NOBODY, next_probe_at=None))
    bench.pass_time(timedelta(minutes=1), step=20)
    assert bench.gateway.copies().total() == 5
    bench.gateway.stored[-1].status = "Delivered"
    bench.pass_time(timedelta(minutes=3), step=20)

    # then
    assert EventName.TEXT_DOUBLED not in bench.events()
    assert bench.run(run_id).state is RunState.COMPLETED
    assert bench.states(run_id) == {P.DELIVERED: 4}


def test_a_message_that_cannot_be_read_or_seen_is_not_sent_again(bench: Installation) -> None:
    # given a gateway that has lost the failed messages
    run_id = failed_on_device_2(bench)
    bench.gateway.stored = on_device(bench, "1")

    bench.pass_time(AFTER, step=20)

    assert bench.states(run_id) == {P.FAILED: 2, P.DELIVERED: 2}
    assert bench.run(run_id).state is RunState.COMPLETED
    assert {row.dropped for row in retries(bench)} == {"the gateway no longer shows the failed message"}


def test_nothing_of_a_cancelled_campaign_is_sent_again(bench: Installation) -> None:
    run_id = failed_on_device_2(bench)
    bench.cancel(run_id)

    bench.pass_time(AFTER, step=20)

    assert bench.gateway.copies().total() == 4
    assert bench.run(run_id).finished_at is not None
    assert {row.dropped for row in retries(bench)} == {"the campaign was cancelled"}


def test_a_paused_campaign_sends_again_when_it_is_resumed(bench: Installation) -> None:
    run_id = failed_on_device_2(bench)
    bench.pause(run_id)
    bench.pass_time(2 * AFTER, step=60)
    assert bench.gateway.copies().total() == 4

    bench.resume(run_id)
    bench.pass_time(10)

    assert bench.gateway.copies().total() == 6


@pytest.mark.long
def test_a_retry_waits_for_the_window(bench: Installation) -> None:
    # given a window that closes before the wait is over
    closes = (bench.clock.now() + timedelta(minutes=3)).strftime("%H:%M")
    run_id = failed_on_device_2(bench, more=RETRIED + f"schedule: {{window: {{from: '00:00', to: '{closes}'}}}}\n")

    bench.pass_time(2 * AFTER, step=60)

    assert bench.gateway.copies().total() == 4
    assert bench.states(run_id)[P.PENDING] == 2
    bench.pass_time(timedelta(hours=24) - AFTER, step=1_800)
    assert bench.gateway.copies().total() == 6


def test_a_retry_whose_reply_is_lost_is_looked_up_and_not_doubled(bench: Installation) -> None:
    run_id = failed_on_device_2(bench)
    bench.gateway.script.append(STORED)

    bench.pass_time(AFTER + timedelta(minutes=3), step=10)

    assert bench.gateway.copies() == Counter(
        {message.number: 2 if message.device == "2" else 1 for message in bench.gateway.stored[:4]}
    )
    assert bench.outcomes(run_id) == ["accepted", "accepted", "all_found"]


def test_somebody_who_lost_a_request_is_not_found_in_the_message_that_failed_before(bench: Installation) -> None:
    # given a retry that never arrived: the failed message, with the same number and text, must not be mistaken for it
    run_id = failed_on_device_2(bench)
    bench.pass_time(AFTER - timedelta(minutes=1), step=20)
    bench.gateway.script.append(LOST)
    bench.pass_time(timedelta(minutes=3))

    assert bench.gateway.copies().total() == 6
    assert bench.outcomes(run_id) == ["accepted", "accepted", "missed", "accepted"]
