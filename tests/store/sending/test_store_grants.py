"""What the database says was granted, and what waits for a budget."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from campaigns.lifecycle import BatchState
from tests.store.store_world import NOW, World, people
from worker.limits.ledger import StoreLedger
from worker.store.models import Attempt, AttemptState
from worker.store.sending import grants
from worker.store.tables import batches as batch_table
from worker.throttle import Budget, Granted, RateLimit

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def grant(world: World, run_id: int, *moments: float, target: str = "", segments: int = 2, outcome: str = "") -> None:
    """Attempts of the run, granted this many seconds after `NOW`."""
    with world.store.write() as session:
        for place, seconds in enumerate(moments):
            session.add(
                Attempt(
                    run_id=run_id,
                    batch_id=1,
                    number=place,
                    state=AttemptState.CLOSED,
                    started_at=NOW,
                    send_by=NOW,
                    id_floor=0,
                    payload_hash="",
                    target=target,
                    recipients=1,
                    segments=segments,
                    granted_at=NOW + timedelta(seconds=seconds),
                    outcome=outcome,
                    next_check_at=NOW,
                )
            )


def today(key: str) -> Budget:
    return Budget(key, 1_000, NOW, NOW + DAY)


@pytest.mark.parametrize(
    ("key", "segments"),
    [
        ("account:k", 2 + 3 + 5 + 7 + 11),
        ("run:{run}", 2 + 3 + 5 + 7),
        ("device:k:primary", 2 + 11),
        ("device:k:1", 3),
        ("device:k:2|0", 5),
        ("device:k:any", 2 + 7 + 11),  # a request to the primary device looks the same: better too much than too little
    ],
)
def test_a_budget_counts_what_was_granted_to_whom_it_is_for(world: World, key: str, segments: int) -> None:
    run_id, other = world.run(people(1)), world.run(people(1, first=9), campaign="other")
    for target, cost in (("", 2), ("1", 3), ("2|0", 5), ("1,2|0", 7)):
        grant(world, run_id, 1, target=target, segments=cost)
    grant(world, other, 2, segments=11)
    # given grants that do not count: of another day, or proven not sent
    grant(world, run_id, -1, DAY.total_seconds(), target="1", segments=100)
    grant(world, run_id, 3, target="1", segments=100, outcome="not_sent")

    ledger = StoreLedger(world.store, world.account_id)

    now = NOW + HOUR
    assert ledger(today(key.format(run=run_id)), now) == [(now, segments)]


def test_a_level_is_told_the_moments_of_its_window_in_order(world: World) -> None:
    run_id = world.run(people(1))
    grant(world, run_id, 30.5, 0.25, 0.0, 59.9, 60.0)

    told = StoreLedger(world.store, world.account_id)(
        RateLimit(f"run:{run_id}", 10, timedelta(minutes=1)), NOW + timedelta(minutes=1)
    )

    # the first one left the window at this moment
    assert told == [(NOW + timedelta(seconds=seconds), 2) for seconds in (0.25, 30.5, 59.9, 60.0)]


def test_many_grants_of_a_moment_are_told_as_one_at_the_last_of_them(world: World) -> None:
    run_id = world.run(people(1))
    grant(world, run_id, 10.1001, 10.1002, 10.1013, 10.9)

    def told(per: timedelta) -> list[Granted]:
        return StoreLedger(world.store, world.account_id)(
            RateLimit(f"run:{run_id}", 10, per), NOW + timedelta(seconds=20)
        )

    assert told(timedelta(minutes=1)) == [
        (NOW + timedelta(seconds=seconds), cost) for seconds, cost in ((10.1002, 4), (10.1013, 2), (10.9, 2))
    ]
    assert told(HOUR) == [(NOW + timedelta(seconds=10.9), 8)]


def test_a_run_waits_for_the_end_of_a_period_as_a_whole_and_can_be_woken(world: World) -> None:
    # given a run with a batch in the queue, one that waits longer anyway, and one in a request
    run_id, other = world.run(people(9), per_request=2), world.run(people(2, first=50), campaign="other")
    queued, long, sending, *_ = batches = world.batches(run_id)
    until, later = NOW + DAY, NOW + 2 * DAY
    with world.store.write() as session:
        for batch_id, values in ((queued, {"state": "queued"}), (long, {"not_before": later, "reason": "an error"})):
            session.execute(sa.update(batch_table).where(batch_table.c.id == batch_id).values(**values))
    world.intent(sending)

    with world.store.write() as session:
        assert grants.postpone_run(session, run_id, until=until) == 3

    waits = {batch_id: world.batch(batch_id).not_before for batch_id in batches}
    assert waits == dict.fromkeys(batches, until) | {long: later, sending: NOW}
    assert world.batch_state(queued) is BatchState.PLANNED
    assert world.batch(world.batches(other)[0]).not_before == NOW
    # when the budget is raised
    with world.store.write() as session:
        assert grants.wake_spent(session, world.account_id, now=NOW + HOUR) == 3
    # then those are due, and what waits for another reason is not
    assert world.batch(queued).not_before == NOW + HOUR
    assert world.batch(long).not_before == later
