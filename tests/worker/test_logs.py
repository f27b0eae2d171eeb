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
