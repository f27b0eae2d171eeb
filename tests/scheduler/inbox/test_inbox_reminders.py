"""Reminders that other programs drop into the inbox: the same table again and again, or a folder for each day."""

import shutil
from datetime import timedelta

from campaigns.lifecycle import RecipientState, RunState
from scheduler.ticks.sending.missed import late
from tests.scheduler.inbox.inbox_world import InboxWorld
from tests.support.queueing import queue_due
from worker.store.reports.counts import books
from worker.store.reports.exports import export_pages
from worker.store.sending.claim import load_work
from worker.store.sending.intent import Intent, record_intent
from worker.store.sending.outcome import conclude_batch, release

FILE = (
    "campaign: visits\nmessage: 'See you on {{ at }}'\naudience: {file: visits.csv}\nfollow: {until: 1h}\n"
    "schedule: {timezone: Europe/Rome, remind: {column: at, before: [24h]}}\n"
)
ANNA, BOB = "+393330000001", "+393330000002"
"""The clock of these tests starts on Tuesday 2026-12-01 at 09:00 UTC, 10:00 in Rome."""


def drop(world: InboxWorld, folder: str, *rows: str, text: str = FILE) -> None:
    """Another program writes its folder."""
    world.write(f"{folder}/visits.csv", "\n".join(["number,at", *rows, ""]))
    world.write(f"{folder}/reminders.yaml", text)


def numbers(world: InboxWorld) -> dict[str, int]:
    """Day of a run -> how many are in it."""
    with world.runtime.store.read() as session:
        return {run.moment: books(session, run.id).audience for run in world.runs("visits")}


def work_through(world: InboxWorld) -> None:
    """Send and deliver everything of the runs that have begun."""
    world.start()
    for run in world.runs("visits"):
        if run.state is RunState.RUNNING:
            world.send_run(run.id)
    world.deliver()
    world.pass_time(5)


def test_a_folder_for_each_day_adds_to_one_campaign(world: InboxWorld) -> None:
    drop(world, "2026-12-01", f"{ANNA},2026-12-03 12:00")
    world.pass_time()
    drop(world, "2026-12-02", f"{ANNA},2026-12-03 12:00", f"{BOB},2026-12-03 13:00")
    world.pass_time()

    assert numbers(world) == {"2026-12-02": 2}
    assert "2 in the audience" in world.status("2026-12-02/reminders")


def test_a_table_that_is_dropped_again_adds_what_is_new(world: InboxWorld) -> None:
    drop(world, "box", f"{ANNA},2026-12-03 12:00")
    world.pass_time()
    world.clock.advance(timedelta(hours=26))
    world.pass_time()
    work_through(world)
    assert [line.split(",")[:2] for line in world.report("box/reminders")[1:]] == [[ANNA, "delivered"]]

    drop(world, "box", f"{ANNA},2026-12-03 12:00", f"{BOB},2026-12-05 13:00")
    world.pass_time()

    assert numbers(world) == {"2026-12-02": 1, "2026-12-04": 1}
    assert "Starts: Fri 2026-12-04 13:00 (Europe/Rome)" in world.status("box/reminders")
    assert "Run of 2026-12-02: completed" in world.status("box/reminders")


def test_old_folders_keep_their_report_and_may_be_tidied_away(world: InboxWorld) -> None:
    drop(world, "2026-12-01", f"{ANNA},2026-12-03 12:00")
    world.pass_time()
    drop(world, "2026-12-02", f"{BOB},2026-12-05 13:00")
    world.pass_time()
    world.clock.advance(timedelta(hours=26))
    world.pass_time()
    work_through(world)
    old = world.status("2026-12-01/reminders")
    assert "visits: completed" in old
    assert "Starts: Fri 2026-12-04" in world.status("2026-12-02/reminders")

    shutil.rmtree(world.inbox / "2026-12-01")
    world.pass_time(5)

    assert [run.state for run in world.runs("visits")] == [RunState.COMPLETED, RunState.SCHEDULED]


def test_removing_the_last_file_forgets_what_was_not_begun(world: InboxWorld) -> None:
    drop(world, "a", f"{ANNA},2026-12-03 12:00")
    drop(world, "b", f"{BOB},2026-12-05 13:00")
    world.pass_time()

    shutil.rmtree(world.inbox / "a")
    world.pass_time(5)
    assert len(world.runs("visits")) == 2
    (world.inbox / "b" / "reminders.yaml").unlink()
    world.pass_time(5)
    assert world.runs("visits") == []

    drop(world, "b", f"{BOB},2026-12-05 13:00")
    world.pass_time()
    assert numbers(world) == {"2026-12-04": 1}


def test_a_service_that_starts_again_plans_no_old_folder_anew(world: InboxWorld) -> None:
    drop(world, "2026-12-01", f"{ANNA},2026-12-03 12:00")
    world.pass_time()
    drop(world, "2026-12-02", f"{ANNA},2026-12-05 13:00")
    world.pass_time()

    world.restart()
    world.pass_time(5)

    states = {run.moment: run.state for run in world.runs("visits")}
    assert numbers(world) == {"2026-12-02": 1, "2026-12-04": 1}
    assert states["2026-12-04"] is RunState.SCHEDULED


def test_of_files_that_came_while_nobody_looked_the_newest_counts(world: InboxWorld) -> None:
    drop(world, "z-first", f"{ANNA},2026-12-03 12:00")
    drop(world, "a-second", f"{ANNA},2026-12-05 13:00")
    world.pass_time()

    work_through(world)
    world.clock.advance(timedelta(days=3, hours=4))
    work_through(world)

    with world.runtime.store.read() as session:
        rows = [row[:3] for run in world.runs("visits") for page in export_pages(session, run.id) for row in page]
    assert (ANNA, "cancelled", "the appointment was moved to 2026-12-05 13:00") in rows


def test_a_reminder_that_was_in_doubt_when_its_date_moved_is_withdrawn_once_it_was_not_sent(world: InboxWorld) -> None:
    drop(world, "box", f"{ANNA},2026-12-03 12:00")
    world.pass_time()
    world.clock.advance(timedelta(hours=26))
    world.start()
    now, (run,) = world.clock.now(), world.runs("visits")
    with world.runtime.store.write() as session:
        (batch_id,) = queue_due(session, run.id, now=now, room=100)
        work = load_work(session, batch_id)
        assert work is not None
        intent = record_intent(session, work, target="", now=now, send_by=timedelta(seconds=30))
        assert isinstance(intent, Intent)

    drop(world, "box", f"{ANNA},2026-12-05 12:00")
    world.pass_time()
    with world.runtime.store.write() as session:
        release(session, [each.id for each in intent.addressees], "proven not sent")
        conclude_batch(session, intent.batch_id, retry_at=now + timedelta(minutes=5))
    world.pass_time(65)

    with world.runtime.store.read() as session:
        assert books(session, run.id).by_state == {RecipientState.CANCELLED: 1}


def test_a_plain_file_cannot_join_a_campaign_that_reminds(world: InboxWorld) -> None:
    drop(world, "a", f"{ANNA},2026-12-03 12:00")
    world.pass_time()
    drop(world, "b", f"{BOB},2026-12-03 12:00", text="campaign: visits\nmessage: Hi\naudience: {file: visits.csv}\n")
    world.pass_time()

    assert "reminders.yaml is not used: a/reminders.yaml already is the campaign visits" in world.status("b/reminders")


def test_a_table_that_cannot_be_read_to_its_end_changes_nothing(world: InboxWorld) -> None:
    drop(world, "box", f"{ANNA},2026-12-03 12:00")
    world.pass_time()

    drop(world, "box", f"{ANNA},2026-12-05 12:00", f'{BOB},"' + "x" * 20_000)
    world.pass_time()

    assert "cell" in world.status("box/reminders")
    assert numbers(world) == {"2026-12-02": 1}


def test_the_report_of_a_day_that_is_over_follows_an_appointment_that_moves(world: InboxWorld) -> None:
    # given a reminder that was held for being late, and reported
    held = FILE.replace("[24h]}", "[24h]}, if_late: {within: 30m, otherwise: hold}")
    drop(world, "2026-12-01", f"{ANNA},2026-12-02 10:30", text=held)
    world.pass_time()
    world.clock.advance(timedelta(hours=1, minutes=5))
    world.start()
    late(world.runtime, world.clock.now())
    world.finish()
    world.pass_time()
    assert [line.split(",")[:2] for line in world.report("2026-12-01/reminders")[1:]] == [[ANNA, "held"]]

    # when the next export has another date
    drop(world, "2026-12-02", f"{ANNA},2026-12-05 10:30", text=held)
    world.pass_time()

    # then nobody has to decide about the old one any more
    (line,) = world.report("2026-12-01/reminders")[1:]
    assert line.split(",")[:3] == [ANNA, "cancelled", "the appointment was moved to 2026-12-05 10:30"]
    assert "held" not in world.status("2026-12-01/reminders")
