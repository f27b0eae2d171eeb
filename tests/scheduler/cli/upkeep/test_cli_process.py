"""The command as users start it: a process, with its streams, signals and exit codes."""

import json
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from typer.testing import Result

from worker.store.engine import Store

Cli = Callable[..., Result]
Planned = Callable[[str], tuple[Store, int]]

COMMAND = [sys.executable, "-c", "from scheduler.cli import main; main()"]
HEAVY = ("alembic", "dramatiq", "httpx", "openpyxl", "phonenumbers", "pydantic", "rich", "sqlalchemy", "structlog")


def start(*arguments: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


def test_the_help_waits_for_no_library_that_it_does_not_use() -> None:
    code = f"import sys, scheduler.cli; print([name for name in {HEAVY!r} if name in sys.modules])"

    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert loaded.stdout == "[]\n"


def test_a_sandbox_says_where_it_is_and_ends_with_ctrl_c(folder: Path) -> None:
    with start("sandbox", "--key", "sandbox-test", "--ledger", "ledger.jsonl") as sandbox:
        assert sandbox.stdout is not None
        url = sandbox.stdout.readline().strip()
        os.environ["CAMPAIGNS_GATEWAY_URL"], os.environ["CAMPAIGNS_API_KEY"] = url, "sandbox-test"
        try:
            with start("balance", "--json") as balance:
                shown = balance.communicate()[0]
        finally:
            del os.environ["CAMPAIGNS_GATEWAY_URL"], os.environ["CAMPAIGNS_API_KEY"]
        sandbox.send_signal(signal.SIGINT)
        rest, complaints = sandbox.communicate()

    assert url.startswith("http://127.0.0.1:")
    assert json.loads(shown) == {"credits": None, "unlimited": True}
    assert (sandbox.returncode, rest, complaints) == (0, "", "")


def test_a_watch_that_is_interrupted_ends_with_130(planned: Planned) -> None:
    planned("spring-sale")

    with start("status", "spring-sale", "--watch", "--json") as watch:
        assert watch.stdout is not None
        first = json.loads(watch.stdout.readline())
        watch.send_signal(signal.SIGINT)
        rest, complaints = watch.communicate()

    assert first["state"] == "scheduled"
    assert (watch.returncode, rest, complaints) == (130, "", "interrupted\n")


def test_a_terminal_is_asked_before_a_campaign_is_cancelled(run: Cli, planned: Planned) -> None:
    # given
    planned("spring-sale")
    terminal, stdin = pty.openpty()

    # when the answer is no
    with start("cancel", "spring-sale", stdin=stdin) as cancel:
        os.write(terminal, b"n\n")
        out, asked = cancel.communicate()
    os.close(terminal)
    os.close(stdin)

    # then
    assert (cancel.returncode, out) == (0, "")
    assert "spring-sale is scheduled. Cancel it for good?" in asked
    assert asked.endswith("spring-sale was left as it is\n")
    assert json.loads(run("status", "spring-sale", "--json").stdout)["state"] == "scheduled"


def test_a_reader_that_goes_away_is_no_error_to_report(run: Cli, planned: Planned, folder: Path) -> None:
    # given more output than a pipe holds
    people = folder / "people.csv"
    planned("small")
    people.write_text(
        "phone,first_name\n" + "".join(f"+39333{n:07},{'x' * 100}\n" for n in range(1_000_000, 1_001_000))
    )
    planned("spring-sale")

    # when
    with start("export", "spring-sale") as export:
        assert export.stdout is not None
        header = export.stdout.readline()
        export.stdout.close()
        assert export.stderr is not None
        complaints = export.stderr.read()

    # then
    assert header.startswith('"number","state",')
    assert "Traceback" not in complaints
    assert "internal error" not in complaints


def test_an_export_is_utf_8_in_any_locale(planned: Planned, campaign_file: Path) -> None:
    campaign_file.with_name("people.csv").write_text("phone,first_name\n+393331000001,Zoë 🎉\n", encoding="utf-8")
    planned("spring-sale")

    environment = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "latin-1"}
    exported = subprocess.run([*COMMAND, "export", "spring-sale"], check=True, capture_output=True, env=environment)
    shown = subprocess.run([*COMMAND, "plan", str(campaign_file)], check=True, capture_output=True, env=environment)

    assert "Hi Zoë 🎉" in exported.stdout.decode("utf-8")
    assert b"Hi Zo\xeb \\U0001f389" in shown.stdout


def test_on_postgresql_a_fresh_database_has_no_campaigns_until_it_is_migrated(
    run: Cli, empty_postgres_url: str
) -> None:
    environment = {"CAMPAIGNS_DATABASE_URL": empty_postgres_url}

    before = run("status", env=environment)
    migrated = run("migrate", env=environment)
    after = run("status", "spring-sale", env=environment)

    assert before.stdout.startswith("there are no campaigns yet")
    assert migrated.exit_code == 0
    assert (after.exit_code, after.stdout) == (2, "")
