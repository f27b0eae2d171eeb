"""What an error looks like, and which exit code it has."""

import importlib
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import typer
from sqlalchemy.exc import DatabaseError, IntegrityError, OperationalError
from typer.testing import CliRunner, Result

from campaigns.problems import CampaignFileError, Problem
from campaigns.take_up import EditCode, Refuse
from scheduler.actions.refusals import Refusal, Refused
from scheduler.cli.app import Commands, app
from scheduler.cli.errors import KNOWN, tell
from scheduler.exits import Exit
from scheduler.intake.outcome import EditRefused
from worker.gateway import AccountRefused, ConnectFailed
from worker.sandbox.errors import SandboxError
from worker.settings.settings import SettingsError
from worker.store.errors import StoreError

Cli = Callable[..., Result]

DATABASE_ADVICE = "check CAMPAIGNS_DATABASE_URL"
MIGRATE = "bring it up to date with: campaigns migrate"


def missing_column() -> Exception:
    """SQLite's own error, with its code."""
    with pytest.raises(sqlite3.OperationalError) as raised, closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("SELECT x")
    return raised.value


COMMANDS = [
    *(
        "init",
        "check",
        "plan",
        "capacity",
        "schema",
        "run",
        "up",
        "worker",
        "scheduler",
        "dashboard",
        "test",
        "status",
        "top",
    ),
    *(
        "alerts",
        "export",
        "why",
        "audit",
        "verify",
        "pause",
        "resume",
        "cancel",
        "approve",
        "throttle",
        "held",
        "resolve",
        "resend",
    ),
    *("people", "reply"),
    *("recover", "balance", "devices", "migrate", "sandbox", "move", "doctor", "notify", "completion", "calls"),
    *("contacts", "suppress", "erase", "users", "tokens"),
]


def failing(error: BaseException) -> typer.Typer:
    """A command line with one command that fails like this."""
    broken = typer.Typer(cls=Commands, rich_markup_mode=None)

    @broken.callback()
    def options(debug: bool = typer.Option(False, "--debug")) -> None: ...

    @broken.command()
    def fail() -> None:
        raise error

    return broken


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (Refused(Refusal.UNKNOWN_CAMPAIGN, "there is no campaign x"), 2, "there is no campaign x\n"),
        (SettingsError("CAMPAIGNS_RATE: wrong"), 2, "CAMPAIGNS_RATE: wrong\n"),
        (StoreError("the database is newer"), 2, "the database is newer\n"),
        (SandboxError("Port 1 cannot be used"), 2, "Port 1 cannot be used\n"),
        (EditRefused(Refuse(EditCode.CHANGED, "the file was changed")), 2, "the file was changed\n"),
        (LookupError("there is no run 7"), 2, "there is no run 7\n"),
        (
            FileNotFoundError(2, "No such file or directory", "x.csv"),
            2,
            "x.csv: No such file or directory; check the name and the permissions\n",
        ),
        (AccountRefused("the key is wrong"), 4, "the key is wrong\n"),
        (ConnectFailed("no connection"), 4, "no connection\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (typer.Abort(), 130, "interrupted\n"),
        (
            DatabaseError(None, None, sqlite3.DatabaseError("file is not a database")),
            2,
            f"the database cannot be used (file is not a database); {DATABASE_ADVICE}\n",
        ),
        (
            OperationalError(None, None, missing_column()),
            2,
            f"the database was not made by this version (no such column: x); {MIGRATE}\n",
        ),
        (
            IntegrityError(None, None, sqlite3.IntegrityError("+393331000001")),
            1,
            "internal error (IntegrityError); run the command again with --debug and report what it shows\n",
        ),
        (
            KeyError("+393331000001"),
            1,
            "internal error (KeyError); run the command again with --debug and report what it shows\n",
        ),
        (
            RuntimeError("+393331000001"),
            1,
            "internal error (RuntimeError); run the command again with --debug and report what it shows\n",
        ),
        (
            CampaignFileError([Problem("a.yaml", 2, 1, "x", "bad"), Problem("a.yaml", 1, 1, "y", "bad", "mend it")]),
            2,
            "a.yaml:1:1: y: bad (mend it)\na.yaml:2:1: x: bad\n",
        ),
    ],
)
def test_every_error_is_told_in_words_and_has_its_exit_code(error: BaseException, code: int, told: str) -> None:
    result = CliRunner().invoke(failing(error), ["fail"])

    assert (result.exit_code, result.stdout, result.stderr) == (code, "", told)


@pytest.mark.parametrize("arguments", [["--debug", "fail"], ["fail", "--debug"]])
def test_debug_shows_the_traceback(arguments: list[str]) -> None:
    result = CliRunner().invoke(failing(RuntimeError("deep down")), arguments)

    assert result.exit_code == 1
    assert result.stderr.startswith("Traceback (most recent call last):")
    assert "RuntimeError: deep down" in result.stderr


def test_every_known_error_exists_under_its_name() -> None:
    for module, name, code in KNOWN:
        kind = getattr(importlib.import_module(module), name)
        assert issubclass(kind, Exception)
        assert code in Exit


def test_an_interruption_has_its_code_wherever_it_comes(capsys: pytest.CaptureFixture[str]) -> None:
    assert tell(KeyboardInterrupt(), debug=False) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_the_help_lists_what_there_is(run: Cli) -> None:
    result = run("--help")

    listed = [line.split()[0] for line in result.stdout.partition("Commands:")[2].splitlines() if line.strip()]
    assert listed == COMMANDS


@pytest.mark.parametrize("command", [*COMMANDS, "contacts add", "contacts unsubscribe"])
def test_every_command_has_help(run: Cli, command: str) -> None:
    result = run(*command.split(), "--help")

    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: campaigns {command} ")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["statsu"], "Did you mean 'status'"),
        (["plan"], "Missing argument 'FILE'"),
        (["status", "--jsno"], "No such option: --jsno"),
        (["export", "x", "--format", "xml"], "'xml' is not one of 'csv', 'jsonl'"),
        (["sandbox", "--profile", "xml"], "must be strings or ints, not xml"),
        (["sandbox", "--failed", "2"], "at most 1 together"),
        (["contacts", "add", "0", "+39 333 100 0001"], "greater than or equal to 1"),
    ],
)
def test_wrong_usage_is_bad_input(run: Cli, arguments: list[str], hint: str) -> None:
    result = run(*arguments)

    assert (result.exit_code, result.stdout) == (2, "")
    assert hint in result.stderr


def test_migrate_says_where_the_schema_is_and_can_be_repeated(run: Cli, folder: Path) -> None:
    first, again = run("migrate", "--json"), run("migrate")

    revision = json.loads(first.stdout)["revision"]
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert again.stdout == f"the database sqlite:///campaigns.db is at schema {revision}\n"
    assert (folder / "campaigns.db").exists()


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://localhost/x", "sqlite://", "postgresql://campaigns:s3cret@127.0.0.1:9/x"]
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(
    run: Cli, monkeypatch: pytest.MonkeyPatch, campaign_file: Path, url: str
) -> None:
    monkeypatch.setenv("CAMPAIGNS_DATABASE_URL", url)

    for command in (["migrate"], ["status"], ["plan", str(campaign_file)]):
        result = run(*command)
        assert result.exit_code == 2, result.output
        assert result.stderr.count("\n") == 1
        assert "s3cret" not in result.output


@pytest.mark.parametrize("name", ["campaigns.db", "campaigns.db.marker"])
def test_a_plan_that_cannot_read_who_opted_out_says_what_other_commands_say(
    run: Cli, folder: Path, campaign_file: Path, name: str
) -> None:
    # given a database that is something else, or one that is gone except for the mark next to it
    (folder / name).write_text(f"{7:<20} {'740d6c1ec0c029e5':<16}\n" if name.endswith(".marker") else "garbage" * 999)

    planned, status = run("plan", str(campaign_file)), run("status")

    assert (planned.exit_code, planned.stdout, planned.stderr) == (2, "", status.stderr)
    assert planned.stderr.startswith("the database ")


def test_the_app_is_what_the_script_starts() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout.startswith("campaigns ")
