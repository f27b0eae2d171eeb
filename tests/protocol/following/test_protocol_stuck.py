"""One stuck phone of three: noticed in time, its unsent share goes by the others, nobody is doubled; it comes back."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from campaigns.lifecycle import RecipientState
from tests.protocol.world.harness import Installation, exactly_once
from tests.protocol.world.scripted_gateway import Reads, Stored
from worker.store.events import EventName
from worker.store.following import devices

P = RecipientState
LIMIT = timedelta(minutes=10)
THREE = "devices: {use: [1, 2, 3]}\n"
SLOWLY = "  rate: 2/minute\n"


def stuck(bench: Installation) -> set[int]:
    with bench.store.read() as session:
        return {device.device for device in devices.stuck_devices(session, bench.runtime.account_id)}


def live(
    bench: Installation, duration: timedelta, *, off: Callable[[Stored], bool] = lambda message: message.device == "2"
) -> None:
    """The phones send what they get, except those that are off."""
    end = bench.clock.now() + duration
    while bench.clock.now() < end:
        for message in bench.gateway.stored:
            if not off(message):
                message.status = "Delivered"
        bench.tick()
        bench.clock.advance(30)


@pytest.mark.long
def test_the_share_of_a_stuck_phone_goes_by_the_others_and_nobody_is_doubled(bench_on_both: Installation) -> None:
    bench = bench_on_both
    # given forty-five people, two a minute, by three phones, the second of which is off from the start
    run_id = bench.campaign(45, per_request=1, more=SLOWLY + THREE)

    # when
    live(bench, LIMIT)
    assert stuck(bench) == set()
    live(bench, timedelta(minutes=2))

    # then it is noticed within a minute after the limit, and gets nothing from then on
    assert stuck(bench) == {2}
    waiting = [message for message in bench.gateway.stored if message.device == "2"]
    live(bench, timedelta(minutes=18))
    assert [message for message in bench.gateway.stored if message.device == "2"] == waiting
    assert bench.states(run_id) == {P.DELIVERED: 45 - len(waiting), P.ACCEPTED: len(waiting)}
    assert 3 <= len(waiting) <= 9
    assert bench.events().count(EventName.DEVICE_STUCK) == 1

    # when it is switched on again, then it comes back by itself
    live(bench, timedelta(minutes=2), off=lambda _: False)
    assert stuck(bench) == set()
    assert bench.events().count(EventName.DEVICE_MOVES) == 1
    bench.finish(run_id)
    assert exactly_once(bench, run_id)


def test_one_text_that_never_goes_says_nothing_about_its_phone(bench: Installation) -> None:
    run_id = bench.campaign(12, per_request=1, more=SLOWLY + THREE)

    live(bench, LIMIT + timedelta(minutes=6), off=lambda message: message.number == bench.recipients(run_id)[1].number)

    assert stuck(bench) == set()
    assert bench.states(run_id) == {P.DELIVERED: 11, P.ACCEPTED: 1}


def test_a_phone_is_asked_once_more_before_it_is_called_stuck(bench: Installation) -> None:
    # given receipts that are no longer read, though the phone sends
    run_id = bench.campaign(3, per_request=1, more=THREE)
    bench.send()
    bench.gateway.set_all("Sent")
    bench.gateway.reads = Reads.FAILING
    bench.pass_time(LIMIT + timedelta(minutes=1), step=30)
    assert stuck(bench) == set()

    bench.gateway.reads = Reads.TRUE
    bench.pass_time(timedelta(minutes=1), step=10)

    assert stuck(bench) == set()
    assert bench.states(run_id) == {P.SENT: 3}


@pytest.mark.parametrize("more", ["", "devices: {use: [2]}\n", "devices: {mode: all_devices}\n"])
def test_where_there_is_no_other_phone_a_stuck_one_is_only_shown(bench: Installation, more: str) -> None:
    run_id = bench.campaign(8, per_request=1, more=SLOWLY + more)

    live(bench, LIMIT + timedelta(minutes=2), off=lambda _: True)

    assert len(stuck(bench)) == 1
    assert bench.states(run_id)[P.ACCEPTED] == 8
