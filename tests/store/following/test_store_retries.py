"""A text that was about to be sent again, and turns out to have been sent the first time."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import select

from campaigns.lifecycle import RecipientState
from tests.store.store_world import NOW, World, people
from worker.store.following import failed_text_watch
from worker.store.models import Recipient, Retry


@pytest.fixture
def waiting(world: World) -> tuple[World, int]:
    """Two failed texts that wait in a request to be sent again."""
    run_id = world.run(people(2))
    world.sent(run_id)
    with world.store.write("given") as session:
        for row in world.recipients(run_id):
            assert row.batch_id is not None
            assert row.gateway_id is not None
            session.add(
                Retry(
                    run_id=run_id,
                    recipient_id=row.id,
                    batch_id=row.batch_id,
                    gateway_id=row.gateway_id,
                    device=7,
                    sim=1,
                    result_code=4,
                    gateway_retries=0,
                    segments=1,
                    noticed_at=NOW,
                    due_at=None,
                    began_at=NOW,
                )
            )
        session.execute(
            sa.update(Recipient).values(state=RecipientState.PENDING, gateway_id=None, message_group_id=None)
        )
    return world, run_id


def test_who_is_in_no_request_yet_is_sent_to_by_the_first_message(waiting: tuple[World, int]) -> None:
    world, run_id = waiting
    first, second = world.recipients(run_id)
    with world.store.read() as session:
        gateway_id = session.exec(select(Retry.gateway_id).where(Retry.recipient_id == first.id)).one()

    with world.store.write("sent_after_all") as session:
        doubled = failed_text_watch.record_sent_after_all(
            session, world.account_id, [gateway_id], now=NOW + timedelta(minutes=1)
        )

    assert doubled == []
    found = {row.id: row for row in world.recipients(run_id)}
    assert (found[first.id].state, found[first.id].gateway_id) == (RecipientState.SENT, gateway_id)
    assert (found[first.id].device, found[first.id].message_group_id is None) == (7, False)
    assert found[second.id].state is RecipientState.PENDING


def test_who_was_sent_it_again_has_it_twice(waiting: tuple[World, int]) -> None:
    world, run_id = waiting
    first, _ = world.recipients(run_id)
    with world.store.write("again") as session:
        session.execute(sa.update(Recipient).values(state=RecipientState.SENT))
        gateway_id = session.exec(select(Retry.gateway_id).where(Retry.recipient_id == first.id)).one()

    with world.store.write("sent_after_all") as session:
        doubled = failed_text_watch.record_sent_after_all(session, world.account_id, [gateway_id], now=NOW)

    assert [entry.recipient_id for entry in doubled] == [first.id]
