"""The SQLite file's disk is full or read-only, or another program holds the file: reported, waited for, nobody doubled.

This uses a real disk of a few MB where the tests may mount one. Elsewhere the process may write only so many bytes of
each file: SQLite then sees what a disk shows that fails or has become read-only.
"""

import json
import resource
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from scheduler.inbox.wording import IN_TROUBLE
from tests.prove.world.product import write_campaign
from tests.prove.world.stage import Stage, wait_until
from worker.servers.conditions import WORDS, Trouble
from worker.store.connections.engines import SQLITE_BUSY_SECONDS

PEOPLE = 60
SECONDS = 100.0
LEAST_BYTES = 40_000
"""How much may be written to a file that may not grow further: more than a log, less than a database."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A separate disk of 6 MB; a folder if mounting is not allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], check=False, capture_output=True)
    yield folder
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def stage(tmp_path: Path, disk: Path) -> Iterator[Stage]:
    with Stage(tmp_path / "stage", database_url=f"sqlite:///{disk}/campaigns.db") as stage:
        yield stage


@contextmanager
def full(stage: Stage, disk: Path) -> Iterator[Trouble]:
    if not disk.is_mount():
        with unwritable(stage, disk) as trouble:
            yield trouble
        return
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4_096))
    yield Trouble.DATABASE_FULL
    ballast.unlink()


@contextmanager
def unwritable(stage: Stage, _disk: Path) -> Iterator[Trouble]:
    pid = stage.processes[-1].pid
    assert pid is not None
    limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (LEAST_BYTES, limits[1]))
    yield Trouble.DATABASE_FILE
    resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)


@contextmanager
def locked(_stage: Stage, disk: Path) -> Iterator[Trouble]:
    with closing(sqlite3.connect(disk / "campaigns.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield Trouble.DATABASE_LOCKED
        other.rollback()


def write_little() -> None:
    """A patch for `victim`: this process cannot write, from its start."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (LEAST_BYTES // 2, resource.RLIM_INFINITY))


def told(stage: Stage, event: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in stage.errors_of_last().splitlines() if line.startswith("{")]
    return [line for line in lines if line["event"] == event]


def status(stage: Stage) -> str:
    path = stage.inbox / "spring.status.txt"
    return path.read_text("utf-8") if path.exists() else ""


@pytest.mark.timeout(480)
@pytest.mark.parametrize("disturbance", [full, pytest.param(unwritable, marks=pytest.mark.proof), locked])
def test_nothing_is_sent_while_it_cannot_be_written_first(
    stage: Stage, disk: Path, disturbance: Callable[[Stage, Path], AbstractContextManager[Trouble]]
) -> None:
    # given a service that sends
    write_campaign(stage.inbox, "spring", recipients=PEOPLE, batch_size=4, more="  rate: 15/second\n")
    stage.start("up", "--json")
    assert wait_until(lambda: stage.stored() >= 12, SECONDS), stage.errors_of_last()

    # when its file cannot be written
    with disturbance(stage, disk) as trouble:
        before = stage.settled()  # what had been written before may still be sent
        assert before < PEOPLE
        assert wait_until(lambda: bool(told(stage, "trouble.began")), SECONDS + SQLITE_BUSY_SECONDS)
        assert wait_until(lambda: WORDS[trouble].matter in status(stage), SECONDS), status(stage)
        during = stage.stored()
    assert during == before

    # then it has said so once, continues by itself, and everybody has one text
    assert wait_until(lambda: "completed" in status(stage), SECONDS), stage.errors_of_last()
    assert wait_until(lambda: IN_TROUBLE not in status(stage), SECONDS)
    assert wait_until(lambda: bool(told(stage, "trouble.ended")), SECONDS), stage.errors_of_last()
    for event in ("trouble.began", "trouble.ended"):
        assert [line["trouble"] for line in told(stage, event)] == [trouble]
    assert "Traceback" not in stage.errors_of_last()
    numbers = Counter(json.loads(line)["number"] for line in stage.ledger.read_text().splitlines())
    assert (len(numbers), set(numbers.values())) == (PEOPLE, {1})


def test_a_service_whose_disk_takes_nothing_says_so_at_its_start(stage: Stage) -> None:
    ended = stage.product.run("up", victim=("--patch", f"{__name__}:write_little"))
    assert ended.code == 2
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert "disk I/O error" in ended.stderr
