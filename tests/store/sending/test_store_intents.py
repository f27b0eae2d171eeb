"""The intent: exactly one request for a batch, and a number in at most one request whose outcome is unknown."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from campaigns.codes import PausedBy
from campaigns.lifecycle import BatchState, RecipientState, RunState
from tests.store.store_world import NOW, SEND_BY, SOON, World, people
from tests.support.queueing import queue_due
from worker.store.models import Attempt, AttemptState, Batch, Recipient
from worker.store.runs import runs
from worker.store.sending import accounts
from worker.store.sending.claim import NoIntent, load_work
from worker.store.sending.intent import Addressee, Intent, may_still_send, payload_hash, record_intent
from worker.store.sending.outcome import close_attempt, record_accepted, release

THREADS = 8


def attempts(world: World) -> list[Attempt]:
    with world.store.read() as session:
        return list(session.scalars(sa.select(Attempt).order_by(sa.column("id"))))


def test_an_intent_puts_everything_on_record(world: World) -> None:
    # given an account whose highest message is 500
    run_id = world.run(people(3, segments=2))
    with world.store.write() as session:
        accounts.raise_floor(session, world.account_id, 500)
        accounts.raise_floor(session, world.account_id, 400)
    (batch_id,) = world.batches(run_id)

    intent = world.intent(batch_id)

    assert [(a.number, a.text, a.segments) for a in intent.addressees] == [
        (row.number, row.text, row.segments) for row in people(3, segments=2)
    ]
    assert intent.send_by == NOW + SEND_BY
    (attempt,) = attempts(world)
    assert attempt.id == intent.attempt_id
    assert (attempt.state, attempt.number, attempt.recipients, attempt.segments) == (AttemptState.OPEN, 1, 3, 6)
    assert (attempt.id_floor, attempt.send_by, attempt.next_check_at) == (500, SOON, SOON)
    assert attempt.payload_hash == payload_hash(intent.addressees)
    assert world.batch_state(batch_id) is BatchState.SENDING
    assert world.states(run_id) == {RecipientState.IN_DOUBT: 3}
    assert {row.attempts for row in world.recipients(run_id)} == {1}


def test_another_text_is_another_payload() -> None:
    one = Addressee(1, "+39333", "Hi", 1)
    other = Addressee(1, "+39333", "Ho", 1)
    assert payload_hash([one]) != payload_hash([other])
    assert payload_hash([one]) != payload_hash([one, one])


@pytest.mark.parametrize("state", sorted(set(RunState) - {RunState.RUNNING}))
def test_only_a_running_run_sends(world: World, state: RunState) -> None:
    # given work that was found while the run was still running
    run_id = world.run(people(3))
    (batch_id,) = world.batches(run_id)
    with world.store.write() as session:
        work = load_work(session, batch_id)
    assert work is not None
    world.set_run(run_id, state=state)

    with world.store.write() as session:
        assert load_work(session, batch_id) is None
        intent = record_intent(session, work, target="", now=NOW, send_by=SEND_BY)

    assert intent is NoIntent.NOT_DUE
    assert world.states(run_id) == {RecipientState.PENDING: 3}
    assert attempts(world) == []


def test_nothing_is_sent_through_a_paused_account(world: World) -> None:
    (batch_id,) = world.batches(world.run(people(3)))
    with world.store.write() as session:
        assert accounts.pause_account(session, world.account_id, PausedBy.GATEWAY, "no credits", now=NOW, probe_at=SOON)
        assert not accounts.pause_account(
            session, world.account_id, PausedBy.GATEWAY, "bad key", now=NOW, probe_at=SOON
        )

    assert world.promise(batch_id) is NoIntent.NOT_DUE
    assert world.account().paused_reason == "no credits"


@pytest.mark.parametrize("state", sorted(set(BatchState) - {BatchState.PLANNED, BatchState.QUEUED}))
def test_a_batch_is_sent_only_while_it_waits(world: World, state: BatchState) -> None:
    (batch_id,) = world.batches(world.run(people(3)))
    with world.store.write() as session:
        work = load_work(session, batch_id)
        assert work is not None
        session.execute(sa.update(Batch).values(state=state))
        assert record_intent(session, work, target="", now=NOW, send_by=SEND_BY) is NoIntent.NOT_DUE
        assert load_work(session, batch_id) is None


def test_of_many_workers_with_the_same_job_exactly_one_sends(world: World) -> None:
    run_id = world.run(people(3))
    (batch_id,) = world.batches(run_id)
    together = threading.Barrier(THREADS)

    def take() -> Intent | NoIntent:
        together.wait()
        return world.promise(batch_id)

    with ThreadPoolExecutor(THREADS) as pool:
        results = [job.result() for job in [pool.submit(take) for _ in range(THREADS)]]

    assert sum(isinstance(result, Intent) for result in results) == 1
    assert len(attempts(world)) == 1
    assert {row.attempts for row in world.recipients(run_id)} == {1}


def test_a_number_in_doubt_elsewhere_is_left_out(world: World) -> None:
    # given two campaigns that share persons 2 and 3, and the first one sending
    one, other = world.run(people(4), per_request=9), world.run(people(4, first=2), campaign="other", per_request=9)
    first = world.intent(world.batches(one)[0])

    second = world.intent(world.batches(other)[0])

    assert [a.number for a in second.addressees] == [row.number for row in people(2, first=4)]
    assert world.states(other) == {RecipientState.IN_DOUBT: 2, RecipientState.PENDING: 2}
    # when both are answered, those left out are planned again, with a later moment and without losing an attempt
    world.accept(first, world.placed(first))
    world.accept(second, world.placed(second))
    batch = world.batch(world.batches(other)[0])
    assert (batch.state, batch.not_before) == (BatchState.PLANNED, SOON)
    third = world.intent(batch.id)
    assert [a.number for a in third.addressees] == [row.number for row in people(2, first=2)]


def test_a_batch_of_numbers_in_doubt_waits_as_a_whole(world: World) -> None:
    one, other = world.run(people(2)), world.run(people(2), campaign="other")
    world.intent(world.batches(one)[0])

    assert world.promise(world.batches(other)[0]) is NoIntent.ALL_IN_DOUBT

    assert world.batch_state(world.batches(other)[0]) is BatchState.PLANNED
    assert world.batch(world.batches(other)[0]).attempt == 0
    assert world.states(other) == {RecipientState.PENDING: 2}


def test_the_database_itself_refuses_a_number_in_doubt_twice(world: World) -> None:
    world.intent(world.batches(world.run(people(1)))[0])
    other = world.run(people(1), campaign="other")

    with pytest.raises(IntegrityError), world.store.write() as session:
        session.execute(sa.update(Recipient).filter_by(run_id=other).values(state=RecipientState.IN_DOUBT))


def test_many_campaigns_to_the_same_people_never_have_one_in_doubt_twice(world: World) -> None:
    # given campaigns to the same six people, each in one request
    ids = [world.batches(world.run(people(6), campaign=f"sale-{turn}", per_request=6))[0] for turn in range(THREADS)]
    together = threading.Barrier(THREADS)

    def take(batch_id: int) -> Intent | NoIntent:
        together.wait()
        try:
            return world.promise(batch_id)
        except IntegrityError:
            return NoIntent.ALL_IN_DOUBT

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(take, ids))

    # then one of them has everybody, and the others wait
    assert sum(isinstance(result, Intent) for result in results) == 1
    assert results.count(NoIntent.ALL_IN_DOUBT) == THREADS - 1


def test_a_batch_without_anybody_left_is_not_sent(world: World) -> None:
    run_id = world.run(people(2))
    with world.store.write() as session:
        session.execute(sa.update(Recipient).values(state=RecipientState.SUPPRESSED))

    assert world.promise(world.batches(run_id)[0]) is NoIntent.NOTHING_LEFT


def test_work_costs_what_is_still_to_be_sent(world: World) -> None:
    run_id = world.run(people(4, segments=3), per_request=4)
    (batch_id,) = world.batches(run_id)
    intent = world.intent(batch_id)
    with world.store.write() as session:
        close_attempt(session, intent.attempt_id, outcome="found", evidence={}, now=NOW)
        release(session, [a.id for a in intent.addressees[2:]], "not found")
        placed = world.placed(intent, 2)
        record_accepted(session, intent, placed, now=NOW, first_poll_at=SOON, retry_at=SOON)
        work = load_work(session, batch_id)

    assert work is not None
    assert (work.recipients, work.segments, work.attempt) == (2, 6, 1)


def test_the_last_check_sees_a_pause_and_a_cancellation(world: World) -> None:
    run_id = world.run(people(3))
    intent = world.intent(world.batches(run_id)[0])
    assert isinstance(intent, Intent)

    def may_send() -> bool:
        with world.store.read() as session:
            return may_still_send(session.connection(), intent)

    assert may_send()
    with world.store.write() as session:
        runs.pause_run(session, run_id, PausedBy.PERSON, "by hand", now=NOW)
    assert not may_send()
    with world.store.write() as session:
        runs.resume_run(session, run_id)
    assert may_send()
    with world.store.write() as session:
        accounts.pause_account(session, world.account_id, PausedBy.GATEWAY, "no credits", now=NOW, probe_at=SOON)
    assert not may_send()


def test_a_queued_batch_is_taken_like_a_planned_one(world: World) -> None:
    run_id = world.run(people(3))
    with world.store.write() as session:
        (batch_id,) = queue_due(session, run_id, now=NOW + timedelta(seconds=1), room=9)

    assert world.intent(batch_id).number == 1
