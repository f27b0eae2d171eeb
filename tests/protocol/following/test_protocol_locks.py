"""Ticks that work on one run at the same time, on PostgreSQL: they lock its rows in one order."""

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from scheduler.ticks.following import follow
from tests.protocol.world.harness import Installation
from worker.servers.conditions import Trouble, trouble_of
from worker.store.engine import Store
from worker.store.following import receipts
from worker.store.runs import run_ends
from worker.store.tables import groups, runs

on_postgresql = pytest.mark.parametrize("bench_on_both", ["postgres_store"], indirect=True)

SLEEPS = """
CREATE FUNCTION sleeps() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END $$;
CREATE TRIGGER sleeps AFTER UPDATE ON message_group FOR EACH ROW EXECUTE FUNCTION sleeps()
"""


def wait_until(store: Store, event: str) -> None:
    """Wait until a connection waits for this event (`pg_stat_activity`)."""
    query = sa.text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = :event")
    with store.engine.connect() as connection:
        while not connection.execute(query, {"event": event}).scalar_one():
            connection.rollback()


@on_postgresql
def test_a_run_can_end_while_its_reads_are_counted(bench_on_both: Installation) -> None:
    bench = bench_on_both
    run_id = bench.campaign(2)
    bench.pass_time(5)
    with bench.store.read() as session:
        account = bench.runtime.account_id
        due = receipts.due_groups(session, now=bench.clock.now() + timedelta(hours=1), account_id=account, limit=10)
    assert due

    def finish() -> bool:
        with bench.store.write("finish") as session:
            return run_ends.finish_run(session, run_id, bench.clock.now())

    with bench.store.write() as session:
        session.execute(sa.text(SLEEPS))
        session.execute(sa.update(runs).where(runs.c.id == run_id).values(state="settling"))
    try:
        with ThreadPoolExecutor(2) as pool:
            polls = [(group, None) for group in due]
            polling = pool.submit(follow._schedule, bench.runtime, polls, Counter({run_id: 1}))
            wait_until(bench.store, "PgSleep")  # the groups are locked, and the run is not
            ending = pool.submit(finish)
            assert polling.result() is None
            assert ending.result()
    finally:
        with bench.store.write() as session:
            session.execute(sa.text("DROP FUNCTION sleeps() CASCADE"))
    assert bench.run(run_id).read_requests >= 1


@on_postgresql
def test_a_deadlock_is_a_condition_that_passes(bench_on_both: Installation) -> None:
    bench = bench_on_both
    run_id = bench.campaign(1)
    bench.pass_time(5)
    both = threading.Barrier(2)
    a_run = sa.update(runs).where(runs.c.id == run_id).values(reason=runs.c.reason)
    its_groups = sa.update(groups).where(groups.c.run_id == run_id).values(polls=groups.c.polls)

    def lock(first: sa.Update, second: sa.Update) -> Trouble | None:
        def work(session: Session) -> None:
            session.execute(first)
            both.wait()
            session.execute(second)

        return trouble_in(bench.store, work)

    with ThreadPoolExecutor(2) as pool:
        ends = [pool.submit(lock, *order) for order in ((a_run, its_groups), (its_groups, a_run))]
        assert {end.result() for end in ends} == {None, Trouble.DATABASE_CONFLICT}


def trouble_in(store: Store, work: Callable[[Session], None]) -> Trouble | None:
    """What a transaction fails with; None if it commits."""
    try:
        with store.write() as session:
            work(session)
    except sa.exc.DBAPIError as error:
        return trouble_of(error)
    return None
