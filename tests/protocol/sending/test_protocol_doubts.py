"""Requests in doubt: lagging, lying and failing reads, dead processes, collisions, late replies."""

from collections import Counter
from datetime import timedelta

import pytest

from campaigns.codes import FAILURE, FailureCode
from campaigns.lifecycle import BatchState, RecipientState, RunState
from campaigns.protocol.verdicts import MOST_ROUNDS
from tests.protocol.world.harness import SEND_BY, SETTLE, SETTLED, Installation, exactly_once
from tests.protocol.world.scripted_gateway import LOST, STORED, Answers, Reads, Send, Stores
from worker.gateway import OutgoingMessage
from worker.sending.outcomes import Outcomes
from worker.servers.troubles import Troubles
from worker.store.sending import queue
from worker.store.sending.claim import load_work
from worker.store.sending.intent import Intent, record_intent


def promise(bench: Installation, run_id: int) -> Intent:
    """What a worker does that dies right after its intent."""
    bench.enqueue()
    bench.queue.jobs.clear()
    (batch,) = bench.batches(run_id)
    with bench.store.write() as session:
        work = load_work(session, batch.id)
        assert work is not None
        intent = record_intent(session, work, target="", now=bench.clock.now(), send_by=SEND_BY)
    assert isinstance(intent, Intent)
    return intent


@pytest.mark.parametrize("lag_seconds", [3, 20, 35])
def test_reads_may_lag_behind_by_anything_below_settle(known: Installation, lag_seconds: int) -> None:
    known.gateway.lag = timedelta(seconds=lag_seconds)
    known.gateway.script.append(STORED)
    run_id = known.campaign(5)

    known.finish(run_id)

    assert exactly_once(known, 1, run_id)
    assert len(known.attempts(run_id)) == 1


def test_reads_that_show_nothing_prove_nothing(known: Installation) -> None:
    # given reads that lie until long after settle
    known.gateway.reads = Reads.LYING_EMPTY
    known.gateway.script.append(STORED)
    run_id = known.campaign(5)
    known.pass_time(SETTLED + SETTLE / 2)
    assert known.states(run_id) == {RecipientState.IN_DOUBT: 5}
    assert len(known.gateway.sends) == 2

    known.gateway.reads = Reads.TRUE
    known.finish(run_id)

    assert exactly_once(known, 1, run_id)


def test_reads_that_lie_for_ever_end_with_a_person_and_the_evidence(known: Installation) -> None:
    known.gateway.reads = Reads.LYING_EMPTY
    known.gateway.script.append(STORED)
    run_id = known.campaign(5)

    known.until(lambda: known.states(run_id) == {RecipientState.HELD: 5})

    assert len(known.gateway.sends) == 2
    assert [batch.state for batch in known.batches(run_id)] == [BatchState.HELD]
    (attempt,) = known.attempts(run_id)
    assert [look["control"] for look in attempt.evidence["looks"]] == [False] * len(attempt.evidence["looks"])
    assert {row.reason for row in known.recipients(run_id)} == {"the gateway's reads do not prove whether it was sent"}
    # and the run ends, because there is nothing left that the program could do
    known.finish(run_id)
    assert known.run(run_id).state is RunState.COMPLETED


@pytest.mark.parametrize("page", [1, 5, 15])
def test_reads_that_show_only_the_newest_messages_prove_no_absence(known: Installation, page: int) -> None:
    # given a gateway that pages its replies, and a request without an answer among others that got one
    known.gateway.newest_only = page
    known.gateway.script += [Send(), STORED]
    run_id = known.campaign(40, per_request=5)

    known.finish(run_id)

    # then everybody who is not shown is left to a person, and nobody got a text twice
    assert set(known.gateway.copies().values()) == {1}
    assert known.states(run_id)[RecipientState.HELD] == 5


@pytest.mark.parametrize("sent", [LOST, STORED])
def test_reads_that_fail_are_no_information(known: Installation, sent: Send) -> None:
    known.gateway.reads = Reads.FAILING
    known.gateway.script.append(sent)
    run_id = known.campaign(5)
    known.pass_time(timedelta(minutes=10), step=20)
    assert known.states(run_id) == {RecipientState.IN_DOUBT: 5}

    known.gateway.reads = Reads.TRUE
    known.finish(run_id)

    assert exactly_once(known, 1, run_id)


def test_without_any_known_message_a_miss_is_not_concluded(bench: Installation) -> None:
    # given the very first request of an account, which got lost
    bench.gateway.script.append(LOST)
    run_id = bench.campaign(4)

    bench.finish(run_id)

    assert bench.states(run_id) == {RecipientState.HELD: 4}
    assert bench.gateway.copies() == {}


def test_the_first_request_of_an_account_is_found_if_it_is_there(bench: Installation) -> None:
    bench.gateway.script.append(STORED)
    run_id = bench.campaign(4)

    bench.finish(run_id)

    assert exactly_once(bench, run_id)


def test_after_some_rounds_a_person_decides(known: Installation) -> None:
    # given a gateway that loses everything from now on
    known.gateway.usual = LOST
    run_id = known.campaign(2)

    known.finish(run_id, within=timedelta(minutes=30))

    assert known.states(run_id) == {RecipientState.HELD: 2}
    assert len(known.attempts(run_id)) == MOST_ROUNDS + 1
    assert set(known.gateway.copies()) == {row.number for row in known.recipients(1)}


@pytest.mark.parametrize("stored", [True, False])
def test_a_process_that_died_after_its_intent_is_cleaned_up_after(known: Installation, stored: bool) -> None:
    # given a worker that was killed: its request may have left
    run_id = known.campaign(5)
    intent = promise(known, run_id)
    if stored:
        known.gateway.store([(a.number, a.text) for a in intent.addressees])

    # then nobody touches it before its time is over
    known.pass_time(SEND_BY - timedelta(seconds=1), step=1)
    assert known.states(run_id) == {RecipientState.IN_DOUBT: 5}
    known.finish(run_id)

    assert exactly_once(known, 1, run_id)
    assert len(known.attempts(run_id)) == (1 if stored else 2)
    assert known.attempts(run_id)[0].evidence[FAILURE] == FailureCode.PROCESS_LOST


def test_a_worker_that_woke_up_late_aborts_and_does_not_disturb_the_look_up(known: Installation) -> None:
    # given a worker that slept through its own rescue, then finds that it must not write
    run_id = known.campaign(3)
    intent = promise(known, run_id)
    known.pass_time(SETTLED + SETTLE / 2)  # the second look past `settle` comes a fifth of it later
    assert known.attempts(run_id)[0].outcome in {"missed", "not_found"}

    # when it stores what it believes: a reply that came after all
    outcomes = Outcomes(known.store, known.clock, known.settings, Troubles())
    reply = known.runtime.gateway.send_bulk([OutgoingMessage(a.number, a.text) for a in intent.addressees])
    before = known.states(run_id)
    outcomes.record_reply(intent, reply, text="")

    # then the decision stands, and it is reported
    assert known.states(run_id) == before
    assert any("late" in name for name in known.events())


def test_a_late_reply_before_the_decision_counts(known: Installation) -> None:
    run_id = known.campaign(3)
    intent = promise(known, run_id)
    known.pass_time(SEND_BY + timedelta(seconds=3))
    assert [batch.state for batch in known.batches(run_id)] == [BatchState.UNKNOWN]

    reply = known.runtime.gateway.send_bulk([OutgoingMessage(a.number, a.text) for a in intent.addressees])
    Outcomes(known.store, known.clock, known.settings, Troubles()).record_reply(intent, reply, text="")
    known.finish(run_id)

    assert exactly_once(known, 1, run_id)
    assert known.outcomes(run_id) == ["accepted"]


def test_a_number_in_doubt_in_one_campaign_waits_in_the_other(known: Installation) -> None:
    # given a request in doubt, and a second campaign that has half of its people in common
    known.gateway.script.append(STORED)
    one = known.campaign(4)
    known.send()
    other = known.campaign(4, name="other", first=2)

    known.send()
    assert known.states(other) == {RecipientState.PENDING: 2, RecipientState.ACCEPTED: 2}
    known.finish(one, other)

    assert exactly_once(known, 1, one, other)
    assert {row.attempts for row in known.recipients(other)} == {1}


def test_two_lost_requests_to_the_same_people_are_told_apart(known: Installation) -> None:
    # given two campaigns to the same people whose replies are both lost; the first one's texts got lost as well
    known.gateway.script.extend([LOST, STORED])
    one = known.campaign(4)
    other = known.campaign(4, name="other")

    known.finish(one, other)

    assert exactly_once(known, 1, one, other)
    assert known.states(one) == known.states(other) == {RecipientState.DELIVERED: 4}


def test_too_much_in_doubt_stops_sending(known: Installation) -> None:
    # given a gateway that no longer answers, and a queue that is full already
    known.gateway.usual = LOST
    run_id = known.campaign(9, per_request=1)
    known.pass_time(20)

    states = Counter(batch.state for batch in known.batches(run_id))
    assert states == {BatchState.UNKNOWN: queue.DOUBTS_PER_ACCOUNT, BatchState.PLANNED: 6}
    assert {batch.attempt for batch in known.batches(run_id)} == {0, 1}

    known.gateway.usual = Send()
    known.finish(run_id, within=timedelta(minutes=30))
    assert exactly_once(known, 1, run_id)


def test_a_second_copy_at_the_gateway_is_reported_and_stops_the_account(known: Installation) -> None:
    # given somebody else who sends the very same texts to the same people while the request is in doubt
    known.gateway.script.append(STORED)
    run_id = known.campaign(3)
    known.send()
    known.gateway.store([(row.number, row.text) for row in known.recipients(run_id)])

    known.pass_time(5)

    assert "duplicate_acceptance" in known.events()
    assert known.paused_because()
    known.pass_time(timedelta(minutes=5), step=20)
    assert known.paused_because(), "only a person may resume it"


def test_a_request_that_shows_up_after_it_was_sent_again_is_reported(known: Installation) -> None:
    # given a request that was lost, proven so, and sent again
    known.gateway.script.append(LOST)
    run_id = known.campaign(3)
    known.finish(run_id)
    assert exactly_once(known, 1, run_id)

    # when the first one arrives after all, within a day
    known.gateway.store([(row.number, row.text) for row in known.recipients(run_id)])
    known.until(lambda: "late_acceptance" in known.events(), within=timedelta(days=1), step=600)

    assert known.paused_because()
    assert known.states(run_id) == {RecipientState.DELIVERED: 3}


@pytest.mark.parametrize("control", ["pause", "cancel"])
def test_a_stopped_campaign_is_still_looked_up(known: Installation, control: str) -> None:
    # given a campaign that is stopped while a request is in doubt of which half was stored
    known.gateway.script.append(Send(Answers.TIMEOUT, Stores.HALF))
    run_id = known.campaign(6)
    known.send()
    getattr(known, control)(run_id)

    known.pass_time(SETTLED + SETTLE / 2)  # the second look past `settle` comes a fifth of it later

    # then what was stored is known and followed, and the rest is not sent
    states = Counter(known.states(run_id))
    assert states[RecipientState.IN_DOUBT] == 0
    assert states[RecipientState.ACCEPTED] == 3
    assert len(known.gateway.sends) == 2
    if control == "pause":
        known.resume(run_id)
    known.finish(run_id)
    wanted = 6 if control == "pause" else 3
    assert known.gateway.copies().total() == 1 + wanted
    assert known.states(run_id)[RecipientState.DELIVERED] == wanted
