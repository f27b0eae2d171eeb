"""`users` and `tokens`: who may come in, added and removed on the command line."""

import json
import os
import pty
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import Result

from campaigns.access import Role
from campaigns.clock import SystemClock
from scheduler.actions.access.signing_in import sign_in
from worker.settings.settings import load_settings
from worker.store.access import tokens, users
from worker.store.engine import Store

Cli = Callable[..., Result]

PASSWORD = "correct horse battery"
READ = ["--scope", "read"]


@pytest.fixture
def own(folder: Path, migrated: Callable[[Path], None]) -> Iterator[Store]:
    migrated(folder)
    store = Store(load_settings().database_url)
    yield store
    store.close()


def lines(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def role_by(store: Store, password: str) -> Role | None:
    done = sign_in(store, "anna", password, origin="", now=SystemClock().now())
    return done.role if done else None


def test_a_user_is_added_changed_and_removed(cli: Cli, own: Store) -> None:
    assert cli("users", "list").stdout == "there are no users yet: campaigns users add NAME --role admin\n"
    added = cli("users", "add", "Anna", "--role", "operator", "--password-stdin", input=PASSWORD + "\n")
    assert added.stdout == "anna is an operator\n"
    assert role_by(own, PASSWORD) is Role.OPERATOR
    # when
    assert cli("users", "set-role", "anna", "viewer").stdout == "anna is a viewer now\n"
    assert role_by(own, PASSWORD) is Role.VIEWER
    cli("users", "set-password", "ANNA", "--password-stdin", input="another " + PASSWORD)
    assert (role_by(own, PASSWORD), role_by(own, "another " + PASSWORD)) == (None, Role.VIEWER)
    (listed,) = lines(cli("users", "list", "--json"))
    assert (listed["name"], listed["role"]) == ("anna", "viewer")
    assert "anna" in cli("users", "list").stdout
    assert cli("users", "remove", "anna").stdout == "anna is removed and signed out everywhere\n"
    assert (role_by(own, "another " + PASSWORD), lines(cli("users", "list", "--json"))) == (None, [])
    # and one who comes through a proxy has no password at all
    assert lines(cli("users", "add", "anna", "--role", "author", "--no-password", "--json"))[0]["role"] == "author"
    assert role_by(own, "") is None


def test_the_only_admin_is_removed_or_made_less_only_if_that_is_meant(cli: Cli, own: Store) -> None:
    for name in ("anna", "bob"):
        cli("users", "add", name, "--role", "admin", "--no-password")
    assert cli("users", "remove", "bob").exit_code == 0
    for less in (["remove", "anna"], ["set-role", "anna", "operator"]):
        refused = cli("users", *less)
        assert "anna is the only admin; add another one first; or use --yes" in refused.stderr
        assert refused.exit_code != 0
    assert cli("users", "set-role", "anna", "admin").exit_code == 0
    assert cli("users", "set-role", "anna", "operator", "--yes").exit_code == 0
    # and an operator is not the last admin
    assert cli("users", "remove", "anna").exit_code == 0


def test_a_token_is_shown_once_and_counts_until_it_is_removed(cli: Cli, own: Store) -> None:
    def is_in_force(secret: str) -> bool:
        with own.look() as session:
            return tokens.find(session, secret, now=SystemClock().now()) is not None

    added = cli("tokens", "add", "crm", "--scope", "submit, read", "--expires", "90d", "--recipients-daily", "500")
    secret = added.stdout.strip()
    assert is_in_force(secret)
    (listed,) = lines(cli("tokens", "list", "--json"))
    assert (listed["scopes"], listed["recipients_daily"], listed["prefix"]) == (["read", "submit"], 500, secret[:12])
    shown = cli("tokens", "list").stdout
    assert secret[:12] in shown
    assert secret not in shown
    # when
    assert cli("tokens", "remove", "crm").stdout == "the token crm is removed\n"
    assert not is_in_force(secret)
    (again,) = lines(cli("tokens", "add", "crm", *READ, "--json"))
    assert is_in_force(str(again["token"]))


NO_PASSWORD = ["--no-password"]
STDIN = ["--password-stdin"]
REFUSED = [
    (["users", "add", "anna", "--role", "admin", *STDIN], "short", "a password has at least 12 characters"),
    (["users", "add", "anna", "--role", "admin"], "", "there is no terminal to ask for the password on"),
    (["users", "add", "an na", "--role", "admin", *NO_PASSWORD], "", "a name has at most 64 letters a to z, digits"),
    (["users", "add", "anna", "--role", "boss", *NO_PASSWORD], "", "'boss' is not one of 'viewer'"),
    (["users", "add", "bob", "--role", "viewer", *NO_PASSWORD], "", "there is a user bob already"),
    (["users", "add", "anna", "--role", "admin", *NO_PASSWORD, *STDIN], PASSWORD, "not both"),
    (["users", "remove", "anna"], "", "there is no user anna; list them with: campaigns users list"),
    (["users", "set-role", "anna", "admin"], "", "there is no user anna"),
    (["users", "set-password", "anna", *STDIN], PASSWORD, "there is no user anna"),
    (["tokens", "add", "crm", "--scope", "read,write"], "", "write is not a scope; there are read, read:numbers"),
    (["tokens", "add", "crm", "--scope", ","], "", "a token needs a scope"),
    (["tokens", "add", "crm", *READ, "--expires", "soon"], "", "must be a length of time"),
    (["tokens", "add", "crm", *READ, "--recipients-daily", "0"], "", "--recipients-daily"),
    (["tokens", "add", "bob", *READ], "", "there is a token bob already"),
    (["tokens", "remove", "crm"], "", "there is no token crm; campaigns tokens list shows all"),
]


def test_what_cannot_be_is_refused_with_what_to_do_and_changes_nothing(cli: Cli, own: Store) -> None:
    cli("users", "add", "bob", "--role", "admin", "--no-password")
    cli("tokens", "add", "bob", *READ)
    for arguments, typed, sentence in REFUSED:
        refused = cli(*arguments, input=typed)
        assert (refused.exit_code, sentence in " ".join(refused.stderr.split())) == (2, True), refused.stderr
    with own.read() as session:
        assert [(user.name, user.role) for user in users.listed(session)] == [("bob", Role.ADMIN)]
        assert [token.name for token in tokens.listed(session)] == ["bob"]


def test_on_a_terminal_the_password_is_asked_for_twice_and_not_shown(own: Store) -> None:
    command = [sys.executable, "-c", "from scheduler.cli.app import main; main()", "users", "add", "anna"]
    child, ours = pty.fork()  # with a terminal of its own, which is where passwords are read
    if not child:
        os.execv(sys.executable, [*command, "--role", "admin"])  # noqa: S606  our own command
    shown = b""
    for question in (b"password: ", b"once more: "):
        while not shown.endswith(question):
            shown += os.read(ours, 1_000)
        os.write(ours, PASSWORD.encode() + b"\n")
    while b"anna is an admin" not in shown:
        shown += os.read(ours, 1_000)
    assert os.waitpid(child, 0)[1] == 0
    os.close(ours)
    assert PASSWORD.encode() not in shown
    assert role_by(own, PASSWORD) is Role.ADMIN
