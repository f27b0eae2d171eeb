"""Campaigns that repeat, as the inbox shows them: one run after the other, until the file is removed."""

from datetime import timedelta

from campaigns.lifecycle import RunState
from tests.scheduler.inbox.inbox_world import InboxWorld
from worker.store.runs import runs

DAILY = "schedule: {timezone: Europe/Rome, repeat: {cron: '0 11 * * *'}}\nfollow: {until: 2h}\n"
"""The clock of these tests starts on Tuesday 2026-12-01 at 09:00 UTC, 10:00 in Rome."""


def to_next_run(world: InboxWorld) -> None:
    """Plan, send and deliver the run at its moment, and write what appears next to its file."""
    run = world.runs()[-1]
    world.clock.advance(run.starts_at - timedelta(minutes=2) - world.clock.now())
    world.pass_time()
    world.clock.advance(timedelta(minutes=2))
    world.start()
    world.send_run(run.id)
    world.deliver()
    world.pass_time(5)


def test_what_stands_beside_the_file_is_about_one_run_after_the_other(world: InboxWorld) -> None:
    world.drop(more=DAILY)
    world.pass_time()
    assert "spring-sale: waits for its next run, which is planned shortly before" in world.status()
    assert "Starts: Tue 2026-12-01 11:00 (Europe/Rome)" in world.status()
    assert world.report() == []

    to_next_run(world)

    # then the report of the first run is there, and the status is about the second
    assert [line.split(",")[1] for line in world.report()] == ["state", "delivered", "delivered", "invalid"]
    assert "Starts: Wed 2026-12-02 11:00 (Europe/Rome)" in world.status()
    assert "Run of Tue 2026-12-01 11:00 (Europe/Rome): completed" in world.status()

    world.write("people.csv", "number,first_name\n+393331234567,Anna\n")
    to_next_run(world)

    assert [line.split(",")[1] for line in world.report()] == ["state", "delivered"]
    assert [run.state for run in world.runs()] == [RunState.COMPLETED, RunState.COMPLETED, RunState.SCHEDULED]


def test_removing_the_file_ends_it_and_its_return_goes_on(world: InboxWorld) -> None:
    path = world.drop(more=DAILY)
    world.pass_time()
    to_next_run(world)

    path.unlink()
    world.pass_time(5)
    assert [run.state for run in world.runs()] == [RunState.COMPLETED]
    world.clock.advance(timedelta(days=2))
    world.pass_time()
    assert len(world.runs()) == 1

    world.drop(more=DAILY)
    world.pass_time()

    assert [run.moment for run in world.runs()] == ["2026-12-01T10:00:00Z", "2026-12-04T10:00:00Z"]


def test_a_file_that_is_removed_before_its_first_run_is_cancelled(world: InboxWorld) -> None:
    path = world.drop(more=DAILY)
    world.pass_time()

    path.unlink()
    world.pass_time(5)

    assert world.runs() == []
    assert "Cancelled: spring.yaml was removed from the inbox. Nothing was sent." in world.status()


def test_a_second_file_of_the_same_campaign_is_refused_whichever_run_the_first_stands_for(world: InboxWorld) -> None:
    world.drop(more=DAILY)
    world.pass_time()
    to_next_run(world)

    world.drop("again.yaml", more=DAILY)
    world.pass_time()

    assert "again.yaml is not used: spring.yaml already is the campaign spring-sale" in world.status("again")


def test_a_service_that_starts_again_goes_on_where_it_was(world: InboxWorld) -> None:
    world.drop(more=DAILY)
    world.pass_time()
    to_next_run(world)

    world.restart()
    world.pass_time(5)

    assert [run.state for run in world.runs()] == [RunState.COMPLETED, RunState.SCHEDULED]


def test_taking_repeat_out_of_the_file_is_refused_once_it_was_sent(world: InboxWorld) -> None:
    world.drop(more=DAILY)
    world.pass_time()
    to_next_run(world)

    world.drop()
    world.pass_time()

    assert "no longer repeats, but spring-sale was sent before; it continues" in world.status()
    assert [run.state for run in world.runs()] == [RunState.COMPLETED, RunState.SCHEDULED]


def test_a_run_that_could_not_be_planned_is_shown_until_its_table_is_mended(world: InboxWorld) -> None:
    world.drop(more=DAILY)
    world.pass_time()
    world.clock.advance(timedelta(minutes=57))
    (world.inbox / "people.csv").unlink()

    world.pass_time(1)
    assert world.runs()[0].state is RunState.FAILED
    world.pass_time()
    assert "waiting for people.csv" in world.status()

    world.drop(more=DAILY)
    world.pass_time()

    assert world.runs()[0].state is RunState.SCHEDULED
    assert world.runs()[0].planned_at is not None


def test_the_latest_run_of_a_campaign_is_the_one_that_has_begun(world: InboxWorld) -> None:
    world.drop(more=DAILY)
    world.pass_time()
    to_next_run(world)

    first, _ = world.runs()
    with world.runtime.store.read() as session:
        found = runs.find_run(session, "spring-sale")
    assert found == first
