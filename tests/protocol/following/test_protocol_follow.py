"""Following messages to their end: by group, by status, by ID; and what happens to those that never end."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from campaigns.following.poll_spacing import MARGINS
from campaigns.lifecycle import RecipientState, RunState
from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import Reads
from worker.store.models import MessageGroup

TEN_MINUTES = "follow:\n  until: 10m\n"


def reads_by(bench: Installation, field: str) -> int:
    """The number of reads that asked by this field."""
    return sum(field in form for form in bench.gateway.asked)


def test_a_few_groups_are_read_one_by_one_and_no_longer_than_needed(bench: Installation) -> None:
    run_id = bench.campaign(4, per_request=2)
    bench.send()
    bench.gateway.set_all("Delivered")
    bench.pass_time(10)

    assert bench.states(run_id) == {RecipientState.DELIVERED: 4}
    assert (reads_by(bench, "groupId"), reads_by(bench, "status"), reads_by(bench, "id")) == (2, 0, 0)
    assert bench.run(run_id).read_requests == 2
    bench.pass_time(timedelta(minutes=5), step=60)
    assert len(bench.gateway.asked) == 2


def test_many_groups_are_read_by_status(bench: Installation) -> None:
    run_id = bench.campaign(30, per_request=1)
    bench.send()
    bench.gateway.set_all("Delivered")
    bench.pass_time(10)

    assert bench.states(run_id) == {RecipientState.DELIVERED: 30}
    assert (reads_by(bench, "groupId"), reads_by(bench, "status")) == (0, 3)


def test_a_group_whose_end_was_read_with_others_is_not_read_itself(bench: Installation) -> None:
    # given thirty groups, and two more two seconds later; all but the last have ended
    bench.campaign(30, per_request=1)
    bench.send()
    bench.clock.advance(2)
    later = bench.campaign(2, name="next", first=1_000, per_request=1)
    bench.send()
    bench.gateway.set_all("Delivered")
    last = bench.gateway.stored[-1]
    last.status = "Pending"

    # when the thirty are due, which are read by status, and the two after them
    bench.pass_time(8, step=1)

    # then the one that has ended was read with the others
    assert bench.states(later) == {RecipientState.DELIVERED: 1, RecipientState.ACCEPTED: 1}
    assert {form["groupId"] for form in bench.gateway.asked if "groupId" in form} == {last.group}


def test_groups_are_read_one_by_one_where_the_time_around_them_holds_far_more(bench: Installation) -> None:
    # given 800 messages that have ended, and four more from a second later
    before = bench.campaign(800, per_request=400)
    bench.send()
    bench.clock.advance(2)
    bench.campaign(4, name="next", first=1_000, per_request=1)
    bench.send()
    bench.gateway.set_all("Delivered")
    bench.pass_time(3, step=1)
    assert bench.states(before) == {RecipientState.DELIVERED: 800}
    bench.gateway.asked.clear()

    # when the four are due, which three reads by status would show along with all the others
    bench.pass_time(10)

    # then they are read on their own
    assert (reads_by(bench, "groupId"), reads_by(bench, "status")) == (4, 0)


def test_how_far_back_a_read_goes_is_learned_from_the_dates_that_were_seen(bench: Installation) -> None:
    # given the same, and five minutes without a text
    bench.campaign(800, per_request=400)
    bench.send()
    bench.gateway.set_all("Delivered")
    bench.pass_time(10)
    bench.clock.advance(300)
    bench.gateway.asked.clear()

    # when eight more are due
    sent_at = bench.clock.now()
    bench.campaign(8, name="next", first=1_000, per_request=1)
    bench.send()
    bench.gateway.set_all("Delivered")
    bench.pass_time(10)

    # then three reads are enough, because the gateway's dates are known not to be minutes before ours
    assert (reads_by(bench, "groupId"), reads_by(bench, "status")) == (0, 3)
    begins = {int(form["startTimestamp"]) for form in bench.gateway.asked if "status" in form}
    assert begins == {int((sent_at - MARGINS[0]).timestamp())}


def test_all_dates_of_a_request_teach_how_far_back_a_read_goes(bench: Installation) -> None:
    # given messages of four requests, accepted at the same moment and read by status
    bench.campaign(200, per_request=50)
    bench.send()
    bench.gateway.set_all("Delivered")
    bench.pass_time(10)
    assert (reads_by(bench, "groupId"), reads_by(bench, "status")) == (0, 3)
    bench.gateway.asked.clear()

    # when more are due
    sent_at = bench.clock.now()
    bench.campaign(8, name="next", first=1_000, per_request=1)
    bench.send()
    bench.pass_time(10)

    # then reads do not go back ten minutes, and to those that have not ended some seconds
    bench.gateway.set_all("Delivered")
    bench.pass_time(30)
    begins = [int(form["startTimestamp"]) for form in bench.gateway.asked if form.get("status") == "Sent"]
    assert begins == [int((sent_at - margin).timestamp()) for margin in MARGINS[:2]]


def test_a_fast_campaign_is_read_by_status_to_its_end(bench: Installation) -> None:
    # given six campaigns, one a second, of ten requests of 40 messages, which end at once
    for wave in range(6):
        bench.campaign(400, name=f"wave-{wave}", first=10_000 * wave, per_request=40)
        bench.send()
        bench.gateway.set_all("Delivered")
        bench.pass_time(1, step=1)

    # when they are followed to their end
    bench.pass_time(15, step=1)

    # then six reads are enough, where groups would cost 60
    assert (reads_by(bench, "groupId"), reads_by(bench, "status")) == (0, 6)


def test_dates_that_lie_before_ours_let_reads_begin_as_much_earlier(bench: Installation) -> None:
    # given a gateway whose clock is four minutes behind
    bench.gateway.behind = timedelta(minutes=4)
    first = bench.campaign(150, per_request=50)
    bench.send()
    bench.gateway.set_all("Delivered")
    bench.pass_time(10)
    bench.gateway.asked.clear()

    # when many groups are due
    second = bench.campaign(30, name="next", first=1_000, per_request=1)
    bench.send()
    bench.gateway.set_all("Delivered")
    bench.pass_time(10)

    # then reads by status show them
    assert (reads_by(bench, "groupId"), reads_by(bench, "status")) == (0, 3)
    assert bench.states(first) == {RecipientState.DELIVERED: 150}
    assert bench.states(second) == {RecipientState.DELIVERED: 30}


@pytest.mark.long
def test_a_gateway_whose_windows_show_nothing_is_read_by_group(bench: Installation) -> None:
    bench.gateway.has_windows = False
    run_id = bench.campaign(120, per_request=1)
    bench.pass_time(30)
    bench.gateway.set_all("Delivered")

    bench.pass_time(timedelta(minutes=3))

    assert bench.states(run_id) == {RecipientState.DELIVERED: 120}
    assert bench.run(run_id).state is RunState.COMPLETED


def test_a_message_that_left_its_group_is_looked_up_by_its_id(bench: Installation) -> None:
    # given a gateway that retries a failed message under another group
    run_id = bench.campaign(3)
    bench.send()
    bench.gateway.set_all("Delivered")
    moved = bench.gateway.stored[1]
    moved.group, moved.status, moved.retries = "another", "Sent", 1
    bench.pass_time(6)

    assert reads_by(bench, "id") == 1
    assert bench.recipients(run_id)[1].state is RecipientState.SENT
    moved.status = "Delivered"
    bench.finish(run_id)
    assert bench.states(run_id) == {RecipientState.DELIVERED: 3}


def test_messages_without_a_group_are_followed_by_their_ids(bench: Installation) -> None:
    bench.gateway.has_groups = False
    run_id = bench.campaign(6, per_request=3)

    bench.finish(run_id)

    assert bench.states(run_id) == {RecipientState.DELIVERED: 6}
    assert reads_by(bench, "groupId") == 0


def test_more_messages_without_a_group_than_one_poll_reads_are_all_followed(bench: Installation) -> None:
    # given 25 messages without a group, of which the first twelve never make progress
    bench.gateway.has_groups = False
    run_id = bench.campaign(25, per_request=25, more=TEN_MINUTES)
    bench.send()
    bench.gateway.set_all("Delivered", numbers=[row.number for row in bench.recipients(run_id)[12:]])

    bench.pass_time(timedelta(minutes=9), step=20)

    assert bench.states(run_id) == {RecipientState.ACCEPTED: 12, RecipientState.DELIVERED: 13}


def test_polls_become_rarer_the_longer_nothing_happens(bench: Installation) -> None:
    run_id = bench.campaign(1, more=TEN_MINUTES)
    bench.send()
    bench.pass_time(timedelta(minutes=1), step=5)
    early = bench.run(run_id).read_requests
    bench.pass_time(timedelta(minutes=8), step=10)

    assert early >= 4
    assert bench.run(run_id).read_requests - early <= 12  # the longest pause of the bench is a minute
    assert bench.states(run_id) == {RecipientState.ACCEPTED: 1}


def test_what_was_delivered_between_the_last_poll_and_the_end_of_following_is_delivered(bench: Installation) -> None:
    # given polls a minute apart, and phones that deliver half a minute before the end
    run_id = bench.campaign(4, more=TEN_MINUTES)
    bench.send()
    bench.pass_time(timedelta(minutes=9, seconds=20), step=20)
    bench.gateway.set_all("Delivered")
    with bench.store.write("test") as session:
        session.execute(sa.update(MessageGroup).values(next_poll_at=bench.clock.now() + timedelta(minutes=5)))

    bench.pass_time(timedelta(minutes=1), step=20)

    assert bench.states(run_id) == {RecipientState.DELIVERED: 4}
    assert bench.run(run_id).state is RunState.COMPLETED


def test_a_gateway_that_cannot_be_read_keeps_a_run_open_for_ten_minutes_after_its_end(bench: Installation) -> None:
    run_id = bench.campaign(2, more=TEN_MINUTES)
    bench.send()
    bench.pass_time(timedelta(minutes=9), step=20)
    bench.gateway.is_down = True

    bench.pass_time(timedelta(minutes=8), step=20)
    still = bench.run(run_id).state
    bench.pass_time(timedelta(minutes=5), step=20)

    assert still is RunState.SETTLING
    assert bench.run(run_id).state is RunState.COMPLETED
    assert bench.states(run_id) == {RecipientState.EXPIRED: 2}


def test_what_no_phone_sent_in_time_is_expired_and_what_one_sent_stays_sent(bench: Installation) -> None:
    run_id = bench.campaign(3, more=TEN_MINUTES)
    bench.send()
    one, two, _ = bench.recipients(run_id)
    bench.gateway.set_all("Delivered", numbers=[one.number])
    bench.gateway.set_all("Sent", numbers=[two.number])
    bench.pass_time(timedelta(minutes=9), step=20)
    assert bench.run(run_id).state is RunState.SETTLING

    bench.pass_time(timedelta(minutes=2), step=20)

    assert bench.run(run_id).state is RunState.COMPLETED
    assert bench.states(run_id) == {
        RecipientState.SENT: 1,
        RecipientState.DELIVERED: 1,
        RecipientState.EXPIRED: 1,
    }
    asked = len(bench.gateway.asked)
    bench.pass_time(timedelta(minutes=5), step=60)
    assert len(bench.gateway.asked) == asked


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Pending", RecipientState.ACCEPTED),
        ("Scheduled", RecipientState.ACCEPTED),
        ("Queued", RecipientState.ACCEPTED),
        ("Sent", RecipientState.SENT),
        ("Delivered", RecipientState.DELIVERED),
        ("Failed", RecipientState.FAILED),
        ("Canceled", RecipientState.CANCELLED),
        ("Cancelled", RecipientState.CANCELLED),
        ("Something New", RecipientState.ACCEPTED),
        ("Received", RecipientState.ACCEPTED),
    ],
)
def test_every_status_has_its_state(bench: Installation, status: str, state: RecipientState) -> None:
    run_id = bench.campaign(1)
    bench.send()
    bench.gateway.set_all(status)
    bench.pass_time(10)

    assert bench.states(run_id) == {state: 1}
    assert bench.audience(run_id) == 1


def test_a_failed_message_that_the_gateway_tries_again_is_open_again(bench: Installation) -> None:
    # given two messages of one group, one of which fails while the other is still open
    run_id = bench.campaign(2)
    bench.send()
    failed = bench.gateway.stored[0]
    failed.status = "Failed"
    bench.pass_time(10)
    assert bench.recipients(run_id)[0].state is RecipientState.FAILED
    assert "the phone could not send it" in bench.recipients(run_id)[0].reason

    failed.status, failed.retries = "Pending", 1
    bench.pass_time(20)
    assert bench.recipients(run_id)[0].state is RecipientState.ACCEPTED
    bench.finish(run_id)

    assert bench.states(run_id) == {RecipientState.DELIVERED: 2}


@pytest.mark.parametrize("reads", [Reads.FAILING, Reads.LYING_EMPTY])
def test_reads_that_do_not_work_change_nothing_and_are_made_again(bench: Installation, reads: Reads) -> None:
    run_id = bench.campaign(3)
    bench.send()
    bench.gateway.set_all("Delivered")
    bench.gateway.reads = reads
    bench.pass_time(60)
    assert bench.states(run_id) == {RecipientState.ACCEPTED: 3}

    bench.gateway.reads = Reads.TRUE
    bench.finish(run_id)

    assert bench.states(run_id) == {RecipientState.DELIVERED: 3}


def test_a_cancelled_campaign_is_followed_to_its_end(bench: Installation) -> None:
    run_id = bench.campaign(4, per_request=2, more="  rate: 2/hour\n")
    bench.send()
    bench.cancel(run_id)

    bench.finish(run_id)

    assert bench.run(run_id).state is RunState.CANCELLED
    assert bench.states(run_id) == {RecipientState.DELIVERED: 2, RecipientState.CANCELLED: 2}


def test_an_inbound_message_with_a_known_id_moves_nobody(bench: Installation) -> None:
    run_id = bench.campaign(1)
    bench.send()
    bench.gateway.set_all("Received")
    bench.pass_time(timedelta(minutes=1))

    assert bench.states(run_id) == {RecipientState.ACCEPTED: 1}


def spread(bench: Installation, per_second: int) -> None:
    """Date the messages as if this many had been sent in each second, the last ones now."""
    count = len(bench.gateway.stored)
    for place, message in enumerate(bench.gateway.stored):
        message.at = bench.clock.now() - timedelta(seconds=(count - 1 - place) // per_second)


@pytest.mark.parametrize("behind", [timedelta(0), timedelta(minutes=3), timedelta(minutes=-3)])
def test_a_window_that_shows_too_much_is_read_in_parts(bench: Installation, behind: timedelta) -> None:
    # given 120 messages from 40 seconds, of which one reply shows 30
    bench = bench.after_restart(max_messages=30)
    bench.gateway.behind = behind
    run_id = bench.campaign(120, per_request=1)
    bench.send()
    spread(bench, 3)
    bench.gateway.set_all("Delivered")
    bench.pass_time(10)

    assert bench.states(run_id) == {RecipientState.DELIVERED: 120}
    assert reads_by(bench, "groupId") == 0
    assert reads_by(bench, "status") <= 30
    assert bench.run(run_id).read_requests == reads_by(bench, "status")


@pytest.mark.long
def test_windows_are_divided_where_our_own_messages_were_accepted(bench: Installation) -> None:
    # given 8 times 10 messages, 5 seconds apart, of which one reply shows 40
    bench = bench.after_restart(max_messages=40)
    run_id = bench.campaign(80, per_request=1, more="  rate: 120/minute\n")
    began = bench.clock.now()
    bench.until(lambda: len(bench.gateway.stored) == 80, step=5)
    bench.gateway.asked.clear()
    bench.gateway.set_all("Delivered")
    bench.pass_time(30, step=10)

    # then no reply was too large, and the windows end within the time of sending
    assert bench.states(run_id) == {RecipientState.DELIVERED: 80}
    ends = {int(form["endTimestamp"]) for form in bench.gateway.asked if form.get("status") == "Delivered"}
    assert any(began.timestamp() < end < bench.clock.now().timestamp() for end in ends)
    assert reads_by(bench, "status") <= 20


@pytest.mark.parametrize("heeds_time", [True, False], ids=["one second", "no heed of the time"])
def test_what_no_window_shows_in_one_reply_is_walked_through_for_many_groups(
    bench: Installation, heeds_time: bool
) -> None:
    # given 120 messages from one second, of which one reply shows 30, or a gateway that always shows all
    bench = bench.after_restart(max_messages=30)
    bench.gateway.heeds_time = heeds_time
    run_id = bench.campaign(120, per_request=1)
    bench.send()
    if not heeds_time:
        spread(bench, 1)
    bench.gateway.set_all("Delivered")

    bench.pass_time(timedelta(minutes=2))

    # then that is found out once, and of the 120 groups only the first ones are read individually
    assert bench.states(run_id) == {RecipientState.DELIVERED: 120}
    assert bench.run(run_id).state is RunState.COMPLETED
    assert bench.run(run_id).read_requests <= 40


@pytest.mark.long
def test_a_gateway_that_has_too_much_to_walk_through_is_read_by_group(bench: Installation) -> None:
    # given a gateway that shows all times, and more messages sought in one status than a reply may hold
    bench = bench.after_restart(max_messages=30)
    bench.gateway.heeds_time = False
    run_id = bench.campaign(90, per_request=1)
    bench.send()
    for _ in range(3):  # each message comes four times
        bench.gateway.stored += bench.gateway.stored[:90]
    bench.gateway.set_all("Delivered")

    bench.pass_time(timedelta(minutes=10))

    # then that is found out once an hour, and nobody is missed
    assert bench.states(run_id) == {RecipientState.DELIVERED: 90}
    assert reads_by(bench, "groupId") >= 90
    assert reads_by(bench, "status") <= 25


def test_a_gateway_that_heeds_nothing_is_read_by_id(bench: Installation) -> None:
    bench = bench.after_restart(max_messages=2)
    bench.gateway.heeds_time = False
    run_id = bench.campaign(6, per_request=3)
    bench.finish(run_id)
    assert bench.states(run_id) == {RecipientState.DELIVERED: 6}
    assert reads_by(bench, "id") >= 6
