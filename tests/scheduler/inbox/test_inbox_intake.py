"""Campaign files are picked up when they are complete, and again when they change."""

import os
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from campaigns.lifecycle import RunState
from scheduler.rush import Rush
from scheduler.ticks.inbox import InboxTick
from tests.scheduler.inbox.inbox_world import PEOPLE, TEXT, TOMORROW, InboxWorld


def test_the_inbox_is_made_when_it_is_missing(world: InboxWorld) -> None:
    world.pass_time(0.5)

    assert world.inbox.is_dir()


def test_a_dropped_file_is_planned_within_two_seconds_of_its_last_byte(world: InboxWorld) -> None:
    world.drop(more=TOMORROW)

    counts = world.pass_time(2)

    assert counts == {"taken": 1, "removed": 0, "written": 1}
    assert world.a_run().state is RunState.SCHEDULED
    assert world.status() == (
        "spring-sale: planned, waits for its start\n"
        "Starts: Wed 2026-12-02 09:00 (Europe/Rome)\n"
        "Forecast: texts leave Wed 2026-12-02 09:00 (Europe/Rome)\n"
        "\n"
        "3 in the audience, of these\n"
        "2 pending (not sent yet)\n"
        "1 invalid (no text can be sent to this row)\n"
        "\n"
        "Last updated: Tue 2026-12-01 10:00:01 (Europe/Rome)\n"
        f"Installation: {world.runtime.installation}\n"
    )


def test_a_file_in_a_sub_folder_has_its_status_beside_it(world: InboxWorld) -> None:
    world.drop("shops/rome.yaml")

    world.pass_time()

    assert world.status("shops/rome").startswith("spring-sale: planned")


def test_a_table_that_is_still_being_copied_is_left_alone(world: InboxWorld) -> None:
    # given a campaign whose table grows
    world.drop()
    table = world.inbox / "people.csv"
    for number in range(8):
        with table.open("a", encoding="utf-8") as stream:
            stream.write(f"+39333123400{number},Eva\n")
        world.pass_time(0.5)
        # then nobody looks into it
        assert world.run() is None
    # when it is complete
    world.pass_time(2)
    # then everybody in it is planned
    assert "11 in the audience" in world.status()


def test_a_table_whose_accents_are_written_as_macos_writes_them_is_found(world: InboxWorld) -> None:
    composed, apart = "caf\u00e9.csv", "cafe\u0301.csv"
    for slug, asked, there in (("one", composed, apart), ("two", apart, composed)):
        world.write(f"{slug}/spring.yaml", TEXT.format(slug=slug, more=TOMORROW).replace("people.csv", asked))
        world.pass_time()
        world.write(f"{slug}/{there}", PEOPLE)
        world.pass_time()
        assert world.status(f"{slug}/spring").startswith(f"{slug}: planned")


def test_a_campaign_waits_for_a_table_that_comes_later(world: InboxWorld) -> None:
    world.write("spring.yaml", TEXT.format(slug="spring-sale", more=""))
    world.pass_time()
    waiting = world.status()

    world.write("people.csv", PEOPLE)
    world.pass_time()

    assert waiting.startswith("spring.yaml is waiting for people.csv. Nothing is sent.\n\nspring.yaml:3:18: audience")
    assert world.status().startswith("spring-sale: planned")


def test_every_error_of_a_broken_file_is_told_and_stops_no_other(world: InboxWorld) -> None:
    # given a broken file that comes before a good one
    world.write("a.yaml", "campaign: Spring Sale\nmesage: Hi\naudience: [{file: ../people.csv}]\n")
    world.drop("b.yaml")
    # when both are looked at
    world.pass_time()
    # then all errors are reported, without the inbox's path on this machine
    status = world.status("a")
    assert status.startswith("a.yaml cannot be used. Nothing is sent.\n\na.yaml:1:11: campaign: ")
    assert "a.yaml:2:1: mesage: " in status
    assert "is outside the folder" in status
    assert str(world.inbox) not in status
    # and the other is planned
    assert world.status("b").startswith("spring-sale: planned")


def test_a_mended_file_is_taken_up(world: InboxWorld) -> None:
    world.write("spring.yaml", "campaign: spring-sale\n")
    world.pass_time()

    world.drop()
    world.pass_time()

    assert world.status().startswith("spring-sale: planned")


def test_a_campaign_that_cannot_be_planned_says_why_once(world: InboxWorld) -> None:
    world.drop(more="throughput: {daily: 1}\n")
    world.write("people.csv", PEOPLE + "+393331234568," + "x" * 200 + "\n")

    world.pass_time()

    assert world.a_run().state is RunState.FAILED
    assert world.status().count("it could never go out") == 1
    assert "Nothing is sent." in world.status()


def test_a_table_that_breaks_off_is_told_with_its_place(world: InboxWorld) -> None:
    world.drop()
    world.write("people.csv", PEOPLE + "+393331234568," + "x" * 20_000 + "\n")

    world.pass_time()

    assert world.status().count("line 5: a cell is over 10,000 characters long") == 1
    assert world.run() is None


def test_s2_a_table_that_cannot_be_read_is_not_read_again_until_it_changes(world: InboxWorld) -> None:
    world.drop().write_text(TEXT.format(slug="spring-sale", more="").replace("people.csv", "people.xlsx"))
    table = world.write("people.xlsx", "no workbook")
    assert world.pass_time()["taken"] == 1
    told = world.status()

    assert (world.pass_time(300)["taken"], world.status()) == (0, told)
    table.write_text("still no workbook")
    assert world.pass_time()["taken"] == 1


def test_s2_a_stop_waits_for_no_file_that_is_not_begun(world: InboxWorld) -> None:
    stop = threading.Event()
    world.tick = InboxTick(Rush(), stop.is_set)
    world.drop(more=TOMORROW)
    stop.set()
    assert (world.pass_time()["taken"], world.run()) == (0, None)
    stop.clear()
    assert world.pass_time()["taken"] == 1


def test_an_internal_error_stays_with_its_file_and_is_tried_again(world: InboxWorld) -> None:
    # given a database that refuses the people of the first of two campaigns
    world.drop("a.yaml")
    world.write("b.yaml", "campaign: other\nmessage: Hi\naudience: [{recipients: [{number: '+393200000001'}]}]\n")
    world.execute(
        "CREATE TRIGGER no_anna BEFORE INSERT ON recipient WHEN NEW.number = '+393331234567' "
        "BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    # when both are picked up
    world.pass_time()
    # then only the first says that something is wrong
    assert "could not be read because of an internal error, see the log" in world.status("a")
    assert world.status("b").startswith("other: planned")
    # and a minute after the cause is gone, it is planned
    world.execute("DROP TRIGGER no_anna")
    world.pass_time(60)
    assert world.status("a").startswith("spring-sale: planned")
    assert "internal error" not in world.status("a")


def test_a_second_file_of_the_same_campaign_is_refused_and_changes_nothing(world: InboxWorld) -> None:
    world.drop("first.yaml")
    world.pass_time()
    before = world.run()

    world.write("second.yaml", TEXT.format(slug="spring-sale", more=TOMORROW))
    world.pass_time()

    assert world.status("second").startswith(
        "second.yaml is not used: first.yaml already is the campaign spring-sale. Give this one another name"
    )
    assert world.run() == before


def test_the_second_file_takes_over_when_the_first_is_removed(world: InboxWorld) -> None:
    first = world.drop("first.yaml")
    world.drop("second.yaml", more=TOMORROW)
    world.pass_time()

    first.unlink()
    world.pass_time(4)

    assert world.a_run().state is RunState.SCHEDULED
    assert "Starts: Wed 2026-12-02" in world.status("second")
    assert world.status("first").startswith("first.yaml is gone; its campaign continues as second.yaml")


@pytest.mark.parametrize("replace_by_rename", [False, True])
def test_an_edit_before_anything_was_sent_makes_a_new_plan(world: InboxWorld, replace_by_rename: bool) -> None:
    path = world.drop()
    world.pass_time()

    if replace_by_rename:
        world.write("draft", TEXT.format(slug="spring-sale", more=TOMORROW)).rename(path)
    else:
        world.drop(more=TOMORROW)
    world.pass_time()

    assert "Starts: Wed 2026-12-02 09:00" in world.status()


def test_new_defaults_make_a_new_plan(world: InboxWorld) -> None:
    world.drop()
    world.pass_time()

    world.write("defaults.yaml", TOMORROW)
    world.pass_time()

    assert "Starts: Wed 2026-12-02 09:00" in world.status()
    assert world.status("defaults") == ""


def test_an_edit_after_sending_began_is_refused_until_it_is_undone(world: InboxWorld) -> None:
    # given a campaign that was sent
    path = world.drop()
    before = path.read_text(encoding="utf-8")
    world.pass_time()
    world.send()
    # when its text is changed
    path.write_text(before.replace("Hi", "Hello"), encoding="utf-8")
    world.pass_time()
    # then the refusal is above the counts, even after a restart
    world.restart()
    world.pass_time()
    refusal, _, counts = world.status().partition("\n\n")
    assert refusal.startswith("spring.yaml was changed after spring-sale began to send; it continues as planned.")
    assert "2 accepted" in counts
    # and disappears when the change is undone
    path.write_text(before, encoding="utf-8")
    world.pass_time()
    assert world.status().startswith("spring-sale: sending")


def test_an_edit_of_only_limits_counts_while_it_is_sent(world: InboxWorld) -> None:
    path = world.drop()
    world.pass_time()
    world.send()
    planned_with = world.a_run().definition_id

    path.write_text(path.read_text(encoding="utf-8") + "throughput: {rate: 7/hour, daily: 90}\n", encoding="utf-8")
    world.pass_time()

    run = world.a_run()
    assert world.status().startswith("spring-sale: ")
    assert run.definition_id != planned_with
    assert str(world.runtime.definitions.get(run.definition_id).throughput.rate) == "7/hour"


def test_who_is_new_in_a_table_after_sending_began_is_added(world: InboxWorld) -> None:
    world.drop()
    world.pass_time()
    world.send()

    world.write("people.csv", PEOPLE + "+393331112223,Eva\n")
    world.pass_time()

    assert world.status().startswith("spring.yaml was read again: 1 row that is new in its tables was added")
    assert "4 in the audience" in world.status()


def test_a_table_used_again_reopens_no_campaign_that_is_over_unless_its_file_is_saved_again(world: InboxWorld) -> None:
    path = world.drop()
    world.pass_time()
    world.send()
    world.deliver()
    world.pass_time(5)
    assert len(world.report()) == 4

    world.write("people.csv", PEOPLE + "+393331112223,Eva\n")
    world.pass_time()
    assert "save this file once more" in world.status()
    assert world.a_run().state is RunState.COMPLETED

    now = world.clock.now().timestamp()
    os.utime(path, (now, now))
    world.pass_time()
    assert world.a_run().state is RunState.RUNNING
    world.send_run(world.a_run().id)
    world.deliver()
    world.pass_time(5)
    assert [line.split(",")[1] for line in world.report()[1:]] == ["delivered", "delivered", "invalid", "delivered"]


def test_a_broken_edit_leaves_the_version_before_in_force(world: InboxWorld) -> None:
    path = world.drop(more=TOMORROW)
    world.pass_time()

    path.write_text("campaign: spring-sale\n", encoding="utf-8")
    world.pass_time()

    assert world.status().startswith("spring.yaml cannot be used. The version before it stays in force, see below.")
    assert "spring-sale: planned, waits for its start" in world.status()
    assert world.a_run().state is RunState.SCHEDULED


def test_a_file_that_becomes_another_campaign_cancels_the_first(world: InboxWorld) -> None:
    world.drop(more=TOMORROW)
    world.pass_time()

    world.drop(slug="summer-sale")
    world.pass_time()

    assert world.a_run("spring-sale").state is RunState.CANCELLED
    assert world.a_run("spring-sale").reason == "its file was changed into another campaign"
    assert world.status().startswith("summer-sale: planned")


def test_a_restart_plans_nothing_that_is_known(world: InboxWorld) -> None:
    world.drop()
    world.pass_time()
    before = world.run()

    world.restart()
    counts = world.pass_time()

    assert counts == {"taken": 0, "removed": 0, "written": 0}
    assert world.run() == before


def test_a_restart_plans_again_what_was_left_half_planned(world: InboxWorld) -> None:
    world.drop()
    world.pass_time()
    world.execute("UPDATE run SET planned_at = NULL")
    world.execute("DELETE FROM recipient WHERE occurrence = 0 AND number LIKE '%567'")

    world.restart()
    world.pass_time()

    assert world.a_run().planned_at is not None
    assert "3 in the audience" in world.status()


def test_a_finished_campaign_is_not_sent_again(world: InboxWorld) -> None:
    world.drop()
    world.pass_time()
    world.send()
    world.finish()
    world.deliver()
    world.pass_time()

    world.drop(more=TOMORROW)
    world.pass_time()

    assert world.status().startswith("spring.yaml sends nothing more: the campaign spring-sale is over, see below.")
    assert world.a_run().state is RunState.COMPLETED


def test_a_rehearsal_leaves_the_real_thing_to_be_done(tmp_path: Path) -> None:
    # given a campaign that was rehearsed
    rehearsal = InboxWorld(tmp_path, rehearsal=True)
    rehearsal.drop()
    rehearsal.pass_time()
    assert "This is a rehearsal in the sandbox: no text reaches a phone." in rehearsal.status()
    rehearsal.close()
    # when the real service looks into the same inbox
    world = InboxWorld(tmp_path)
    world.pass_time()
    # then it is planned for real
    assert not world.a_run().rehearsal
    assert "rehearsal" not in world.status()
    world.close()


def test_a_service_that_starts_does_not_read_all_files_for_each(world: InboxWorld) -> None:
    # given files without any news
    for n in range(20):
        world.drop(f"{n}.yaml", slug=f"campaign-{n}", more=TOMORROW)
    world.pass_time()
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        if "inbox_file" in statement and "LIKE" in statement:
            asked.append(statement)

    # when another process takes the inbox over
    world.restart()
    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        world.pass_time(2.5)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)

    # then each look reads what is known about them once
    assert 0 < len(asked) <= 5
