"""Pages go on after a row's id, and look at a bounded part of a table."""

import sqlalchemy as sa

from campaigns.lifecycle import RecipientState
from tests.store.store_world import World, people
from worker.store.reports.keyset import rows_after
from worker.store.tables import recipients


def test_a_filter_looks_at_a_bounded_part_and_says_where_to_go_on(world: World) -> None:
    run_id = world.run([*people(20), *people(5, first=20, state=RecipientState.INVALID)])
    world.run(people(3, first=50), campaign="other")
    found = list[int]()
    place: int | None = 0
    with world.store.read() as session:
        while place is not None:
            rows, place = rows_after(
                session,
                sa.select(recipients.c.id),
                recipients.c.id,
                among=[recipients.c.run_id == run_id],
                only=[recipients.c.state == RecipientState.INVALID],
                after=place,
                limit=4,
                scanned=8,
            )
            found.append(len(rows))
    assert found == [0, 0, 4, 1]
