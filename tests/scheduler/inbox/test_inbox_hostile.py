"""What somebody who can write to the inbox can do: nothing outside is read or written, and others continue."""

import os
import socket
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import select
from structlog.testing import capture_logs

from scheduler.inbox.files import MAX_DEPTH
from tests.scheduler.inbox.inbox_world import TEXT, InboxWorld
from tests.support.clocks import FakeClock
from worker.store.models import Recipient

EVERY_MINUTE = "schedule: {repeat: {cron: '* * * * *'}}\n"
SECRET = "number,first_name\n+393339999999,SECRET\n"


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that the service can read, but those who write to the inbox cannot."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "people.csv").write_text(SECRET, encoding="utf-8")
    (folder / "spring.yaml").write_text(TEXT.format(slug="secret-slug", more="secret_key: 1\n"), encoding="utf-8")
    (folder / "defaults.yaml").write_text("secret_key: 1\n", encoding="utf-8")
    return folder


def swap_table(world: InboxWorld, outside: Path) -> None:
    table = world.inbox / "shop/people.csv"
    table.unlink()
    table.symlink_to(outside / "people.csv")


def swap_folder(world: InboxWorld, outside: Path) -> None:
    (world.inbox / "shop").rename(world.inbox.parent / "before")
    (world.inbox / "shop").symlink_to(outside, target_is_directory=True)


@pytest.mark.parametrize("swap", [swap_table, swap_folder])
def test_h3_a_run_is_planned_of_no_table_outside(
    world: InboxWorld, outside: Path, swap: Callable[[InboxWorld, Path], None]
) -> None:
    # given a campaign that repeats, whose first run is planned from its own table
    world.drop("shop/spring.yaml", more=EVERY_MINUTE)
    world.pass_time()
    assert world.runs()
    # when a link points to another table
    swap(world, outside)
    for _ in range(4):
        world.clock.advance(timedelta(minutes=1))
        world.start()
        world.pass_time(1)
    # then nobody from that table is in any run
    with world.runtime.store.read() as session:
        people = set(session.exec(select(Recipient.number, Recipient.text)))
    assert people <= {("+393331234567", "Hi Anna"), ("+393337654321", "Hi Ada"), ("12", "")}
    assert sorted(path.name for path in outside.iterdir()) == ["defaults.yaml", "people.csv", "spring.yaml"]


@pytest.mark.parametrize("name", ["spring.yaml", "defaults.yaml", "people.csv", "bought.csv"])
def test_l4_a_link_that_leads_out_of_the_inbox_is_not_read(world: InboxWorld, outside: Path, name: str) -> None:
    world.drop(more="exclude: {file: bought.csv}\n")
    world.write("bought.csv", "number\n+393337654321\n")
    (outside / "bought.csv").write_text(SECRET, encoding="utf-8")
    world.pass_time()
    (world.inbox / name).unlink(missing_ok=True)
    (world.inbox / name).symlink_to(outside / name)

    world.pass_time(5)

    assert "SECRET" not in world.status()
    assert "secret_key" not in world.status()
    if name != "spring.yaml":  # which counts as removed
        assert "out of its folder" in world.status() or "outside the folder" in world.status()


def test_l3_nothing_is_written_into_a_folder_that_a_link_leads_to(world: InboxWorld, outside: Path) -> None:
    # given a campaign under way, and a folder elsewhere with files named like its own
    world.drop("shop/spring.yaml")
    world.pass_time()
    for name in ("spring.status.txt", "spring.report.csv"):
        (outside / name).write_text("precious", encoding="utf-8")
    # when a link takes the place of its folder while it sends
    world.send()
    swap_folder(world, outside)
    world.pass_time(0.5)
    world.deliver()
    world.pass_time(5)
    # then they are as they were
    assert {(outside / name).read_text() for name in ("spring.status.txt", "spring.report.csv")} == {"precious"}
    # and the report is written once the folder is there again
    (world.inbox / "shop").unlink()
    (world.inbox.parent / "before").rename(world.inbox / "shop")
    world.pass_time(35)
    assert len(world.report("shop/spring")) == 4
    assert (world.inbox / "shop/spring.report.csv").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o755, 0o2775])
def test_l6_numbers_and_texts_are_for_the_owner_alone_or_the_group_of_the_folder(world: InboxWorld, mode: int) -> None:
    world.drop()
    world.pass_time()
    world.inbox.chmod(mode)
    world.send()
    world.deliver()
    world.pass_time(5)

    assert (world.inbox / "spring.report.csv").stat().st_mode & 0o777 == (0o640 if mode & 0o2000 else 0o600)


def test_l8_files_that_differ_in_the_case_of_their_ending_have_a_status_each(world: InboxWorld) -> None:
    for name, slug in (("x.yml", "one"), ("x.Yml", "two"), ("x.YAML", "three"), ("y.YML", "four")):
        world.drop(name, slug=slug)
    world.pass_time()

    found = {name: world.status(name).partition(":")[0] for name in ("x", "x.yml", "x.Yml", "x.YAML", "y")}
    assert found == {"x": "", "x.yml": "one", "x.Yml": "two", "x.YAML": "three", "y": "four"}


def test_l8_a_table_with_the_name_of_a_report_is_not_written_over(world: InboxWorld) -> None:
    # given tables that are named like the reports of other campaigns
    table = "number,first_name\n+393331234567,Anna\n"
    world.write("spring.report.csv", table)
    world.write("own.yaml", "campaign: own\nmessage: Hi\naudience: {file: own.report.csv}\n")
    world.write("own.report.csv", table)
    world.drop()
    world.pass_time()
    world.send()
    world.deliver()
    world.pass_time(5)
    # then both are as they were, and the report has another name
    assert (world.inbox / "spring.report.csv").read_text() == (world.inbox / "own.report.csv").read_text() == table
    assert "is the file that the report of this campaign is written to" in world.status("own")
    assert len(world.report("spring.yaml")) == 4


def test_l8_a_name_as_long_as_a_name_can_be_has_a_status(world: InboxWorld) -> None:
    names = ["è" * 124 + f"{n}.yaml" for n in range(2)]
    for number, name in enumerate(names):
        world.drop(name, slug=f"long-{number}")
    world.pass_time()

    found = sorted(path.read_text(encoding="utf-8").partition(":")[0] for path in world.inbox.glob("*.status.txt"))
    assert found == ["long-0", "long-1"]


def test_l2_no_status_holds_what_moves_the_text_around_it(world: InboxWorld) -> None:
    world.write("bad\u202e.yaml", 'campaign: r\n"\\e]0;pwn\\a\\n\u202eCompleted: all was sent": 1\n')
    world.drop()
    world.pass_time()
    world.execute("UPDATE run SET state = 'paused', reason = 'the gateway says \x1b[2J\x9b \u2066x'")
    world.pass_time()

    for path in world.inbox.glob("*.status.txt"):
        text = path.read_text(encoding="utf-8")
        assert not [sign for sign in text if sign != "\n" and not sign.isprintable()]
    assert "Completed" not in {line[:9] for line in world.status("bad\u202e").splitlines()}
    assert "the gateway says �[2J� �x" in world.status()


class WorkingClock(FakeClock):
    """Whatever is measured with it takes half a second."""

    def elapsed_seconds(self) -> float:
        self.advance(0.5)
        return super().elapsed_seconds()


def test_whoever_drops_many_files_stops_nothing_else(tmp_path: Path, migrated: Callable[[Path], None]) -> None:
    # given a campaign that repeats, and files of which one look can process only some
    migrated(tmp_path)
    world = InboxWorld(tmp_path, clock=WorkingClock())
    world.drop("daily.yaml", slug="daily", more=EVERY_MINUTE)
    world.pass_time()
    files = [world.write(f"many/{number}.yaml", "campaign: [\n") for number in range(40)]
    before = len(world.runs("daily"))
    # when the first look that processes any has ended and reported them, there are more
    taken: list[Path] = []
    for _ in range(40):
        world.pass_time(0.5)
        if taken := [path for path in files if path.with_suffix(".status.txt").exists()]:
            break
    assert 0 < len(taken) < len(files)
    # then the other one was planned meanwhile, and each file gets its turn
    world.clock.advance(60)
    world.pass_time(60)
    assert len(world.runs("daily")) > before
    assert all(path.with_suffix(".status.txt").exists() for path in files)
    world.close()


def test_of_many_files_at_once_each_is_told_of_soon(tmp_path: Path, migrated: Callable[[Path], None]) -> None:
    # given files of which one look can process ten, as slow as it is
    looks = 16
    migrated(tmp_path)
    world = InboxWorld(tmp_path, clock=WorkingClock())
    for number in range(30):
        world.write(f"{number}.yaml", TEXT.format(slug=f"c{number}", more="schedule: {start: 2026-12-02 09:00}\n"))
    world.write("people.csv", SECRET)
    asked: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_others: object) -> None:
        if "inbox_file" in statement and "LIKE" in statement and "JOIN" not in statement:
            asked.append(statement)

    # when it has looked a few times
    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        world.pass_time(looks / 2)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    # then all have their status, and what is known of all of them was not read for each
    assert [number for number in range(30) if not world.status(str(number)).startswith(f"c{number}: planned")] == []
    assert len(asked) <= looks * 3
    world.close()


def pipe(path: Path) -> None:
    os.mkfifo(path)


def unix_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(path.parent)  # the name of a socket may have at most 107 bytes
        listener.bind(path.name)


def link_to_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder_of_that_name(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("make", [pipe, unix_socket, link_to_device, folder_of_that_name])
@pytest.mark.parametrize("name", ["defaults.yaml", "people.csv", "bought.csv", "other.yaml"])
def test_m2_nothing_that_may_never_end_is_waited_for(
    world: InboxWorld, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], name: str
) -> None:
    monkeypatch.chdir(world.inbox.parent)
    world.drop("shop/spring.yaml", more="exclude: {file: bought.csv}\n")
    world.drop("others.yaml", slug="others")
    path = world.inbox / "shop" / name
    path.unlink(missing_ok=True)
    make(path)

    world.pass_time()

    assert world.status("others").startswith("others: ")
    if name != "other.yaml":
        assert "shop/spring.yaml" not in world.status("shop/spring")
        assert "Nothing is sent." in world.status("shop/spring")
    elif make is not folder_of_that_name:
        assert "the file is not a regular file (copy its content into one" in world.status("shop/other")


def endless(path: Path) -> None:
    path.symlink_to(path.name)


def too_long(path: Path) -> None:
    path.symlink_to("x" * 300)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (pipe, "not a regular file"),
        (endless, "a link that leads back to itself"),
        (too_long, "cannot be read: File name too long"),
    ],
)
def test_a_campaign_that_cannot_be_read_says_so_once_and_goes_on_when_it_is_a_file(
    world: InboxWorld, make: Callable[[Path], None], says: str
) -> None:
    path = world.inbox / "spring.yaml"
    path.parent.mkdir()
    make(path)
    with capture_logs() as told:
        world.pass_time(5)

    assert says in world.status("spring")
    assert [(line["file"], line["usable"]) for line in told if line["event"] == "inbox.file_taken"] == [
        ("spring.yaml", False)
    ]
    path.unlink()
    world.drop()
    world.pass_time(5)
    assert world.status("spring").startswith("spring-sale: planned")


def test_a_link_that_leads_out_of_the_inbox_is_told_of_once(world: InboxWorld) -> None:
    world.inbox.mkdir()
    (world.inbox / "away.yaml").symlink_to("/etc/hostname")
    with capture_logs() as told:
        world.pass_time(5)

    skipped = [line["file"] for line in told if line["event"] == "inbox.file_skipped"]
    assert skipped == [str(world.inbox.resolve() / "away.yaml")]
    assert not (world.inbox / "away.status.txt").exists()


def nest(folder: Path, levels: int) -> None:
    """Folders in folders, deeper than a path can express."""
    here = os.open(folder, os.O_DIRECTORY)
    for _ in range(levels):
        os.mkdir("d" * 100, dir_fd=here)
        below = os.open("d" * 100, os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def test_m1_deep_folders_keep_nobody_elses_files_waiting(world: InboxWorld) -> None:
    world.drop()
    gone = world.drop("shop/rome.yaml", slug="rome")
    world.pass_time()
    nest(world.inbox, 1_100)
    try:
        with capture_logs() as told:
            # when others write and remove theirs
            gone.unlink()
            world.drop("new.yaml", slug="new")
            world.pass_time(5)
        # then these are processed and cancelled, and the log has a line
        assert world.status("new").startswith("new: planned")
        assert "was removed from the inbox" in world.status("shop/rome")
        assert [line["event"] for line in told if line["log_level"] != "info"] == ["inbox.file_skipped"]
    finally:
        subprocess.run(["rm", "-rf", "--", world.inbox], check=True)  # which pytest would not be able to do


def test_what_cannot_be_looked_into_is_not_gone(world: InboxWorld) -> None:
    # given a campaign in a folder that is moved below too many others
    deep = "/".join(["d"] * MAX_DEPTH)
    world.drop(f"{deep}/rome.yaml", slug="rome")
    kept = world.drop(f"{deep}/d/milan.yaml", slug="milan")
    world.pass_time()

    assert world.run("rome") is not None
    assert world.run("milan") is None
    assert kept.exists()
