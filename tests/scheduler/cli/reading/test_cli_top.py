"""`campaigns top`: printed once without a terminal, and refreshed on one that it leaves as it was."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import Result

from campaigns.lifecycle import BatchState
from scheduler.cli.commands.reading.top import beside
from scheduler.doctor.findings import Standing
from scheduler.doctor.inbox import check_inbox
from scheduler.inbox.notices import extended_notice
from tests.support.clocks import START
from worker.store.engine import Store
from worker.store.runs.inbox_files import remember_file
from worker.store.tables import batches

Cli = Callable[..., Result]
Planned = Callable[[str], tuple[Store, int]]


def test_without_a_terminal_it_prints_once(run: Cli, planned: Planned) -> None:
    planned("spring-sale")
    for words in (["top"], ["top", "--once"]):
        shown = run(*words)
        assert shown.exit_code == 0
        assert shown.stdout.startswith("Now  ")
        assert re.search(r"^spring-sale +scheduled +.* 4 ", shown.stdout, re.MULTILINE)
        assert "\x1b" not in shown.stdout


def test_one_campaign_is_shown_with_its_states(run: Cli, planned: Planned) -> None:
    planned("spring-sale")
    shown = run("top", "spring-sale").stdout
    assert re.search(r"^people +4: .*pending", shown, re.MULTILINE)
    unknown = run("top", "spring-sal")
    assert unknown.exit_code == 2
    assert "did you mean spring-sale?" in unknown.stderr


def test_what_waits_for_somebody_is_said_with_its_command(run: Cli, planned: Planned, folder: Path) -> None:
    store, _ = planned("spring-sale")
    (folder / "inbox").mkdir()
    said = "old.yaml cannot be used. Nothing is sent.\n\nline 3: mesage is unknown"
    with store.write() as session:
        remember_file(session, str(folder / "inbox/old.yaml"), fingerprint="", run_id=None, problem=said, now=START)
        session.execute(sa.update(batches).values(state=BatchState.HELD))
    held, broken = "held: campaigns held CAMPAIGN", "1 file of the inbox cannot be used: campaigns status"
    for words in (["status"], ["status", "spring-sale"], ["top", "--once"]):
        shown = run(*words).stdout
        assert (held in shown, broken in shown) == (True, True), words
    assert "old.yaml cannot be used. Nothing is sent." in run("status").stdout
    found = [each for each in check_inbox(folder / "inbox", store, None) if each.standing is Standing.WARNING]
    assert [(each.says, each.advice) for each in found] == [
        ("old.yaml cannot be used. Nothing is sent", "correct it: campaigns check old.yaml")
    ]


def test_a_file_that_was_read_again_is_usable(run: Cli, planned: Planned, folder: Path) -> None:
    store, run_id = planned("spring-sale")
    said = extended_notice("sale.yaml", 1)
    with store.write() as session:
        remember_file(session, str(folder / "inbox/sale.yaml"), fingerprint="", run_id=run_id, problem=said, now=START)
    shown = run("status").stdout
    assert ("1 file of the inbox has a remark: campaigns status" in shown, said in shown) == (True, True)
    assert "cannot be used" not in shown


@pytest.mark.parametrize("leave", [b"q", signal.SIGINT])
def test_a_terminal_is_left_as_it_was(planned: Planned, folder: Path, leave: bytes | signal.Signals) -> None:
    planned("spring-sale")
    ours, theirs = pty.openpty()
    before = termios.tcgetattr(theirs)
    top = subprocess.Popen(
        [Path(sys.executable).with_name("campaigns"), "top"], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs
    )
    try:
        seen = read_until(ours, b"q leaves")
        os.write(ours, b"n")
        seen += read_until(ours, b"people")
        if isinstance(leave, bytes):
            os.write(ours, leave)
        else:
            top.send_signal(leave)
        seen += read_until(ours, b"\x1b[?1049l")
        assert top.wait(20) == 0
    finally:
        top.kill()
        top.wait()
    assert (seen.count(b"\x1b[?1049h"), seen.count(b"\x1b[?1049l")) == (1, 1)  # the other screen, and back
    assert b"\x1b[?25h" in seen  # the cursor
    assert b"Traceback" not in seen
    assert termios.tcgetattr(theirs) == before


def read_until(end: int, words: bytes, seconds: float = 30.0) -> bytes:
    """What a terminal shows until these words."""
    found, until = b"", time.monotonic() + seconds
    while words not in found:
        assert time.monotonic() < until, found
        if select.select([end], [], [], 0.2)[0]:
            found += os.read(end, 65_536)
    return found


def test_campaigns_follow_each_other_around_the_end() -> None:
    assert [beside(["a", "b"], name, 1) for name in (None, "a", "b", "gone")] == ["a", "b", "a", "a"]
    assert [beside(["a", "b"], name, -1) for name in (None, "a", "b")] == ["b", "b", "a"]
    assert beside([], None, 1) is None
