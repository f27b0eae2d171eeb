"""People who are erased are in no report of the inbox either, whether the campaign file is still there or not."""

import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from campaigns.access import INBOX
from campaigns.phone_numbers.pseudonyms import ERASED_TEXT
from scheduler.actions.forgetting.erasing import Erasing, erase
from scheduler.actions.forgetting.shown import erasing_json, erasing_lines
from scheduler.ticks.forgetting.erasing import ErasingTick
from tests.scheduler.inbox.inbox_world import InboxWorld

ANNA, ADA = "+393331234567", "+393337654321"


@pytest.fixture
def world(tmp_path: Path, migrated: Callable[[Path], None]) -> Iterator[InboxWorld]:
    migrated(tmp_path)
    key = tmp_path / "privacy.key"
    key.write_text("k" * 64)
    world = InboxWorld(tmp_path, privacy_key_file=key, keep_texts_days=30, keep_people_days=60)
    yield world
    world.close()


def sent_and_removed(world: InboxWorld) -> Path:
    """A campaign that is over, whose file was taken out of the inbox: its report stays there."""
    file = world.drop()
    world.pass_time()
    world.send()
    world.deliver()
    world.pass_time()
    file.unlink()
    world.pass_time(90)
    world.restart()
    path = world.inbox / "spring.report.csv"
    assert ANNA in path.read_text()
    assert "Hi Anna" in path.read_text()
    return path


def erased(world: InboxWorld, number: str) -> Erasing:
    return erase(world.runtime.store, INBOX, [[number]], inbox=world.inbox, now=world.clock.now())


def test_a_report_without_a_campaign_file_loses_the_person_at_once(world: InboxWorld) -> None:
    path = sent_and_removed(world)
    at = path.stat().st_mtime_ns
    done = erased(world, ANNA)
    assert "taken out of 1 report in the inbox" in list(erasing_lines(done))
    text = path.read_text()
    assert [words in text for words in (ANNA, "Anna", ADA, "Hi Ada")] == [False, False, True, True]
    assert path.stat().st_mtime_ns == at
    first, second, *_ = world.report()[1:]
    assert (first[0], ERASED_TEXT in first, second.split(",")[0]) == ("#", True, ADA)


def test_a_report_of_somebody_of_whom_the_database_knows_nothing_is_written_again(world: InboxWorld) -> None:
    sent_and_removed(world)
    kept = (world.inbox / "spring.report.csv").read_text()
    erased(world, ANNA)
    world.write("archive/last year.report.csv", kept)
    done = erased(world, ANNA)
    assert (done.erased, done.unknown, done.reports.done) == (0, 1, {"archive/last year.report.csv"})
    assert ANNA not in (world.inbox / "archive/last year.report.csv").read_text()


def test_a_report_that_cannot_be_written_is_named(world: InboxWorld) -> None:
    path = sent_and_removed(world)
    path.write_bytes(path.read_bytes() + b'"\xff"\n')  # by a program that writes no UTF-8
    done = erased(world, ANNA)
    assert erasing_json(done, full=True)["files"] == ["people.csv", "spring.report.csv"]
    assert any(line.startswith("spring.report.csv may still name them") for line in erasing_lines(done))


def test_reports_are_forgotten_by_age_and_drafts_of_killed_processes_removed(world: InboxWorld) -> None:
    path = sent_and_removed(world)
    draft = world.write(".other.report.csv.tmp", path.read_text())
    os.utime(draft, (time.time() - 7_200,) * 2)
    seen = []
    for days in (29, 31, 61):
        at = (world.clock.now() - timedelta(days=days)).timestamp()
        os.utime(path, (at, at))
        ErasingTick()(world.runtime, world.clock.now())
        text = path.read_text()
        seen.append(("Hi Anna" in text, ANNA in text))
    assert seen == [(True, True), (False, True), (False, False)]
    assert not draft.exists()
