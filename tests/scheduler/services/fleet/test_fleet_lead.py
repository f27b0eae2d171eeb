"""Two schedulers: one runs the clock, the other takes over, and a leader that wakes up too late has no effect."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import select

from scheduler.processes.leader import LeaseLock
from tests.scheduler.services.fleet.fleet_world import FIRST, STOPPED, fleet, is_stopped, kill_9, wake
from worker.store import leases
from worker.store.engine import Store
from worker.store.leases import LostLease
from worker.store.migrate import migrate
from worker.store.models import Event

TAKE_OVER_SECONDS = 15.0


def test_another_scheduler_takes_over_from_one_that_was_killed(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    with fleet(tmp_path, postgres_url, redis_url) as world:
        # given two schedulers, one of which leads, and a campaign that is being sent
        leader, standby, _ = world.start("scheduler"), world.start("scheduler"), world.start("worker")
        audience = world.send(recipients=150, rate=15)
        assert world.is_led_by(leader)
        token = world.lease()[1]

        # when the one that leads is killed
        kill_9(leader)
        seconds = world.await_(lambda: world.is_led_by(standby))

        # then the other one soon leads, and everybody is sent to once
        world.await_end(audience)
        found = world.judge(audience)
        assert (found.violations, found.stored, found.held) == ((), 150, 0)
        assert seconds < TAKE_OVER_SECONDS
        assert world.lease()[1] == token + 1


@pytest.mark.parametrize("point", ["queue:before_commit", pytest.param("queue:committed", marks=pytest.mark.proof)])
def test_a_leader_that_wakes_up_after_the_take_over_writes_nothing(
    tmp_path: Path, postgres_url: str, redis_url: str, point: str
) -> None:
    with fleet(tmp_path, postgres_url, redis_url) as world:
        # given a leader that is stopped while it queues batches, in the middle of the transaction or right after it
        leader = world.start("scheduler", victim=(*STOPPED, "--crash", f"{point}:4"))
        world.watch_writers()
        standby, _ = world.start("scheduler"), world.start("worker")
        audience = world.send(recipients=100, rate=15)
        world.await_(lambda: is_stopped(leader))

        # when another one has taken over and the first wakes up
        seconds = world.await_(lambda: world.is_led_by(standby))
        wake(leader)
        world.await_(lambda: world.said("scheduler.lost_the_lead") == 1)

        # then it stands by, and nothing that it wrote is later than the take-over
        world.await_end(audience)
        found = world.judge(audience)
        assert (found.violations, found.stored, found.held) == ((), 100, 0)
        assert seconds < TAKE_OVER_SECONDS
        assert world.is_led_by(standby)
        assert leader.exitcode is None
        assert len(world.written_by_first()) > 0
        assert max(world.written_by_first()) < world.take_overs()[-1]


def test_a_second_up_sends_as_well_and_stands_by_for_the_clock(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    with fleet(tmp_path, postgres_url, redis_url) as world:
        # given two processes that do everything, on the same PostgreSQL and Redis
        first, second = world.start("up", victim=FIRST), world.start("up")
        world.watch_writers()
        audience = world.send(recipients=200, rate=20)
        before = world.stage.stored()
        assert world.is_led_by(first)

        # when only the second one is left
        kill_9(first)
        seconds = world.await_(lambda: world.is_led_by(second))

        # then it does everything
        world.await_end(audience)
        found = world.judge(audience)
        assert (found.violations, found.stored, found.held) == ((), 200, 0)
        assert seconds < TAKE_OVER_SECONDS
        assert before < 200


def test_without_redis_a_second_process_is_refused_in_one_sentence(tmp_path: Path, postgres_url: str) -> None:
    with fleet(tmp_path, postgres_url, "") as world:
        # given a process that keeps the rates on its own
        first = world.start("up")
        # when another one begins
        second = world.stage.product.run("up")
        # then it says what to do
        assert second.code == 2
        assert second.stderr.splitlines()[-1].startswith(f"another process (process {first.pid} on ")
        assert "set CAMPAIGNS_REDIS_URL for both" in second.stderr


@pytest.fixture
def stores(postgres_url: str) -> Iterator[tuple[Store, Store]]:
    """The database as two processes see it."""
    both = Store(postgres_url), Store(postgres_url)
    migrate(both[0])
    yield both
    for store in both:
        store.close()


def test_the_lease_has_one_holder_and_a_larger_token_for_each(stores: tuple[Store, Store]) -> None:
    first, second = (LeaseLock(store, "clock") for store in stores)
    # given
    assert first.acquire()
    assert first.acquire()
    assert not second.acquire()
    ticks = first.guard(stores[0])
    # when it is given back and taken by another process
    first.release()
    assert second.acquire()
    assert not first.acquire()
    # then what the first one still wants to write is rolled back
    with pytest.raises(LostLease, match="another process took the lease `clock`"), ticks.write() as session:
        session.add(Event(at=datetime.now(UTC), name="late"))
    with second.guard(stores[1]).write() as session:
        assert session.exec(select(Event)).all() == []
    second.release()


def test_a_renewal_does_not_wait_for_ticks_and_a_take_over_does(stores: tuple[Store, Store]) -> None:
    ours, theirs = stores
    with ours.write() as session:
        token = leases.take(session, "clock", "first")
    assert token == 1
    with ours.fenced(leases.fence("clock", token)).write():
        # when a transaction of the holder is under way
        with theirs.write() as session:
            assert leases.renew(session, "clock", token)
            leases.give_back(session, "clock", token)
        lock = LeaseLock(theirs, "clock")
        # then nobody takes over, and the look does not wait for the transaction, which ends after it
        assert not lock.acquire()
    assert lock.acquire()
    lock.release()
    # and it waits for less than 5 s, by the server's own timer
    with theirs.write() as session:
        leases.take(session, "clock", "second")
        setting = sa.text("SELECT extract(epoch FROM current_setting('lock_timeout')::interval)")
        assert 0 < session.execute(setting).scalar_one() < 5
