"""`users`: who may sign in, and what they may do."""

import sys
from typing import Annotated

import typer

from campaigns.access import Role
from scheduler.cli.options import AsJson, AsOutput
from scheduler.cli.rendering.listing import chosen, print_listed
from scheduler.cli.rendering.output import local_time, print_json, print_table, say

users = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Who may sign in, and what they may do.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name to sign in with; capitals make no difference.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")
]


LastMeant = Annotated[bool, typer.Option("--yes", help="Even if no admin is left then.")]


COLUMNS = ("name", "role", "created_at", "password_at", "created_by")


@users.command()
def add(
    name: Name,
    role: Annotated[
        Role,
        typer.Option("--role", help="Each may do what those before it may: viewer, author, approver, operator, admin."),
    ],
    password_stdin: FromStdin = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="For someone who only signs in through a trusted proxy.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Add a user; asks for the password twice.

    Example: campaigns users add anna --role operator
    """
    from campaigns.clock import SystemClock
    from scheduler.actions.access.users import add_user
    from scheduler.actions.opening import own_store
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    if password_stdin and no_password:
        raise typer.BadParameter("choose --password-stdin or --no-password, not both")
    settings = load_settings()
    password = None if no_password else _password(password_stdin)
    with own_store(settings) as store:
        stored = add_user(store, this_user(), name, role, password, now=SystemClock().now())
    _tell({"name": stored, "role": role.value}, f"{stored} is {_article(role)} {role.value}", as_json=json)


@users.command("list")
def list_(output: AsOutput = None, json: AsJson = False) -> None:
    """Show every user."""
    from campaigns.display import utc
    from scheduler.actions.access.users import list_users
    from scheduler.actions.opening import existing_store
    from worker.settings.settings import load_settings

    form, settings = chosen(output, as_json=json), load_settings()
    with existing_store(settings) as store:
        found = list_users(store)
    said = (
        {
            "name": user.name,
            "role": user.role.value,
            "created_at": utc(user.created_at),
            "password_at": utc(user.password_at),
            "created_by": user.created_by,
        }
        for user in found
    )
    if print_listed(form, COLUMNS, said):
        return
    if not found:
        say("there are no users yet: campaigns users add NAME --role admin")
    else:
        rows = [(u.name, u.role.value, local_time(u.created_at, settings.zone), u.created_by) for u in found]
        print_table(("name", "role", "since", "added by"), rows)


@users.command()
def remove(name: Name, yes: LastMeant = False, json: AsJson = False) -> None:
    """Remove a user, and sign the user out everywhere."""
    from campaigns.clock import SystemClock
    from scheduler.actions.access.users import remove_user
    from scheduler.actions.opening import campaign_store
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    with campaign_store(load_settings()) as store:
        remove_user(store, this_user(), name, is_last_meant=yes, now=SystemClock().now())
    _tell({"removed": name}, f"{name} is removed and signed out everywhere", as_json=json)


@users.command("set-role")
def set_role(
    name: Name,
    role: Annotated[Role, typer.Argument(metavar="ROLE", help="viewer, author, approver, operator or admin.")],
    yes: LastMeant = False,
    json: AsJson = False,
) -> None:
    """Change the role of a user, at once, including where the user is signed in."""
    from campaigns.clock import SystemClock
    from scheduler.actions.access import users as actions
    from scheduler.actions.opening import campaign_store
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    with campaign_store(load_settings()) as store:
        actions.set_role(store, this_user(), name, role, is_last_meant=yes, now=SystemClock().now())
    _tell({"name": name, "role": role.value}, f"{name} is {_article(role)} {role.value} now", as_json=json)


@users.command("set-password")
def set_password(name: Name, password_stdin: FromStdin = False, json: AsJson = False) -> None:
    """Change a user's password, and sign the user out everywhere."""
    from campaigns.clock import SystemClock
    from scheduler.actions.access import users as actions
    from scheduler.actions.opening import campaign_store
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    settings, password = load_settings(), _password(password_stdin)
    with campaign_store(settings) as store:
        actions.set_password(store, this_user(), name, password, now=SystemClock().now())
    _tell({"name": name}, f"{name} has a new password and is signed out everywhere", as_json=json)


def _password(is_on_stdin: bool) -> str:
    """Return the password that somebody types. It never is an argument: other users of the machine see those."""
    if is_on_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask for the password on: use --password-stdin")
    typed: str = typer.prompt("password", hide_input=True, confirmation_prompt="once more", err=True)
    return typed


def _article(role: Role) -> str:
    return "a" if role is Role.VIEWER else "an"


def _tell(value: dict[str, str], sentence: str, *, as_json: bool) -> None:
    if as_json:
        print_json(value)
    else:
        say(sentence)
