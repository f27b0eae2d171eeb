"""The transaction after a request: written once, whatever the outcome, and nobody gets lost in it."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from sqlmodel import Session, select

from campaigns.codes import FAILURE, FailureCode, WaitsFor
from campaigns.lifecycle import BatchState, RecipientState
from tests.store.store_world import AT_ONCE, NOW, SOON, World, people
from worker.store.models import Attempt, AttemptState, MessageGroup
from worker.store.runs import plans
from worker.store.sending import accounts, control_messages, doubts
from worker.store.sending.batch_splits import split_batch
from worker.store.sending.intent import Intent
from worker.store.sending.outcome import (
    Listed,
    Placed,
    close_attempt,
    fail_in_doubt,
    hold_in_doubt,
    mark_unknown,
    postpone_batch,
    record_list_accepted,
    release,
)
from worker.store.tables import GROUP_ID, SOURCE

GRACE = timedelta(seconds=2)


def sent_batch(world: World, how_many: int = 3) -> tuple[int, int, Intent]:
    """(run, batch, intent) of a run with one batch, which is being sent."""
    run_id = world.run(people(how_many), per_request=how_many)
    (batch_id,) = world.batches(run_id)
    return run_id, batch_id, world.intent(batch_id)


def test_an_outcome_is_written_once(world: World) -> None:
    _, _, intent = sent_batch(world)
    with world.store.write() as session:
        first = close_attempt(session, intent.attempt_id, outcome="accepted", evidence={"a": 1}, now=NOW)
        again = close_attempt(session, intent.attempt_id, outcome="not_found", evidence={}, now=SOON)

    assert (first, again) == (True, False)
    with world.store.read() as session:
        attempt = session.exec(select(Attempt)).one()
    assert (attempt.state, attempt.outcome, attempt.evidence, attempt.finished_at) == (
        AttemptState.CLOSED,
        "accepted",
        {"a": 1},
        NOW,
    )


def test_accepted_people_carry_what_the_gateway_said(world: World) -> None:
    run_id, batch_id, intent = sent_batch(world)
    placed = world.placed(intent)

    world.accept(intent, placed)

    assert world.batch_state(batch_id) is BatchState.ACCEPTED
    rows = world.recipients(run_id)
    groups = world.of_recipients(run_id, GROUP_ID)
    found = zip(rows, groups, strict=True)
    assert [Placed(row.id, row.gateway_id or 0, group, row.device, row.sim) for row, group in found] == placed
    assert {(row.state, row.accepted_at) for row in rows} == {(RecipientState.ACCEPTED, NOW)}
    assert world.account().highest_gateway_id == max(p.gateway_id for p in placed)


def test_people_left_out_of_a_reply_have_failed(world: World) -> None:
    run_id, batch_id, intent = sent_batch(world)
    with world.store.write() as session:
        fail_in_doubt(session, [intent.addressees[2].id], "left out by the gateway")
    world.accept(intent, world.placed(intent, 2))

    assert world.states(run_id) == {RecipientState.ACCEPTED: 2, RecipientState.FAILED: 1}
    assert world.recipients(run_id)[2].reason == "left out by the gateway"
    assert world.batch_state(batch_id) is BatchState.ACCEPTED


@pytest.mark.parametrize(("conclude", "batch_state"), [(release, BatchState.PLANNED), (hold_in_doubt, BatchState.HELD)])
def test_a_part_that_was_not_found_comes_back_or_is_held(
    world: World, conclude: Callable[[Session, Sequence[int], str], int], batch_state: BatchState
) -> None:
    # given a request in doubt of which the first two people were found
    run_id, batch_id, intent = sent_batch(world)
    with world.store.write() as session:
        mark_unknown(session, intent, outcome="unknown", evidence={}, next_check_at=NOW, now=NOW)
        conclude(session, [intent.addressees[2].id], "not found at the gateway")
    world.accept(intent, world.placed(intent, 2))

    assert world.batch_state(batch_id) is batch_state
    assert world.states(run_id)[RecipientState.ACCEPTED] == 2


def test_only_people_in_doubt_are_released(world: World) -> None:
    # given a request whose people are already accepted
    run_id, _, intent = sent_batch(world)
    world.accept(intent, world.placed(intent))

    with world.store.write() as session:
        everybody = [a.id for a in intent.addressees]
        assert release(session, everybody, "") == 0
        assert hold_in_doubt(session, everybody, "") == 0
        assert fail_in_doubt(session, everybody, "") == 0

    assert world.states(run_id) == {RecipientState.ACCEPTED: 3}


def test_a_request_that_was_not_sent_is_made_again_and_counts_as_another(world: World) -> None:
    run_id, batch_id, intent = sent_batch(world)
    with world.store.write() as session:
        close_attempt(session, intent.attempt_id, outcome="not_sent", evidence={}, now=NOW)
        assert release(session, [a.id for a in intent.addressees], "") == 3
        postpone_batch(session, batch_id, until=SOON, waits_for=WaitsFor.BACK_OFF, reason="no connection")

    batch = world.batch(batch_id)
    assert (batch.state, batch.not_before, batch.reason) == (BatchState.PLANNED, SOON, "no connection")
    assert world.states(run_id) == {RecipientState.PENDING: 3}
    assert world.intent(batch_id).number == 2


def test_a_process_that_died_leaves_a_request_in_doubt(world: World) -> None:
    # given one request that is old and one that is under way
    run_id = world.run(people(2), per_request=1)
    old, fresh = world.batches(run_id)
    world.intent(old)
    world.intent(fresh, now=SOON)

    # when the first one's process has had its time, and a moment for the reply
    with world.store.write() as session:
        assert not doubts.any_stale(session, now=SOON, grace=GRACE)
        assert doubts.abandon_stale(session, now=SOON, grace=GRACE) == 0
        assert doubts.any_stale(session, now=SOON + GRACE, grace=GRACE)
        assert doubts.abandon_stale(session, now=SOON + GRACE, grace=GRACE) == 1
        (doubt,) = doubts.due_doubts(session, now=SOON + GRACE, account_id=world.account_id)

    assert (doubt.batch_id, doubt.outcome, doubt.evidence[FAILURE]) == (old, "unknown", FailureCode.PROCESS_LOST)
    assert [world.batch_state(id_) for id_ in (old, fresh)] == [BatchState.UNKNOWN, BatchState.SENDING]


def test_a_doubt_knows_what_it_seeks_and_when_it_is_looked_at_next(world: World) -> None:
    _, batch_id, intent = sent_batch(world)
    evidence = {FAILURE: FailureCode.SERVER_FAILED}
    with world.store.write() as session:
        mark_unknown(session, intent, outcome="unknown", evidence=evidence, next_check_at=NOW, now=NOW)
    assert world.batch_state(batch_id) is BatchState.UNKNOWN

    with world.store.write() as session:
        (doubt,) = doubts.due_doubts(session, now=NOW, account_id=world.account_id)
        sought = doubts.sought(session, doubt)
        doubts.postpone_check(session, doubt.attempt_id, until=SOON, evidence={**doubt.evidence, "looks": [1]})
        assert doubts.due_doubts(session, now=NOW, account_id=world.account_id) == []
        assert doubts.due_doubts(session, now=SOON, account_id=world.account_id + 1) == []
        (again,) = doubts.due_doubts(session, now=SOON, account_id=world.account_id)

    assert sought.recipients == {a.number: (a.id, a.text) for a in intent.addressees}
    assert (doubt.checks, again.checks, again.evidence) == (0, 1, {**evidence, "looks": [1]})


def test_a_late_failure_does_not_reopen_what_was_decided(world: World) -> None:
    _, batch_id, intent = sent_batch(world)
    world.accept(intent, world.placed(intent))

    with world.store.write() as session:
        mark_unknown(session, intent, outcome="unknown", evidence={}, next_check_at=NOW, now=NOW)

    assert world.batch_state(batch_id) is BatchState.ACCEPTED


def test_messages_that_belong_to_somebody_are_known_and_serve_as_a_control(world: World) -> None:
    with world.store.read() as session:
        assert control_messages.known_message(session, world.account_id) is None
    _, _, intent = sent_batch(world)
    placed = world.placed(intent)
    world.accept(intent, placed)
    definition_id = world.run_definition(intent.run_id)
    ids = [p.gateway_id for p in placed]

    with world.store.read() as session:
        assert doubts.attributed_ids(session, world.account_id, [*ids, 5, *range(10_000, 30_000)]) == set(ids)
        assert doubts.attributed_ids(session, world.account_id + 1, ids) == set()
        assert control_messages.known_message(session, world.account_id) == control_messages.ControlMessage(
            max(ids), NOW, definition_id, intent.addressees[-1].number
        )


def test_groups_of_a_request_are_followed(world: World) -> None:
    _, _, intent = sent_batch(world, 4)
    one, two, three, four = world.placed(intent, group=None)
    world.accept(
        intent,
        [
            Placed(one.recipient_id, one.gateway_id, "a", 1, 0),
            Placed(two.recipient_id, two.gateway_id, "b", 2, 0),
            Placed(three.recipient_id, three.gateway_id, "b", 2, 0),
            four,
        ],
    )

    with world.store.read() as session:
        groups = session.exec(select(MessageGroup.group_id, MessageGroup.messages, MessageGroup.next_poll_at))
        assert sorted(groups) == [("", 1, SOON), ("a", 1, SOON), ("b", 2, SOON)]


@pytest.mark.parametrize(("how_many", "halves"), [(1, None), (2, (1, 1)), (5, (2, 3))])
def test_a_batch_that_is_too_big_is_cut_in_two(world: World, how_many: int, halves: tuple[int, int] | None) -> None:
    run_id = world.run(people(how_many, segments=2), per_request=how_many)
    (batch_id,) = world.batches(run_id)

    with world.store.write() as session:
        half = split_batch(session, batch_id, until=SOON, reason="too big")

    if halves is None:
        assert half is None
        return
    assert half is not None
    first, second = world.batch(batch_id), world.batch(half)
    assert (first.recipients, second.recipients) == halves
    assert (first.segments, second.segments) == (halves[0] * 2, halves[1] * 2)
    assert (second.state, second.not_before, second.ordinal) == (BatchState.PLANNED, SOON, first.ordinal + 1)
    numbers = [a.number for id_ in (batch_id, half) for a in world.intent(id_).addressees]
    assert numbers == [row.number for row in world.recipients(run_id)]


def test_failures_in_a_row_are_counted_and_forgotten(world: World) -> None:
    with world.store.write() as session:
        assert [accounts.count_failure(session, world.account_id) for _ in range(3)] == [1, 2, 3]
        accounts.note_answer(session, world.account_id)
        assert accounts.count_failure(session, world.account_id) == 1


def test_the_people_of_a_contact_list_are_the_audience(world: World) -> None:
    # given a batch for a list, and a reply that names one person twice
    run_id = world.run([])
    with world.store.write() as session:
        made = plans.NewBatch(0, AT_ONCE, segments=1, list_id=7)
        (batch_id,) = plans.insert_batches(session, run_id, [made]).values()
    intent = world.intent(batch_id)
    said = [("+39333", 11), ("+39334", 12), ("+39333", 13)]
    with world.store.write() as session:
        record_list_accepted(
            session,
            intent,
            [Listed(number, "Hello", Placed(0, id_, "g", 1, 0)) for number, id_ in said],
            now=NOW,
            first_poll_at=SOON,
        )

    rows = world.recipients(run_id)
    assert [(row.number, row.gateway_id) for row in rows] == said
    assert {(row.text, row.segments, row.attempts) for row in rows} == {("Hello", 1, 1)}
    assert set(world.of_recipients(run_id, SOURCE)) == {"contact list 7"}
    assert set(world.of_recipients(run_id, GROUP_ID)) == {"g"}
    batch = world.batch(batch_id)
    assert (batch.state, batch.recipients, batch.segments) == (BatchState.ACCEPTED, 3, 3)
    assert world.account().highest_gateway_id == 13
