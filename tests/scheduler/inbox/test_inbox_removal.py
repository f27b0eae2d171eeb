"""Removing a file cancels what waits, and only that; a file or folder that disappears for a moment cancels nothing."""

import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from campaigns.codes import PausedBy
from campaigns.lifecycle import RunState
from tests.scheduler.inbox.inbox_world import PEOPLE, TOMORROW, InboxWorld
from worker.store.runs import inbox_files, runs

SLEEPING = "schedule: {window: {from: '22:00', to: '23:00'}}\n"
"""Sending hours that are still to come when the tests begin."""


def leave(world: InboxWorld) -> None:
    assert world.a_run().state is RunState.SCHEDULED


def pause(world: InboxWorld) -> None:
    with world.runtime.store.write() as session:
        assert runs.pause_run(session, world.a_run().id, PausedBy.PERSON, "by hand", now=world.clock.now())


def known_files(world: InboxWorld) -> list[str]:
    with world.runtime.store.read() as session:
        return [path.rpartition("/")[2] for path in inbox_files.inbox_entries(session)]


@pytest.mark.parametrize(
    ("more", "before"),
    [
        pytest.param(TOMORROW, leave, id="scheduled"),
        pytest.param(TOMORROW, pause, id="paused"),
        pytest.param(SLEEPING, InboxWorld.start, id="running, but its sending hours have not come"),
    ],
)
def test_removing_the_file_of_a_campaign_that_sent_nothing_cancels_it(
    world: InboxWorld, more: str, before: Callable[[InboxWorld], None]
) -> None:
    # given a campaign that waits
    path = world.drop(more=more)
    world.pass_time()
    before(world)
    # when its file is removed
    path.unlink()
    world.pass_time(3)
    # then it is cancelled, and its status says so at once
    assert world.a_run().state is RunState.CANCELLED
    assert world.status().startswith("spring-sale: cancelled: its file was removed from the inbox. ")
    # and in the end its report is there and the file is forgotten
    world.finish()
    world.pass_time(3)
    assert "2 cancelled (cancelled before it was sent)" in world.status()
    assert len(world.report()) == 4
    assert known_files(world) == []


def test_removing_a_broken_file_says_that_nothing_was_sent(world: InboxWorld) -> None:
    path = world.write("spring.yaml", "campaign: spring-sale\n")
    world.pass_time()

    path.unlink()
    world.pass_time(3)

    assert world.status().startswith("Cancelled: spring.yaml was removed from the inbox. Nothing was sent.")
    assert known_files(world) == []


def test_removing_the_file_of_a_campaign_that_could_not_be_planned_forgets_it(world: InboxWorld) -> None:
    path = world.drop(more="throughput: {daily: 1}\n")
    world.write("people.csv", PEOPLE + "+393331234568," + "x" * 200 + "\n")
    world.pass_time()

    path.unlink()
    world.pass_time(3)

    assert world.a_run().state is RunState.FAILED
    assert world.status().startswith("Cancelled: spring.yaml was removed from the inbox. Nothing was sent.")
    assert known_files(world) == []


def test_removing_the_file_of_a_campaign_under_way_changes_nothing(world: InboxWorld) -> None:
    # given a campaign that is being sent
    path = world.drop()
    world.pass_time()
    world.send()
    # when its file is removed
    path.unlink()
    world.pass_time(3)
    # then it continues
    assert world.status().startswith("spring-sale: sending")
    # and its report still appears, also after a restart
    world.restart()
    world.finish()
    world.deliver()
    world.pass_time(3)
    assert world.status().startswith("spring-sale: completed")
    assert len(world.report()) == 4
    assert known_files(world) == []


def test_a_file_that_is_away_while_it_is_saved_is_not_cancelled(world: InboxWorld) -> None:
    path = world.drop(more=TOMORROW)
    world.pass_time()
    text = path.read_text(encoding="utf-8")

    path.unlink()
    world.pass_time(2)
    path.write_text(text, encoding="utf-8")
    world.pass_time(3)

    assert world.a_run().state is RunState.SCHEDULED


def test_a_renamed_file_keeps_its_campaign(world: InboxWorld) -> None:
    path = world.drop(more=TOMORROW)
    world.pass_time()

    path.rename(path.with_name("summer.yaml"))
    world.pass_time(4)

    assert world.a_run().state is RunState.SCHEDULED
    assert world.status("summer").startswith("spring-sale: planned, waits for its start")
    assert world.status().startswith(
        "spring.yaml is gone; its campaign continues as summer.yaml: see the status there."
    )
    assert known_files(world) == ["summer.yaml"]


def test_an_inbox_that_vanishes_cancels_nothing_and_is_logged_once(world: InboxWorld) -> None:
    world.drop(more=TOMORROW)
    world.pass_time()

    with capture_logs() as logs:
        away = world.inbox.rename(world.inbox.with_name("away"))
        world.pass_time(5)

    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("inbox.away", "warning")]
    assert not world.inbox.exists()
    away.rename(world.inbox)
    world.pass_time(5)
    assert world.a_run().state is RunState.SCHEDULED


def test_a_working_folder_that_is_removed_is_told_once_and_again_when_it_is_another_matter(
    tmp_path: Path, migrated: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # given a service whose inbox is named relative to its working folder
    migrated(tmp_path)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    with closing(InboxWorld(tmp_path, inbox=Path("inbox"))) as world:
        world.drop(more=TOMORROW)
        world.pass_time()
        # when the folder is removed, made again, and its files put back
        with capture_logs() as logs:
            shutil.rmtree(work)
            world.pass_time(5)
            world.inbox = work / "inbox"
            world.inbox.mkdir(parents=True)
            world.pass_time(5)
            world.drop(more=TOMORROW)
            world.drop("other.yaml", slug="other")
            world.pass_time(5)
        # then each of these is reported once, and the campaigns continue
        told = [(log["event"], log.get("problem", "").partition(";")[0]) for log in logs if "run" not in log]
        assert told == [
            ("inbox.away", "it is gone"),
            ("inbox.away", "it has none of the known files"),
            ("inbox.back", ""),
        ]
        assert [world.a_run(slug).state for slug in ("spring-sale", "other")] == [RunState.SCHEDULED] * 2
        assert world.status("spring").startswith("spring-sale: planned, waits for its start")


@pytest.mark.parametrize("restarted", [False, True])
def test_an_empty_folder_in_the_place_of_the_inbox_cancels_nothing(world: InboxWorld, restarted: bool) -> None:
    # given an inbox on a share that is no longer mounted
    world.drop(more=TOMORROW)
    world.pass_time()
    world.inbox.rename(world.inbox.with_name("away"))
    world.inbox.mkdir()
    if restarted:
        world.restart()
    # when time passes
    world.pass_time(5)
    # then nothing is cancelled, and nothing is written to a folder that is not the inbox
    assert world.a_run().state is RunState.SCHEDULED
    assert list(world.inbox.iterdir()) == []
    # but what is dropped there is picked up
    world.drop("other.yaml", slug="other")
    world.pass_time(5)
    assert world.a_run("other").state is RunState.SCHEDULED
    assert world.a_run().state is RunState.SCHEDULED


def test_a_file_removed_while_nobody_looked_is_cancelled(world: InboxWorld) -> None:
    path = world.drop(more=TOMORROW)
    world.pass_time()

    path.unlink()
    world.restart()
    world.pass_time(3)

    assert world.a_run().state is RunState.CANCELLED
