"""Replies: read once, obeyed at once, never lost to a read that lags or fails."""

from datetime import timedelta

import pytest

from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.optout import Meaning
from tests.protocol.world.harness import Installation
from tests.protocol.world.scripted_gateway import Reads
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


def test_the_first_text_waits_for_replies_to_be_read(bench: Installation) -> None:
    # given replies that cannot be read
    bench.gateway.receive(ANNA, "STOP")
    bench.gateway.reads = Reads.FAILING
    run_id = bench.campaign(3)
    bench.pass_time(timedelta(minutes=10), step=1)
    # then nothing is sent, the reason is given, and the pauses between two looks grow
    assert bench.gateway.copies() == {}
    assert bench.run(run_id).state is RunState.SCHEDULED
    assert "nothing is sent before what people wrote in the last 24 hours is read" in bench.run(run_id).reason
    assert 10 < bench.ticks.first_look.failures < 20
    # when they can be
    bench.gateway.reads = Reads.TRUE
    bench.finish(run_id)
    assert bench.states(run_id) == {P.SUPPRESSED: 1, P.DELIVERED: 2}
    assert bench.run(run_id).reason == ""


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
