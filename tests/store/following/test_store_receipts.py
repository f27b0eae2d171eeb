"""Receipts in the database: any order and any repetition gives the same result."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from campaigns.following.receipts import RANKS, worth
from campaigns.lifecycle import RecipientState
from tests.store.store_world import NOW, World, people
from worker.store.following import receipts
from worker.store.following.receipts import Receipt
from worker.store.models import Recipient
from worker.store.runs import runs
from worker.store.tables import GROUP_ID

GATEWAY_ID = 7
START_STATES = sorted(set(RANKS))
SHOWN = [state for state in START_STATES if state is not RecipientState.EXPIRED]
Said = tuple[RecipientState, int]

# The database is emptied after the test function, not after each example; the examples tidy up after themselves.
shared_database = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def receipt(state: RecipientState, retries: int = 0, *, gateway_id: int = GATEWAY_ID, reason: str = "") -> Receipt:
    sent_at = NOW if state in {RecipientState.SENT, RecipientState.DELIVERED} else None
    return Receipt(gateway_id, state, retries, sent_at, NOW + timedelta(seconds=9), 2, 1, reason or state.value)


@pytest.fixture
def followed(world: World) -> World:
    """A world in which one message has the gateway's ID 7."""
    run_id = world.run(people(1))
    world.sent(run_id)
    with world.store.write() as session:
        session.execute(sa.update(Recipient).values(gateway_id=GATEWAY_ID))
    return world


def put(world: World, state: RecipientState, retries: int = 0) -> None:
    with world.store.write() as session:
        session.execute(sa.update(Recipient).values(state=state, gateway_retries=retries))


def apply(world: World, said: Sequence[Said], *, at_once: bool = False) -> None:
    rows = [receipt(state, retries) for state, retries in said]
    for part in [rows] if at_once else [[row] for row in rows]:
        with world.store.write() as session:
            receipts.apply_receipts(session, world.account_id, part)


def stands(world: World) -> Said:
    with world.store.read() as session:
        state, retries = session.exec(select(Recipient.state, Recipient.gateway_retries)).one()
        return RecipientState(state), retries


RECEIPTS = st.lists(st.tuples(st.sampled_from(SHOWN), st.integers(0, 2)), min_size=1, max_size=7)


@shared_database
@given(start=st.tuples(st.sampled_from(START_STATES), st.integers(0, 1)), said=RECEIPTS, data=st.data())
def test_any_order_and_repetition_ends_with_the_largest(
    followed: World, start: Said, said: list[Said], data: st.DataObject
) -> None:
    # when the receipts come in some order, some of them again, individually or together
    put(followed, *start)
    shuffled = data.draw(st.permutations([*said, *data.draw(st.lists(st.sampled_from(said), max_size=4))]))
    apply(followed, shuffled, at_once=data.draw(st.booleans()))

    # then the result is the maximum of what was there and what was reported: SQL and `worth` agree
    largest = max([start, *said], key=lambda one: worth(*one))
    state, retries = stands(followed)
    assert state is largest[0]
    if state is not RecipientState.DELIVERED:
        assert retries == largest[1]


def test_delivered_is_final(followed: World) -> None:
    apply(followed, [(RecipientState.DELIVERED, 0)])
    apply(followed, [(state, 9) for state in SHOWN if state is not RecipientState.DELIVERED])

    assert stands(followed)[0] is RecipientState.DELIVERED


@pytest.mark.parametrize(
    ("retries", "expected"), [(0, RecipientState.FAILED), (1, RecipientState.ACCEPTED), (2, RecipientState.ACCEPTED)]
)
def test_a_failed_message_is_open_again_only_when_the_gateway_tried_again(
    followed: World, retries: int, expected: RecipientState
) -> None:
    apply(followed, [(RecipientState.FAILED, 0), (RecipientState.ACCEPTED, retries)])

    assert stands(followed)[0] is expected


def test_absurd_retries_neither_break_the_database_nor_the_order(followed: World) -> None:
    # given a gateway that counts retries in a number that no column holds
    apply(followed, [(RecipientState.FAILED, 2**40), (RecipientState.DELIVERED, 0)])

    assert stands(followed)[0] is RecipientState.DELIVERED


@pytest.mark.parametrize(
    "state", [RecipientState.PENDING, RecipientState.IN_DOUBT, RecipientState.HELD, RecipientState.SKIPPED]
)
def test_a_receipt_says_nothing_about_somebody_who_waits_for_a_request(followed: World, state: RecipientState) -> None:
    # given a person who is sent to a second time, and receipts for the first message
    put(followed, state)

    apply(followed, [(said, 1) for said in SHOWN])

    assert stands(followed) == (state, 0)


def test_times_device_and_reason_come_with_the_receipt(followed: World) -> None:
    apply(followed, [(RecipientState.SENT, 0), (RecipientState.DELIVERED, 0)])

    with followed.store.read() as session:
        row = session.execute(sa.select(Recipient)).scalar_one()
    assert (row.sent_at, row.delivered_at) == (NOW, NOW + timedelta(seconds=9))
    assert (row.device, row.sim, row.reason) == (2, 1, "delivered")


def test_the_result_code_is_that_of_the_receipt_that_stands(followed: World) -> None:
    failed, late = receipt(RecipientState.FAILED), receipt(RecipientState.SENT)
    with followed.store.write() as session:
        receipts.apply_receipts(session, followed.account_id, [failed._replace(result_code=4)])
        receipts.apply_receipts(session, followed.account_id, [late._replace(result_code=-1)])

    with followed.store.read() as session:
        assert session.exec(select(Recipient.result_code)).one() == 4


def test_a_delivery_date_without_the_status_is_no_delivery(followed: World) -> None:
    apply(followed, [(RecipientState.SENT, 0)])

    with followed.store.read() as session:
        assert session.exec(select(Recipient.delivered_at)).one() is None


def test_receipts_of_another_account_move_nothing(followed: World) -> None:
    with followed.store.write() as session:
        moved = receipts.apply_receipts(session, followed.account_id + 1, [receipt(RecipientState.DELIVERED)])

    assert moved == 0
    assert stands(followed) == (RecipientState.ACCEPTED, 0)


def test_receipts_of_unknown_messages_are_no_error(followed: World) -> None:
    with followed.store.write() as session:
        unknown = receipt(RecipientState.SENT, gateway_id=99)
        assert receipts.apply_receipts(session, followed.account_id, [unknown]) == 0


def test_a_group_is_due_until_every_message_of_it_has_its_end(world: World) -> None:
    # given two requests, each with a group of its own
    run_id = world.run(people(4), per_request=2)
    rows, groups = world.sent(run_id), world.of_recipients(run_id, GROUP_ID)
    later = NOW + timedelta(hours=1)
    with world.store.read() as session:
        due = receipts.due_groups(session, now=later, account_id=world.account_id, limit=10)
        assert receipts.due_groups(session, now=NOW, account_id=world.account_id, limit=10) == []
        waiting = {group.group_id: receipts.open_ids(session, group.id) for group in due}
    assert [group.messages for group in due] == [2, 2]
    assert sorted((group, id_) for group, ids in waiting.items() for id_ in ids) == sorted(
        (group, row.gateway_id or 0) for row, group in zip(rows, groups, strict=True)
    )

    # when all of the first group is delivered, and it is no longer scheduled
    done = [row.gateway_id or 0 for row in rows if row.message_group_id == due[0].id]
    with world.store.write() as session:
        delivered = [receipt(RecipientState.DELIVERED, gateway_id=id_) for id_ in done]
        receipts.apply_receipts(session, world.account_id, delivered)
        receipts.schedule_poll(session, [(due[0].id, None), (due[1].id, later)])

    # then only the other one is waited for
    with world.store.read() as session:
        assert receipts.open_ids(session, due[0].id) == []
        assert receipts.open_groups(session, [group.id for group in due]) == {due[1].id}
        again = receipts.due_groups(session, now=later, account_id=world.account_id, limit=10)
    assert [(group.id, group.polls) for group in again] == [(due[1].id, 1)]


def test_messages_without_a_group_are_waited_for_in_every_request(world: World) -> None:
    # given a gateway that does not name groups, and two requests
    run_id = world.run(people(4), per_request=2)
    for batch_id in world.batches(run_id):
        intent = world.intent(batch_id)
        world.accept(intent, world.placed(intent, group=None))

    with world.store.read() as session:
        due = receipts.due_groups(session, now=NOW + timedelta(hours=1), account_id=world.account_id, limit=10)
        waiting = [receipts.open_ids(session, group.id) for group in due]
    assert [len(ids) for ids in waiting] == [2, 2]
    assert {id_ for ids in waiting for id_ in ids} == {row.gateway_id for row in world.recipients(run_id)}


def test_reads_are_counted_in_the_books_of_a_run(world: World) -> None:
    run_id = world.run(people(1))
    with world.store.write() as session:
        receipts.count_reads(session, {run_id: 2})
        receipts.count_reads(session, {})
        receipts.count_reads(session, {run_id: 1})

    with world.store.read() as session:
        assert runs.run_view(session, run_id).read_requests == 3
