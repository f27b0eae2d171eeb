"""One request, and everything that can become of it: nobody is doubled, nobody is lost, the books are right."""

from datetime import timedelta

import pytest

from campaigns.codes import FAILURE, FailureCode
from campaigns.lifecycle import RecipientState, RunState
from tests.protocol.world.harness import SEND_BY, SETTLED, Installation, exactly_once
from tests.protocol.world.scripted_gateway import Answers, Reads, Send, Stores
from worker.crashpoints import arm
from worker.sending.dispatch import Dispatched

UNKNOWN = [
    Answers.HTTP_500,
    Answers.CODE_500,
    Answers.TIMEOUT,
    Answers.EMPTY,
    Answers.HTML,
    Answers.BALANCE,
]
REFUSALS = [Answers.SLOWER, Answers.TOO_BIG, Answers.BAD_KEY, Answers.NO_CREDITS, Answers.REDIRECT]


def test_a_campaign_goes_from_file_to_delivered(bench: Installation) -> None:
    run_id = bench.campaign(25)

    bench.finish(run_id)

    assert exactly_once(bench, run_id)
    assert [len(numbers) for numbers in bench.gateway.sends] == [10, 10, 5]
    assert bench.states(run_id) == {RecipientState.DELIVERED: 25}
    assert bench.run(run_id).state is RunState.COMPLETED
    assert bench.outcomes(run_id) == ["accepted"] * 3


@pytest.mark.parametrize("stores", list(Stores))
@pytest.mark.parametrize("answers", UNKNOWN)
def test_a_request_whose_outcome_is_unknown_is_looked_up_and_never_guessed(
    known: Installation, answers: Answers, stores: Stores
) -> None:
    # given a request that the gateway stored completely, by half or not at all, and answered badly
    known.gateway.script.append(Send(answers, stores))
    run_id = known.campaign(6)

    assert known.send() == [Dispatched.IN_DOUBT]
    assert known.states(run_id) == {RecipientState.IN_DOUBT: 6}
    (attempt,) = known.attempts(run_id)
    assert attempt.evidence[FAILURE]
    # then, until it is settled, nobody who was not found is sent to again
    known.pass_time(SETTLED - timedelta(seconds=1))
    assert len(known.gateway.sends) == 2
    # and in the end everybody has exactly one text
    known.finish(run_id)
    assert exactly_once(known, run_id, 1)
    assert known.states(run_id) == {RecipientState.DELIVERED: 6}
    # and the path is on record: what was concluded about the first request, and the request for the rest
    assert known.outcomes(run_id)[0] in ({"all_found"} if stores is Stores.ALL else {"missed", "not_found"})
    assert len(known.outcomes(run_id)) == (1 if stores is Stores.ALL else 2)


@pytest.mark.parametrize("stores", [Stores.ALL, Stores.NONE])
@pytest.mark.parametrize("answers", REFUSALS)
def test_a_refusal_is_looked_up_once_before_it_is_believed(
    bench: Installation, answers: Answers, stores: Stores
) -> None:
    # given a gateway that refuses, but may have stored the messages all the same
    bench.gateway.script.append(Send(answers, stores))
    run_id = bench.campaign(6)

    assert bench.send() == [Dispatched.IN_DOUBT]
    bench.finish(run_id)

    assert exactly_once(bench, run_id)
    assert bench.states(run_id) == {RecipientState.DELIVERED: 6}
    assert len(bench.gateway.sends) == (1 if stores is Stores.ALL else 3 if answers is Answers.TOO_BIG else 2)


@pytest.mark.parametrize("answers", [Answers.BAD_KEY, Answers.NO_CREDITS, Answers.REDIRECT])
def test_a_refused_account_is_paused_and_goes_on_when_it_works_again(bench: Installation, answers: Answers) -> None:
    # given an account without credits: two campaigns wait
    bench.gateway.usual = Send(answers, Stores.NONE)
    bench.gateway.credits = 0
    run_ids = [bench.campaign(3), bench.campaign(3, name="other", first=50)]
    bench.pass_time(90)

    assert bench.paused_because()
    assert {bench.run(run_id).state for run_id in run_ids} == {RunState.RUNNING}
    before = len(bench.gateway.sends)
    assert before <= 2

    # when somebody pays
    bench.gateway.usual = Send()
    bench.gateway.credits = 100
    bench.finish(*run_ids)

    assert bench.paused_because() == ""
    assert exactly_once(bench, *run_ids)


@pytest.mark.long
def test_a_bad_key_over_night_loses_nobody_and_holds_nobody(bench: Installation) -> None:
    # given a key that is refused by sends and reads alike, for a hundred times `settle`
    bench.hear()
    bench.gateway.usual = Send(Answers.BAD_KEY, Stores.NONE)
    bench.gateway.key_works = False
    run_id = bench.campaign(3)
    bench.pass_time(timedelta(hours=1), step=30)
    assert bench.states(run_id) == {RecipientState.IN_DOUBT: 3}
    assert len(bench.attempts(run_id)[0].evidence["looks"]) == 1

    # when the key is corrected in the morning
    bench.gateway.usual = Send()
    bench.gateway.key_works = True
    bench.finish(run_id)

    assert exactly_once(bench, run_id)


def test_a_request_too_big_for_the_server_is_halved_until_it_fits(bench: Installation) -> None:
    bench.gateway.largest = 3
    run_id = bench.campaign(10)

    bench.finish(run_id)

    assert exactly_once(bench, run_id)
    taken = [len(numbers) for numbers in bench.gateway.sends if len(numbers) <= 3]
    assert sum(taken) == 10
    assert bench.audience(run_id) == 10


def test_a_text_that_is_too_big_by_itself_ends_and_does_not_go_round_in_circles(bench: Installation) -> None:
    bench.gateway.largest = 0
    run_id = bench.campaign(2)

    bench.finish(run_id)

    assert bench.states(run_id) == {RecipientState.FAILED: 2}
    assert bench.gateway.copies() == {}
    assert len(bench.gateway.sends) <= 3


def test_a_device_that_does_not_exist_stops_the_campaign_and_not_the_account(bench: Installation) -> None:
    bench.gateway.script.append(Send(Answers.BAD_DEVICE, Stores.NONE))
    run_id, other = bench.campaign(3), bench.campaign(3, name="other", first=50)

    bench.until(lambda: bench.run(run_id).state is RunState.PAUSED)

    reason = "A device of the request does not exist on the gateway. Correct devices.use."
    assert bench.run(run_id).reason == reason
    assert bench.paused_because() == ""
    bench.finish(other)
    bench.resume(run_id)
    bench.finish(run_id)
    assert exactly_once(bench, run_id, other)


def test_people_whom_the_reply_leaves_out_have_failed(bench: Installation) -> None:
    # given a gateway that silently drops half of a request, as it does with blacklisted numbers
    bench.gateway.script.append(Send(Answers.LEFT_OUT, Stores.HALF))
    run_id = bench.campaign(6)

    bench.finish(run_id)

    assert bench.states(run_id) == {RecipientState.DELIVERED: 3, RecipientState.FAILED: 3}
    assert {row.reason for row in bench.recipients(run_id)[3:]} == {"left out by the gateway"}
    assert len(bench.gateway.sends) == 1


def test_without_a_connection_nothing_is_sent_and_nobody_is_in_doubt(bench: Installation) -> None:
    # three tries in the first request, one in the second
    bench.gateway.script.extend([Send(Answers.NO_CONNECTION, Stores.NONE)] * 4)
    run_id = bench.campaign(3)

    assert bench.send() == [Dispatched.NOT_SENT]
    assert bench.states(run_id) == {RecipientState.PENDING: 3}
    bench.finish(run_id)

    assert exactly_once(bench, run_id)
    assert bench.outcomes(run_id) == ["not_sent", "accepted"]


def test_five_failed_connections_in_a_row_pause_the_account_until_a_probe_succeeds(bench: Installation) -> None:
    # given a gateway that is unavailable for sends, but answers balance requests
    bench.gateway.usual = Send(Answers.NO_CONNECTION, Stores.NONE)
    bench.gateway.credits = 0
    run_id = bench.campaign(12, per_request=1)
    bench.until(lambda: bench.paused_because() != "")

    assert bench.outcomes(run_id).count("not_sent") >= 5
    before = len(bench.gateway.sends)
    bench.pass_time(30)
    assert len(bench.gateway.sends) == before
    assert bench.states(run_id) == {RecipientState.PENDING: 12}

    bench.gateway.usual, bench.gateway.credits = Send(), None
    bench.finish(run_id)
    assert exactly_once(bench, run_id)


def test_a_pause_between_intent_and_first_byte_stops_the_request(bench: Installation) -> None:
    # given a connection that fails once, while somebody pauses the campaign
    run_id = bench.campaign(3)
    bench.gateway.script.append(Send(Answers.NO_CONNECTION, Stores.NONE, meanwhile=lambda: bench.pause(run_id)))

    assert bench.send() == [Dispatched.NOT_SENT]

    # then the second try is not written, and it is proven that nothing was sent
    assert len(bench.gateway.sends) == 1
    assert bench.states(run_id) == {RecipientState.PENDING: 3}
    (attempt,) = bench.attempts(run_id)
    assert (attempt.outcome, attempt.evidence[FAILURE]) == ("not_sent", FailureCode.ABORTED)
    bench.pass_time(60)
    assert len(bench.gateway.sends) == 1
    bench.resume(run_id)
    bench.finish(run_id)
    assert exactly_once(bench, run_id)


def test_a_cancellation_between_intent_and_first_byte_sends_to_nobody(bench: Installation) -> None:
    run_id = bench.campaign(3)
    bench.gateway.script.append(Send(Answers.NO_CONNECTION, Stores.NONE, meanwhile=lambda: bench.cancel(run_id)))

    bench.finish(run_id)

    assert bench.gateway.copies() == {}
    assert bench.states(run_id) == {RecipientState.CANCELLED: 3}
    assert bench.run(run_id).state is RunState.CANCELLED


def test_a_request_that_could_not_be_written_in_time_is_not_written(bench: Installation) -> None:
    # given a machine that slept for longer than `send_by` between two attempts to connect
    run_id = bench.campaign(3)
    bench.gateway.script.append(Send(Answers.NO_CONNECTION, Stores.NONE, meanwhile=lambda: bench.clock.advance(7)))

    assert bench.send() == [Dispatched.NOT_SENT]

    assert len(bench.gateway.sends) == 1
    assert bench.attempts(run_id)[0].evidence[FAILURE] == FailureCode.ABORTED
    bench.finish(run_id)
    assert exactly_once(bench, run_id)


@pytest.mark.parametrize("moment", ["intent:before_commit", "intent:committed"])
def test_a_slow_commit_of_the_intent_gains_no_time(bench: Installation, moment: str) -> None:
    # given a machine that is suspended for longer than `send_by` while it promises the request
    run_id = bench.campaign(3)

    def suspend(point: str) -> None:
        if point == moment:
            arm(None)
            bench.clock.advance(SEND_BY + timedelta(seconds=1))

    arm(suspend)
    try:
        assert bench.send() == [Dispatched.NOT_SENT]
    finally:
        arm(None)

    # then not a byte of it was written, and it is made again
    assert bench.gateway.sends == []
    assert bench.attempts(run_id)[0].evidence[FAILURE] == FailureCode.ABORTED
    bench.finish(run_id)
    assert exactly_once(bench, run_id)
    assert len(bench.gateway.sends) == 1


@pytest.mark.parametrize("how_often", [1, 3])
def test_a_job_that_comes_again_sends_nothing(bench: Installation, how_often: int) -> None:
    run_id = bench.campaign(3)
    bench.send()
    (batch,) = bench.batches(run_id)

    assert [bench.dispatcher.dispatch(batch.id) for _ in range(how_often)] == [Dispatched.NOTHING] * how_often
    assert bench.dispatcher.dispatch(batch.id + 99) is Dispatched.NOTHING

    assert exactly_once(bench, run_id)


def test_reads_are_not_needed_where_replies_are_good(bench: Installation) -> None:
    bench.hear()
    bench.gateway.reads = Reads.FAILING
    run_id = bench.campaign(3)

    assert bench.send() == [Dispatched.ACCEPTED]

    assert bench.states(run_id) == {RecipientState.ACCEPTED: 3}
    assert bench.gateway.asked == []
