"""`tokens`: keys for programs that call the API."""

from typing import Annotated

import typer

from scheduler.cli.errors import values_of_options
from scheduler.cli.options import AsJson, AsOutput
from scheduler.cli.rendering.listing import chosen, print_listed
from scheduler.cli.rendering.output import local_time, print_json, print_table, say, warn

tokens = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Keys for programs that call the API.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The name of the program in lists and in the audit.")]


COLUMNS = (
    *("name", "prefix", "scopes", "recipients_daily"),
    *("created_at", "created_by", "expires_at", "last_used_at"),
)


@tokens.command()
def add(
    name: Name,
    scope: Annotated[str, typer.Option("--scope", help="What it may do, separated by commas: read,submit,approve.")],
    expires: Annotated[
        str | None, typer.Option("--expires", help="How long it lasts, such as 90d. Default: until it is removed.")
    ] = None,
    recipients_daily: Annotated[
        int | None, typer.Option("--recipients-daily", min=1, help="How many people it may send to per day.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Make a token and print it, once: only its digest is stored.

    Example: campaigns tokens add crm --scope read,plan,submit --expires 90d
    """
    from campaigns.clock import SystemClock
    from campaigns.display import utc
    from campaigns.values.durations import parse_duration
    from scheduler.actions.access.tokens import add_token, known_scopes
    from scheduler.actions.opening import own_store
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    now, settings = SystemClock().now(), load_settings()
    with values_of_options():
        scopes = known_scopes(scope)
    try:
        lasts = parse_duration(expires) if expires is not None else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--expires") from None
    with own_store(settings) as store:
        secret = add_token(store, this_user(), name, scopes, lasts=lasts, recipients_daily=recipients_daily, now=now)
    if json:
        expires_at = utc(now + lasts) if lasts else None
        print_json({"name": name, "token": secret, "scopes": sorted(scopes), "expires_at": expires_at})
    else:
        say(secret)
        warn("this is the only time that the token is shown; send it as `Authorization: Bearer TOKEN`")


@tokens.command("list")
def list_(output: AsOutput = None, json: AsJson = False) -> None:
    """Show every token by its first characters, with its scopes and its last use."""
    from campaigns.clock import SystemClock
    from campaigns.display import utc
    from scheduler.actions.access.tokens import list_tokens
    from scheduler.actions.opening import existing_store
    from worker.settings.settings import load_settings

    form, settings, now = chosen(output, as_json=json), load_settings(), SystemClock().now()
    with existing_store(settings) as store:
        found = list_tokens(store)
    said = (
        {
            "name": token.name,
            "prefix": token.prefix,
            "scopes": list(token.scopes),
            "recipients_daily": token.recipients_daily,
            "created_at": utc(token.created_at),
            "created_by": token.created_by,
            "expires_at": utc(token.expires_at),
            "last_used_at": utc(token.last_used_at),
        }
        for token in found
    )
    if print_listed(form, COLUMNS, said):
        return
    if not found:
        say("there are no tokens yet: campaigns tokens add NAME --scope read")
    else:
        headings = ("name", "begins with", "scopes", "per day", "expires", "last used")
        rows = [
            (
                token.name,
                token.prefix,
                ", ".join(token.scopes),
                f"{token.recipients_daily:,}" if token.recipients_daily else "",
                "expired"
                if token.expires_at and token.expires_at <= now
                else local_time(token.expires_at, settings.zone),
                local_time(token.last_used_at, settings.zone),
            )
            for token in found
        ]
        print_table(headings, rows, numeric=("per day",))


@tokens.command()
def remove(name: Name, json: AsJson = False) -> None:
    """Remove a token: it is refused from the next call on."""
    from campaigns.clock import SystemClock
    from scheduler.actions.access.tokens import remove_token
    from scheduler.actions.opening import campaign_store
    from scheduler.cli.user import this_user
    from worker.settings.settings import load_settings

    with campaign_store(load_settings()) as store:
        remove_token(store, this_user(), name, now=SystemClock().now())
    if json:
        print_json({"removed": name})
    else:
        say(f"the token {name} is removed")
