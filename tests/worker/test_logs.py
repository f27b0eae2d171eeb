"""A service continues when its log is rotated, full, or read by nobody."""

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.prove.world.product import write_campaign
from tests.prove.world.stage import Stage, wait_until

TALKS = """
import time
from worker.logs import configure_logs, get_logger
configure_logs("json")
n = 0
while True:
    n += 1
    get_logger().info("said", n=n)
    print("alive", flush=True)
    time.sleep(0.02)
"""


def alive(process: subprocess.Popen[str], times: int = 10) -> None:
    assert process.stdout is not None
    for _ in range(times):
        assert process.stdout.readline() == "alive\n"


def talking(where: str) -> subprocess.Popen[str]:
    """A process of ours whose log goes where a shell has put it."""
    command = f"exec {shlex.quote(sys.executable)} -c {shlex.quote(TALKS)} {where}"
    return subprocess.Popen(["/bin/sh", "-c", command], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("turn", ["rename", "copy and truncate"])
def test_a_log_that_is_turned_loses_no_whole_line(turn: str, tmp_path: Path) -> None:
    log, old = tmp_path / "log", tmp_path / "log.1"
    with talking(f"2>> {shlex.quote(str(log))}") as process:
        alive(process)
        if turn == "rename":
            log.rename(old)
            kept = old
        else:
            old.write_bytes(log.read_bytes())
            log.write_bytes(b"")
            kept = log
        before = kept.stat().st_size
        alive(process)
        process.kill()
    assert kept.stat().st_size > before
    assert kept.read_text().startswith('{"n": ')


@pytest.mark.parametrize("where", ["2>&-", "2> /dev/full"])
def test_a_log_that_cannot_be_written_stops_nobody(where: str) -> None:
    with talking(where) as process:
        alive(process)
        process.kill()


def test_a_service_whose_log_nobody_reads_any_more_sends_and_ends_well(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.prove.world.victim", "--", "up", "--json"],
            cwd=stage.folder,
            env=stage.product.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            assert b"service.started" in process.stderr.readline()
            process.stderr.close()
            process.stdout.close()
            write_campaign(stage.inbox, "spring", recipients=20)
            assert wait_until(lambda: stage.stored() == 20, 30)
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()


FAILS = """
import asyncio, logging, sqlite3, sys, threading
from worker.logs import configure_logs, get_logger
from worker.settings.settings import SettingsError

configure_logs(sys.argv[1])
PERSON, TEXT = "+393331000777", "Markedtext for one person"
database = sqlite3.connect(":memory:", check_same_thread=False)
database.execute("CREATE TABLE t (n TEXT)")
database.execute(f"CREATE TRIGGER r BEFORE INSERT ON t BEGIN SELECT RAISE(ABORT, '{TEXT}'); END")


def caused():
    try:
        database.execute("INSERT INTO t VALUES (?)", (PERSON,))
    except sqlite3.Error as error:
        raise SettingsError(f"our own words, of {PERSON}") from error


def during():
    try:
        int(TEXT)
    except ValueError:
        {}[TEXT]


def grouped():
    raise ExceptionGroup(TEXT, [ValueError(TEXT), OSError(2, "No such file", TEXT)])


async def never_asked():
    async def fails():
        int(TEXT)

    task = asyncio.create_task(fails())
    await asyncio.sleep(0)


for fails in (caused, during, grouped):
    try:
        fails()
    except Exception as error:
        get_logger().exception("by itself")
        get_logger().error("as a value", exc_info=error)
        get_logger().error("as a triple", exc_info=sys.exc_info())
        logging.getLogger("library").exception("of %s", PERSON)
    thread = threading.Thread(target=fails, name="lost")
    thread.start()
    thread.join()
asyncio.run(never_asked())
"""


@pytest.mark.parametrize("form", ["json", "text"])
def test_no_word_of_an_error_that_is_not_ours_is_logged(form: str) -> None:
    done = subprocess.run([sys.executable, "-c", FAILS, form], capture_output=True, text=True, check=True)
    said = done.stdout + done.stderr

    assert [word for word in ("Markedtext", "393331000777") if word in said] == []
    for says, times in {
        "SettingsError: our own words, of [number]": 5,
        "sqlite3.IntegrityError: SQLITE_CONSTRAINT_TRIGGER": 5,
        "KeyError": 5,
        "FileNotFoundError: No such file": 5,
        "ExceptionGroup": 5,
        "of [number]": 8,
        "thread.failed": 3,
        "never retrieved": 1,
    }.items():
        assert said.count(says) == times, says
    assert "in caused" in said
