"""Names that programs give to files: locks, bins, conflict copies and second downloads; and names that change hands."""

from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from campaigns.lifecycle import RunState
from scheduler.inbox.files import list_campaign_files
from scheduler.inbox.names import is_conflict_copy, original_of
from scheduler.inbox.watch import InboxWatch
from tests.scheduler.inbox.inbox_world import TOMORROW, InboxWorld
from tests.support.clocks import START

CONFLICTS = [
    "spring (conflicted copy 2026-11-20).yaml",
    "spring (Anna's conflicted copy 2026-11-20).yaml",
    "spring (conflicted copy 2026-11-20 101112).yaml",
    "spring (In Konflikt stehende Kopie von Anna 2026-11-20).yaml",
    "spring (Copia in conflitto di Anna 2026-11-20).yaml",
    "spring.sync-conflict-20261120-101112-ABCDEFG.yaml",
    "spring.Conflict.yaml",
    "spring_conflict-20261120-101112.yaml",
]
COPIES = [
    "spring (1).yaml",
    "spring(1).yaml",
    "spring - Copy.yaml",
    "spring - Copy (2).yaml",
    "spring copy 2.yaml",
    "Copy of spring.yaml",
    "spring 2.yaml",
    "spring-DESKTOP.yaml",
    "spring-DESKTOP-AB12CD.yaml",
]


@pytest.mark.parametrize(
    "name",
    [
        ".~lock.spring.yaml#",
        "~$spring.yaml",
        "~$people.xlsx",
        ".spring.yaml.swp",
        "spring.yaml~",
        "#spring.yaml#",
        "4913",
        ".goutputstream-AB12CD",
        "spring.yaml.filepart",
        ".syncthing.spring.yaml.tmp",
        "._spring.yaml",
        "#recycle/spring.yaml",
        "shops/@Recycle/spring.yaml",
        "$RECYCLE.BIN/spring.yaml",
        "__MACOSX/spring.yaml",
    ],
)
def test_what_programs_leave_behind_is_no_campaign(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()

    assert list_campaign_files(tmp_path).files == ()


def test_copies_are_known_by_their_names() -> None:
    own = ["spring.yaml", "conflict-resolution.yaml", "spring-2026.yaml", "spring (final).yaml"]

    assert [name for name in CONFLICTS if not is_conflict_copy(Path(name))] == []
    assert not any(is_conflict_copy(Path(name)) for name in [*COPIES, *own])
    assert {original_of(Path(name)) for name in COPIES} == {Path("spring.yaml")}
    assert {original_of(Path(name)) for name in own} == {None}


@pytest.mark.parametrize("name", CONFLICTS)
def test_a_conflict_copy_is_never_sent_and_says_what_it_is(world: InboxWorld, name: str) -> None:
    # given a copy that is older than the file, of a campaign with another name, so that both could be sent
    world.drop(name, slug="other-name", more=TOMORROW)
    world.pass_time()
    world.drop(more=TOMORROW)
    world.pass_time()

    assert world.a_run().state is RunState.SCHEDULED
    assert world.run("other-name") is None
    assert f"{name} is not used: its name says that it is a copy that a sync program made" in world.status(name[:-5])


@pytest.mark.parametrize("name", COPIES)
def test_the_file_counts_and_not_its_copy_whichever_is_older(world: InboxWorld, name: str) -> None:
    world.drop(name)
    world.clock.advance(1)
    world.drop(more=TOMORROW)

    world.pass_time()

    assert "Starts: Wed 2026-12-02" in world.status()
    assert f"{name} is not used: spring.yaml already is the campaign spring-sale" in world.status(name[:-5])


def test_a_file_that_comes_back_takes_its_campaign_from_a_copy(world: InboxWorld) -> None:
    # given a sync program that renames the file, and a moment later writes its new version
    path = world.drop()
    world.pass_time()
    copy = path.rename(path.with_name("spring (1).yaml"))
    world.pass_time(4)
    assert world.status("spring (1)").startswith("spring-sale: ")
    # when the new one is there
    world.drop(more=TOMORROW)
    world.pass_time(4)
    # then it counts
    assert "Starts: Wed 2026-12-02" in world.status()
    assert f"{copy.name} is not used: spring.yaml already is the campaign" in world.status("spring (1)")
    assert len(world.runs()) == 1


def test_a_copy_of_another_campaign_is_a_campaign(world: InboxWorld) -> None:
    world.drop(more=TOMORROW)
    world.drop("spring (1).yaml", slug="spring-rome", more=TOMORROW)

    world.pass_time()

    assert world.a_run().state is RunState.SCHEDULED
    assert world.a_run("spring-rome").state is RunState.SCHEDULED


def test_a_file_is_renamed_and_its_name_given_to_another_campaign(world: InboxWorld) -> None:
    # given a campaign that waits
    path = world.drop(more=TOMORROW)
    world.pass_time()
    # when its file gets another name, and another campaign gets its name
    path.rename(path.with_name("later.yaml"))
    world.clock.advance(1)
    world.drop(slug="rome", more=TOMORROW)
    world.pass_time(5)
    # then both stay as they were
    assert world.a_run().state is RunState.SCHEDULED
    assert world.status("later").startswith("spring-sale: planned")
    assert world.status().startswith("rome: planned")


def test_the_name_of_a_campaign_under_way_is_given_to_another_one(world: InboxWorld) -> None:
    world.drop()
    world.pass_time()
    world.send()

    world.drop(slug="rome", more=TOMORROW)
    world.pass_time()

    assert world.a_run().state is RunState.RUNNING
    assert world.status().startswith(
        "spring.yaml used to be the campaign spring-sale. That one began to send and continues; to see it: campaigns "
        "status spring-sale, to end it: campaigns cancel spring-sale.\n\nrome: planned"
    )


@pytest.mark.parametrize("restarted", [False, True])
def test_what_only_another_scheduler_sees_is_not_cancelled(world: InboxWorld, restarted: bool) -> None:
    # given two campaigns
    world.drop(more=TOMORROW)
    world.drop("rome.yaml", slug="rome", more=TOMORROW)
    world.pass_time()
    # when another process takes over that sees only one of them, or the process that saw the files no longer sees
    # either
    if restarted:
        world.restart()
    for name in ("rome.yaml", "rome.status.txt"):
        (world.inbox / name).unlink()
    with capture_logs() as logs:
        world.pass_time(10)
    # then it is reported, once, and left as it is
    told = [entry["problem"] for entry in logs if entry["event"] == "inbox.files_unseen"]
    assert world.a_run("rome").state is (RunState.SCHEDULED if restarted else RunState.CANCELLED)
    assert len(told) == restarted
    assert all(text.startswith("1 known file (rome.yaml) and what was beside") for text in told)
    assert (world.inbox / "rome.status.txt").exists() is not restarted
    # and continues where it is seen
    assert world.a_run().state is RunState.SCHEDULED
    world.drop("rome.yaml", slug="rome", more=TOMORROW)
    world.pass_time(4)
    assert "rome" in world.status("rome")


def test_an_upload_that_grew_for_a_minute_may_stand_still_for_seconds(tmp_path: Path) -> None:
    path, watch, now = tmp_path / "spring.yaml", InboxWatch(), START

    def look(after: float) -> bool:
        nonlocal now
        now += timedelta(seconds=after)
        watch.begin()
        return watch.completed(path, now) is not None

    for length in range(60):
        path.write_text("#" * length, encoding="utf-8")
        assert not look(1)
    assert not look(9)
    assert look(2)
    # what is saved much later is another matter
    path.write_text("a", encoding="utf-8")
    assert not look(20)
    assert look(1)
