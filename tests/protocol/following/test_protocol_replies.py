"""Replies: read once, obeyed at once, never lost to a read that lags or fails."""

from collections.abc import MutableMapping
from datetime import datetime, timedelta
from typing import Final

import pytest
from structlog.testing import capture_logs

from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.optout import Meaning
from scheduler.doctor.findings import Standing
from scheduler.doctor.replies import check_heard, check_reads
from scheduler.ticks.replies import HEARD, NOT_HEARD, WRITE_AGAIN
from tests.protocol.world.harness import SETTLED, Installation
from tests.protocol.world.scripted_gateway import LOST, Reads
from worker.store.events import EventName
from worker.store.people import reviews, stored_replies, suppressions
from worker.store.people.stored_replies import Reply

P = RecipientState

ANNA, BEN, CLEO = (f"+39333{place:07}" for place in range(3))
POLL = timedelta(seconds=15)


def replies(bench: Installation) -> list[Reply]:
    with bench.store.read() as session:
        return stored_replies.answers(session)


def suppressed(bench: Installation) -> set[str]:
    with bench.store.read() as session:
        return {entry.number for entry in suppressions.in_force(session)}


@pytest.fixture
def sent(bench: Installation) -> Installation:
    """A bench with a campaign that went to Anna, Ben and Cleo."""
    bench.finish(bench.campaign(3, name="first"))
    return bench


def test_nobody_is_asked_for_replies_before_the_first_text(bench: Installation) -> None:
    bench.campaign(3, more="schedule: {start: 2030-01-01 09:00}\n")
    bench.pass_time(60)
    assert bench.gateway.asked_for_replies == []


def test_a_stop_from_before_the_first_text_counts_for_it(bench: Installation) -> None:
    """A new database, but perhaps not the first for these people: Anna wrote to the phone last night."""
    bench.gateway.receive(ANNA, "STOP", ago=timedelta(hours=20))
    run_id = bench.campaign(3)
    bench.finish(run_id)
    assert bench.states(run_id) == {P.SUPPRESSED: 1, P.DELIVERED: 2}
    assert ANNA not in bench.gateway.copies()
    assert not any(answer.is_of_nobody for answer in replies(bench))


@pytest.mark.long
def test_the_first_text_waits_for_replies_to_be_read(bench: Installation) -> None:
    # given replies that cannot be read
    bench.gateway.receive(ANNA, "STOP")
    bench.gateway.reads = Reads.FAILING
    run_id = bench.campaign(3)
    bench.pass_time(timedelta(minutes=10), step=1)
    # then nothing is sent, the reason is given, and the pauses between two looks grow
    assert bench.gateway.copies() == {}
    assert bench.run(run_id).state is RunState.SCHEDULED
    assert "nothing is sent until the replies of the last 24 hours are read" in bench.run(run_id).reason
    assert 10 < bench.ticks.first_look.failures < 20
    # when they can be
    bench.gateway.reads = Reads.TRUE
    bench.finish(run_id)
    assert bench.states(run_id) == {P.SUPPRESSED: 1, P.DELIVERED: 2}
    assert bench.run(run_id).reason == ""


def go_deaf(bench: Installation, *, for_: timedelta) -> None:
    """For so long no reply can be read, and Anna writes STOP at the beginning."""
    bench.gateway.reads = Reads.FAILING
    bench.gateway.receive(ANNA, "STOP")
    bench.pass_time(for_, step=60)


def test_no_run_starts_while_replies_cannot_be_read_though_the_account_has_sent_before(sent: Installation) -> None:
    # given replies that could not be read for some time, as by a gateway that answers reads of them with 500
    go_deaf(sent, for_=HEARD + timedelta(minutes=1))
    run_id = sent.campaign(3, name="second")
    sent.pass_time(timedelta(minutes=5))
    # then none starts, and it is said why
    assert sent.run(run_id).state is RunState.SCHEDULED
    assert sent.gateway.copies() == {ANNA: 1, BEN: 1, CLEO: 1}
    assert NOT_HEARD in sent.run(run_id).reason
    assert NOT_HEARD in sent.ticks.first_look.given_up
    # when they can be
    sent.gateway.reads = Reads.TRUE
    sent.finish(run_id)
    assert sent.states(run_id) == {P.SUPPRESSED: 1, P.DELIVERED: 2}
    assert (sent.run(run_id).reason, sent.ticks.first_look.given_up) == ("", "")


def test_a_process_that_starts_hears_before_a_run_does(sent: Installation) -> None:
    """Nobody ran for two days, and a look of the last 24 hours would not show what was written before them."""
    sent.gateway.receive(ANNA, "STOP")
    sent.clock.advance(timedelta(days=2).total_seconds())
    again = sent.after_restart()
    run_id = again.campaign(3, name="second")
    again.finish(run_id)
    assert again.states(run_id) == {P.SUPPRESSED: 1, P.DELIVERED: 2}


def test_a_run_that_has_started_goes_on_while_replies_cannot_be_read(sent: Installation) -> None:
    run_id = sent.campaign(3, name="second", per_request=1, more="  rate: 1/minute\n")
    sent.tick()
    go_deaf(sent, for_=HEARD * 2)
    assert sent.states(run_id) == {P.ACCEPTED: 3}


def test_a_run_that_starts_soon_after_a_look_makes_none_of_its_own(sent: Installation) -> None:
    """Also while a look that brought nothing has not been written down for some minutes."""
    sent.pass_time(WRITE_AGAIN - timedelta(seconds=30))
    sent.gateway.asked_for_replies.clear()
    run_id = sent.campaign(3, name="second")
    sent.send()
    assert sent.run(run_id).state is RunState.RUNNING
    assert sent.gateway.asked_for_replies == []


@pytest.mark.parametrize("by", [timedelta(hours=-5), timedelta(hours=5)], ids=["back", "forward"])
def test_a_clock_that_was_set_makes_a_run_wait_for_a_look(sent: Installation, by: timedelta) -> None:
    """What was read up to a moment in the future was read nobody knows how long ago."""
    sent.gateway.receive(ANNA, "STOP")
    sent.clock.jump(by)
    sent.gateway.jump(by)
    run_id = sent.campaign(3, name="second")
    # given nothing but the start itself, which looks
    sent.send()
    assert (sent.run(run_id).state, suppressed(sent)) == (RunState.RUNNING, {ANNA})
    # then it is written down by the clock of now, and counts for the next one
    with sent.store.read() as session:
        assert stored_replies.read_until(session, sent.runtime.account_id) == sent.clock.now()
    # and while replies cannot be read none starts
    sent.clock.jump(by)
    sent.gateway.jump(by)
    sent.gateway.reads = Reads.FAILING
    later = sent.campaign(3, name="third", first=10)
    sent.pass_time(60)
    assert sent.run(later).state is RunState.SCHEDULED


GIANT: Final = "\ufdfa" * 300_000
"""A message of 1.8 MB in JSON: more than is read of one."""


def test_a_message_that_is_too_long_to_be_read_keeps_no_others_from_it(sent: Installation) -> None:
    # given such a message, and a STOP a second before and after it
    sent.gateway.receive(ANNA, "STOP")
    sent.clock.advance(1)
    giant_at = sent.clock.now()
    sent.gateway.receive("+393339999999", GIANT)
    sent.clock.advance(1)
    sent.gateway.receive(BEN, "STOP")
    # when replies are read by one process, and another one
    told: list[MutableMapping[str, object]]
    with capture_logs() as told:
        sent.pass_time(POLL * 2)
        sent.after_restart().pass_time(POLL * 2)
    # then all others count, it is told once, and runs start
    assert suppressed(sent) == {ANNA, BEN}
    (warning,) = [line for line in told if line["event"] == "replies.passed_over"]
    assert "a part of more than 1,048,576 characters" in str(warning["problem"])
    assert timedelta(0) <= giant_at - datetime.fromisoformat(str(warning["second"])) <= timedelta(seconds=1)
    assert sent.events().count(EventName.REPLIES_PASSED_OVER) == 1
    assert not sent.runtime.troubles.current()
    run_id = sent.campaign(3, name="second")
    sent.finish(run_id)
    assert sent.states(run_id) == {P.SUPPRESSED: 2, P.DELIVERED: 1}
    # and the doctor tells it
    (finding,) = check_heard(sent.store, sent.runtime.account_id, sent.clock.now())
    assert "replies of 1 seconds in the last days are too long to be read" in str(finding)
    client = sent.runtime.gateway
    assert check_reads(client, sent.clock.now()).standing is Standing.OK


@pytest.mark.long
def test_a_gateway_that_ignores_the_time_and_shows_too_much_is_not_passed_over_second_by_second(
    sent: Installation,
) -> None:
    sent.gateway.heeds_time = False
    sent.gateway.receive("+393339999999", GIANT)
    sent.gateway.asked_for_replies.clear()
    sent.pass_time(HEARD + timedelta(minutes=1), step=60)
    assert len(sent.gateway.asked_for_replies) < 12 * 20
    run_id = sent.campaign(3, name="second")
    sent.pass_time(POLL)
    assert sent.run(run_id).state is RunState.SCHEDULED
    assert EventName.REPLIES_PASSED_OVER not in sent.events()


def test_a_look_up_passes_nothing_over(sent: Installation) -> None:
    """A window with a message that cannot be read proves nothing absent: what is in doubt stays so."""
    sent.gateway.script.append(LOST)
    run_id = sent.campaign(3, name="second", first=10)
    sent.send()
    sent.gateway.receive("+393339999999", GIANT).status = "Sent"
    sent.pass_time(SETTLED * 3)
    assert sent.states(run_id) == {P.IN_DOUBT: 3}
    assert len(sent.gateway.sends) == 2


def test_a_stop_is_obeyed_within_one_look(sent: Installation) -> None:
    # given a campaign that is sent later, to people who know us
    later = sent.campaign(3, name="second", more="schedule: {start: 2030-01-01 09:00}\n")
    # when one of them writes
    sent.gateway.receive(ANNA, "Stop!")
    sent.gateway.receive(BEN, "Thanks, see you there")
    sent.pass_time(POLL)
    # then the number is on the list and out of every plan, and the reply is linked to the campaign
    assert suppressed(sent) == {ANNA}
    assert sent.states(later) == {P.PENDING: 2, P.SUPPRESSED: 1}
    told = {answer.number: (answer.meaning, answer.campaign, answer.came_by) for answer in replies(sent)}
    assert told == {ANNA: (Meaning.STOP, "first", "poll"), BEN: (Meaning.REPLY, "first", "poll")}


def test_who_wrote_stop_is_not_in_the_next_plan(sent: Installation) -> None:
    sent.gateway.receive(ANNA[1:], "STOP")  # the gateway may leave the plus out
    sent.pass_time(POLL)
    run_id = sent.campaign(3, name="second")
    sent.finish(run_id)
    assert sent.states(run_id) == {P.DELIVERED: 2, P.SUPPRESSED: 1}
    assert sent.gateway.copies()[ANNA] == 1


def test_a_stop_between_two_requests_of_a_campaign_counts_for_the_second(bench: Installation) -> None:
    # given a slow campaign, one person a minute
    run_id = bench.campaign(3, per_request=1, more="  rate: 1/minute\n")
    bench.tick()
    assert bench.states(run_id) == {P.ACCEPTED: 1, P.PENDING: 2}
    # when the last of them, who has had a text of ours before, writes
    bench.gateway.receive(CLEO, "STOP")
    bench.finish(run_id)
    # then nothing is sent there, and the batch that has nobody left is over
    assert bench.states(run_id) == {P.DELIVERED: 2, P.SUPPRESSED: 1}
    assert [batch.state for batch in bench.batches(run_id)] == [BatchState.ACCEPTED] * 2 + [BatchState.CANCELLED]
    assert CLEO not in bench.gateway.copies()


def test_start_brings_back_who_had_written_stop(sent: Installation) -> None:
    sent.gateway.receive(ANNA, "STOP")
    sent.pass_time(POLL)
    sent.gateway.receive(ANNA, "start")
    sent.pass_time(POLL)
    assert suppressed(sent) == set()


def test_start_does_not_undo_what_a_person_entered(sent: Installation) -> None:
    with sent.store.write() as session:
        entry = suppressions.Entry(ANNA, "", "asked by phone", "command", sent.clock.now())
        suppressions.suppress(session, [entry], now=sent.clock.now())
    sent.gateway.receive(ANNA, "START")
    sent.pass_time(POLL)
    assert suppressed(sent) == {ANNA}


@pytest.mark.parametrize(("texts", "is_out"), [(("STOP", "START"), False), (("START", "STOP"), True)])
def test_of_several_wishes_the_last_counts(sent: Installation, texts: tuple[str, str], *, is_out: bool) -> None:
    for text in texts:
        sent.gateway.receive(ANNA, text)
    sent.pass_time(POLL)
    assert suppressed(sent) == ({ANNA} if is_out else set())


@pytest.mark.long
def test_a_reply_that_a_phone_brings_hours_late_is_found(sent: Installation) -> None:
    """The phone was offline: the message has its old date, long before what has been read already."""
    sent.pass_time(timedelta(hours=5), step=60)
    sent.gateway.receive(ANNA, "STOP", ago=timedelta(hours=4))
    sent.pass_time(timedelta(hours=1, minutes=1), step=60)
    assert suppressed(sent) == {ANNA}


def test_reads_that_lag_or_fail_lose_nothing(sent: Installation) -> None:
    sent.gateway.lag = timedelta(minutes=4)
    sent.gateway.receive(ANNA, "STOP")
    sent.pass_time(60)
    sent.gateway.reads = Reads.FAILING
    sent.pass_time(timedelta(minutes=20), step=15)
    assert suppressed(sent) == set()
    sent.gateway.reads = Reads.TRUE
    sent.pass_time(POLL)
    assert suppressed(sent) == {ANNA}


@pytest.mark.long
def test_a_read_costs_little_and_is_not_repeated_too_soon(sent: Installation) -> None:
    sent.pass_time(POLL)
    sent.gateway.asked_for_replies.clear()
    sent.pass_time(timedelta(minutes=10), step=1)
    assert 39 <= len(sent.gateway.asked_for_replies) <= 42


def test_near_misses_wait_for_a_person(sent: Installation) -> None:
    sent.gateway.receive(ANNA, "I want no more texts")
    sent.pass_time(POLL)
    assert suppressed(sent) == set()
    with sent.store.read() as session:
        assert [answer.number for answer in reviews.waiting_reviews(session)] == [ANNA]
