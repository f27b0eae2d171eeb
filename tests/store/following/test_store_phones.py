"""What phones have, sent and could not send is kept beside their texts, whatever is written and however."""

from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from campaigns.lifecycle import RecipientState
from tests.store.store_world import NOW, World, people
from worker.store.following.devices import DeviceView, devices_seen
from worker.store.kept.phones import fill, fold, phones_unlike_rows
from worker.store.tables import phone_counts, recipients

LATER = NOW + timedelta(minutes=1)


def seen(world: World) -> list[DeviceView]:
    with world.store.read() as session:
        assert phones_unlike_rows(session) == {}
        return devices_seen(session, world.account_id)


def put(world: World, *ids: int, **values: Any) -> None:
    with world.store.write() as session:
        session.execute(sa.update(recipients).where(recipients.c.id.in_(ids)).values(values))


def test_texts_that_wait_were_sent_or_failed_are_kept_by_phone_and_sim(world: World) -> None:
    one, two, three, four = (row.id for row in world.sent(world.run(people(4), per_request=4)))
    assert seen(world) == [DeviceView(1, 0, 4, 0, 0, None)]

    put(world, one, device=2, sim=None)
    put(world, two, state=RecipientState.SENT, sent_at=LATER)
    put(world, three, state=RecipientState.DELIVERED)  # the gateway never said when it was sent
    put(world, four, state=RecipientState.FAILED)
    assert seen(world) == [DeviceView(1, 0, 0, 2, 1, LATER), DeviceView(2, None, 1, 0, 0, None)]

    put(world, two, state=RecipientState.DELIVERED)
    put(world, four, state=RecipientState.PENDING, device=None)
    with world.store.write() as session:
        session.execute(sa.delete(recipients).where(recipients.c.id == one))
    assert seen(world) == [DeviceView(1, 0, 0, 2, 0, LATER)]


def test_the_shards_of_phones_become_one_and_a_database_of_before_is_counted(world: World) -> None:
    world.sent(world.run(people(4), per_request=4))
    before = seen(world)
    with world.store.write() as session:
        fold(session)
    with world.store.read() as session:
        assert set(session.scalars(sa.select(phone_counts.c.shard))) == {0}
    assert seen(world) == before

    with world.store.write() as session:
        session.execute(sa.delete(phone_counts))
        assert phones_unlike_rows(session) == {(world.account_id, 1, 0, "waiting"): (0, 4)}
        fill(session.connection())
    assert seen(world) == before
