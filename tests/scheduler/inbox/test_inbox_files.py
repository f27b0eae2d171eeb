"""Which files are campaign files, when one is complete, and which version of it was seen."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from scheduler.inbox.files import (
    fingerprint,
    has_other_files,
    list_campaign_files,
    look_at,
    named_files,
)
from scheduler.inbox.watch import InboxWatch
from tests.support.clocks import START, FakeClock


@pytest.mark.parametrize(
    ("name", "is_campaign"),
    [
        ("spring.yaml", True),
        ("spring.yml", True),
        ("SPRING.YAML", True),
        ("shops/rome/spring.yaml", True),
        ("defaults.yaml", False),
        ("shops/defaults.yaml", False),
        (".spring.yaml", False),
        (".git/spring.yaml", False),
        ("spring.yaml~", False),
        ("spring.yaml.part", False),
        ("spring.status.txt", False),
        ("people.csv", False),
    ],
)
def test_campaign_files_are_known_by_their_names(tmp_path: Path, name: str, is_campaign: bool) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()

    assert list_campaign_files(tmp_path).files == ((path,) if is_campaign else ())


def test_nothing_outside_is_listed_and_what_cannot_be_read_keeps_nobody_waiting(tmp_path: Path) -> None:
    # given links out of the inbox and to nothing, a folder, a pipe and endless links named like campaign files
    outside, inbox = tmp_path / "outside", tmp_path / "inbox"
    outside.mkdir()
    (outside / "secret.yaml").touch()
    (inbox / "folder.yaml").mkdir(parents=True)
    (inbox / "linked.yaml").symlink_to(outside / "secret.yaml")
    (inbox / "linked").symlink_to(outside, target_is_directory=True)
    (inbox / "loop.yaml").symlink_to(inbox / "loop.yaml")
    (inbox / "long.yaml").symlink_to("x" * 300)
    (inbox / "nothing.yaml").symlink_to("gone")
    (inbox / "to-folder.yaml").symlink_to("folder.yaml")
    os.mkfifo(inbox / "pipe.yaml")
    (inbox / "spring.yaml").touch()
    # when the inbox is listed
    listing = list_campaign_files(inbox)
    # then what is in the inbox is listed, to be reported if it is not an ordinary file
    assert [path.name for path in listing.files] == ["long.yaml", "loop.yaml", "pipe.yaml", "spring.yaml"]
    assert sorted(path.name for path in listing.elsewhere) == ["linked.yaml", "nothing.yaml", "to-folder.yaml"]
    assert listing.whole


def test_a_name_that_is_not_utf_8_is_set_apart(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.yaml")).touch()

    listing = list_campaign_files(tmp_path)

    assert listing.files == ()
    assert len(listing.unnameable) == 1


def test_a_missing_inbox_cannot_be_listed(tmp_path: Path) -> None:
    with pytest.raises(NotADirectoryError):
        list_campaign_files(tmp_path / "inbox")


def test_a_file_is_complete_once_when_nothing_was_written_for_a_while(tmp_path: Path, clock: FakeClock) -> None:
    # given a file that is being written
    path, watch = tmp_path / "spring.yaml", InboxWatch()
    path.write_text("campaign: a\n", encoding="utf-8")
    looks = []
    for seconds in (0, 0.5, 0.2, 0.5):
        clock.advance(seconds)
        watch.begin()
        looks.append(watch.completed(path, clock.now()))
    # then it is complete at the first look 0.7 s after the one that saw it so
    assert [look is not None for look in looks] == [False, False, True, False]
    # and again after it was written anew
    path.write_text("campaign: ab\n", encoding="utf-8")
    looks = []
    for _ in range(3):
        clock.advance(0.5)
        watch.begin()
        looks.append(watch.completed(path, clock.now()))
    assert [look is not None for look in looks] == [False, False, True]


@pytest.mark.parametrize("name", ["people.csv", "bought.csv", "defaults.yaml"])
def test_a_file_is_not_complete_while_one_that_it_needs_is_written(tmp_path: Path, clock: FakeClock, name: str) -> None:
    path, watch = tmp_path / "spring.yaml", InboxWatch()
    path.write_text("audience: [{file: people.csv}]\nexclude: {file: bought.csv}\n", encoding="utf-8")

    for length in range(4):
        (tmp_path / name).write_text("#" * length, encoding="utf-8")
        watch.begin()
        assert watch.completed(path, clock.now()) is None
        clock.advance(1)

    assert watch.completed(path, clock.now()) is not None


def test_a_file_is_looked_at_again_when_that_was_asked_for(tmp_path: Path) -> None:
    path, watch = tmp_path / "spring.yaml", InboxWatch()
    path.touch()
    watch.completed(path, START)
    watch.completed(path, START + timedelta(seconds=1))

    watch.look_again(path, START + timedelta(seconds=60))

    assert watch.completed(path, START + timedelta(seconds=59)) is None
    assert watch.completed(path, START + timedelta(seconds=60)) is not None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("audience: [{file: a.csv}, {recipients: []}, {file: b/c.csv}]\nexclude: [{file: d.csv}]\n",
         ("a.csv", "b/c.csv", "d.csv")),
        ("audience: {file: a.csv}\n", ("a.csv", "default.csv")),
        ("audience: {file: a.csv}\nexclude: {file: a.csv}\n", ("a.csv",)),
        ("audience: [{file: ../a.csv}, {file: /etc/passwd}]\nexclude: []\n", ()),
        ('audience: {file: "a\\0.csv"}\nexclude:\n', ()),
        ("audience: [3, {file: [a.csv]}]\nexclude: nobody\n", ()),
        ("audience: [\n", ("default.csv",)),
        ("", ("default.csv",)),
    ],
)  # fmt: skip
def test_the_files_that_a_campaign_names_are_found_as_far_as_it_can_be_read(
    tmp_path: Path, text: str, names: tuple[str, ...]
) -> None:
    path = tmp_path / "spring.yaml"
    path.write_text(text, encoding="utf-8")
    (tmp_path / "defaults.yaml").write_text("exclude: {file: default.csv}\n", encoding="utf-8")

    assert named_files(path) == names


def test_the_fingerprint_tells_the_text_from_the_tables(tmp_path: Path) -> None:
    path, table = tmp_path / "spring.yaml", tmp_path / "people.csv"

    def form() -> str:
        return fingerprint(path, look_at(path, ("people.csv",)))

    path.write_text("a", encoding="utf-8")
    without_table = form()
    table.write_text("b", encoding="utf-8")
    first = form()
    path.write_text("c", encoding="utf-8")
    other_text = form()
    table.write_text("bb", encoding="utf-8")
    other_table = form()
    table.chmod(0o600)

    assert len(first) == 64
    assert has_other_files(first, without_table)
    assert other_text != first
    assert not has_other_files(other_text, first)
    assert has_other_files(other_table, other_text)
    assert form() == other_table  # permissions are not content
