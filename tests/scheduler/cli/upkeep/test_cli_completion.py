"""`completion`: what shells offer after Tab."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from typer._completion_classes import completion_init
from typer.testing import Result

from scheduler.cli.completing import COMPLETE, campaign_names
from tests.support.clocks import START
from worker.store.engine import Store
from worker.store.models import Campaign

Cli = Callable[..., Result]
Planned = Callable[[str], tuple[Store, int]]

PROGRAMS: Final = Path(sys.executable).parent
BASH: Final = """
source <(campaigns completion bash)
for line in "$@"; do
  COMP_WORDS=($line); [[ "$line" == *" " ]] && COMP_WORDS+=("")
  COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
  _campaigns_completion campaigns
  echo "${COMPREPLY[*]}"
done
"""


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PATH": f"{PROGRAMS}:{os.environ['PATH']}", **more}


def in_bash(*lines: str) -> list[list[str]]:
    """What bash offers at the end of each line."""
    ended = subprocess.run(
        ["bash", "--norc", "-c", BASH, "bash", *lines],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
        env=environment(),
    )
    assert ended.stderr == ""
    return [line.split() for line in ended.stdout.splitlines()]


def test_bash_completes_commands_and_campaigns(planned: Planned) -> None:
    planned("spring-sale")
    assert in_bash("campaigns sta", "campaigns status ") == [["status"], ["spring-sale"]]


@pytest.mark.parametrize(
    ("shell", "line", "offered"),
    [
        ("zsh", "campaigns approve spr", ['"spring-sale"']),
        ("fish", "campaigns throttle spr", ["spring-sale"]),
        ("fish", "campaigns pause autumn", []),
        ("fish", "campaigns devices --output ", ["table", "json", "csv"]),
        ("fish", "campaigns held --r", ["--run"]),
        ("fish", "campaigns suppress rev", ["review"]),
    ],
)
def test_the_scripts_of_other_shells_ask_in_their_way(
    run: Cli, planned: Planned, shell: str, line: str, offered: list[str]
) -> None:
    planned("spring-sale")
    completion_init()
    asking = {COMPLETE: f"complete_{shell}", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    assert f"{COMPLETE}=complete_{shell}" in run("completion", shell).stdout
    answer = run(env=asking | {"_TYPER_COMPLETE_ARGS": line})
    assert (answer.exit_code, answer.stderr) == (0, "")
    assert all(each in answer.stdout for each in offered)
    assert bool(answer.stdout.strip()) is bool(offered)


def test_an_unknown_shell_is_refused(run: Cli) -> None:
    assert run("completion", "tcsh").exit_code == 2


def test_names_that_a_shell_would_run_are_not_offered(planned: Planned) -> None:
    store, _ = planned("spring-sale")
    with store.write() as session:
        for slug in ("$(touch no)", "test:spring-sale", "s_x", "spring;reboot"):
            session.add(Campaign(slug=slug, rehearsal=False, created_at=START))
    assert campaign_names("") == ["spring-sale"]
    assert campaign_names("s_") == []


@pytest.mark.parametrize("setting", ["CAMPAIGNS_DATABASE_URL=sqlite:///no/such/folder.db", "CAMPAIGNS_THREADS=no"])
def test_what_is_in_the_way_offers_nothing_and_says_nothing(
    folder: Path, capfd: pytest.CaptureFixture[str], setting: str
) -> None:
    (folder / ".env").write_text(setting + "\n")
    (folder / ".env").chmod(0o600)
    assert campaign_names("") == []
    assert capfd.readouterr() == ("", "")


def test_a_database_that_does_not_answer_is_not_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # which nobody serves
        address = f"postgresql+psycopg://user@127.0.0.1:{server.getsockname()[1]}/name"
        monkeypatch.setenv("CAMPAIGNS_DATABASE_URL", address)
        assert campaign_names("") == []  # the first time everything is imported
        began = time.monotonic()
        assert campaign_names("") == []
        assert time.monotonic() - began < 5
